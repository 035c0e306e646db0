"""The real client, on its own and from real editors, with a notebook of a real site."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from tests.running import COMMAND, Site, demo_site, wait_until

from .test_emacs import LIBRARY
from .test_emacs import PRELUDE as EMACS_PRELUDE
from .test_vim import EDITORS, PLUGIN
from .test_vim import PRELUDE as VIM_PRELUDE

USER = "admin"
_NUMBERS = count()
CELLS = "# %%\nfirst = 1\n\n# %%\nprint('the output of', first)\n"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with demo_site() as site:
        yield site


@pytest.fixture(scope="module")
def token(site: Site) -> str:
    store = open_store(Settings(notebook_folder=str(site.folder / "notebooks")))
    _, secret = store.create(USER, "an editor", [Grant(Scope.SYNC)], 3600)
    store.close()
    return secret


class Laptop:
    """A folder of a user's machine, where the client is signed in by its environment."""

    def __init__(self, folder: Path, site: Site, token: str) -> None:
        self.folder, self.site = folder, site
        self.file = folder / f"{folder.name}.sync.py"
        self.notebook = f"{folder.name}.sync.ipynb"
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYRAMID_NOTEBOOK_URL": f"{site.url}/notebook/{USER}/",
            "PYRAMID_NOTEBOOK_TOKEN": token,
            "XDG_CONFIG_HOME": str(folder),
            "XDG_STATE_HOME": str(folder),
        }

    def call(self, *arguments: str, code: int = 0, program: tuple[str, ...] = ("pyramid-notebook",)) -> str:
        """Run the client, and return what it printed on both streams."""
        done = subprocess.run(
            [*program, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def pair(self, text: str = CELLS) -> None:
        self.file.write_text(text)
        self.call("pair", str(self.file))

    @property
    def sources(self) -> list[str]:
        path = self.site.folder / "notebooks" / USER / "work" / self.notebook
        return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]

    def type_in_the_notebook(self, cell: int, source: str) -> None:
        """Change a cell as another program does, with a token of its own."""
        other = self.folder / "other"
        other.mkdir(exist_ok=True)
        copy = Laptop(other, self.site, self.environment["PYRAMID_NOTEBOOK_TOKEN"])
        copy.file = other / self.file.name
        copy.file.unlink(missing_ok=True)
        copy.call("pull", "--filename", str(copy.file), "--notebook", self.notebook)
        text = copy.file.read_text()
        old = self.sources[cell]
        copy.file.write_text(text.replace(old, source))
        copy.call("sync", "--filename", str(copy.file), "--notebook", self.notebook)


@pytest.fixture
def laptop(tmp_path: Path, site: Site, token: str) -> Laptop:
    folder = tmp_path / f"work-{next(_NUMBERS)}"  # notebooks are named after it, and all are of one user
    folder.mkdir()
    return Laptop(folder, site, token)


def test_the_client_pairs_pushes_and_tells_what_changed(laptop: Laptop) -> None:
    laptop.pair()
    laptop.file.write_text(CELLS.replace("1", "2") + "\n# %%\nthird = 3\n")
    told = laptop.call("sync", "--filename", str(laptop.file))
    assert laptop.notebook in told
    assert "1 cell changed" in told
    assert "1 new" in told
    assert laptop.sources[0] == "first = 2"


def test_the_client_is_a_module_too(laptop: Laptop) -> None:
    laptop.pair()
    module = (sys.executable, "-m", "pyramid_notebook.sync.client")
    assert laptop.notebook in laptop.call("sync", "--filename", str(laptop.file), program=module)


def test_the_client_runs_a_line_and_prints_its_output(laptop: Laptop) -> None:
    laptop.pair()
    laptop.call("run", str(laptop.file), "--line", "1")
    assert "the output of 1" in laptop.call("run", "--filename", str(laptop.file), "--linenumber", "5")


def test_the_client_tells_a_failing_cell_by_its_exit_code(laptop: Laptop) -> None:
    laptop.pair("# %%\n1 / 0\n")
    assert "ZeroDivisionError" in laptop.call("run-all", str(laptop.file), code=4)
    status = laptop.call("status", str(laptop.file))
    assert "code" in status


def test_the_client_brings_what_others_did_and_tells_conflicts(laptop: Laptop) -> None:
    laptop.pair()
    laptop.type_in_the_notebook(0, "first = 100")
    laptop.file.write_text(CELLS.replace("the output of", "it is"))
    laptop.call("sync", str(laptop.file))
    laptop.call("pull", str(laptop.file))
    assert laptop.file.read_text() == "# %%\nfirst = 100\n\n# %%\nprint('it is', first)\n"
    laptop.type_in_the_notebook(0, "first = 200")
    laptop.file.write_text(laptop.file.read_text().replace("100", "300"))
    told = laptop.call("sync", str(laptop.file), code=3)
    assert f"{laptop.file.name}:1" in told
    laptop.call("sync", "--force", str(laptop.file))
    assert laptop.sources[0] == "first = 300"


def test_a_watch_pushes_what_is_saved_and_brings_what_others_did(laptop: Laptop) -> None:
    laptop.pair()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "watch", "--two-way", str(laptop.file)],
        env=laptop.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as watch:
        try:
            moments = [0.0]

            def saved() -> bool:  # again, each second: nobody knows when it has begun to watch
                if time.monotonic() > moments[-1] + 1:
                    moments.append(time.monotonic())
                    text = CELLS.replace("first = 1\n", "first = 2\n")
                    laptop.file.write_text(text + "\n" * (len(moments) % 2))
                return laptop.sources[0] == "first = 2"

            wait_until(saved, "the watch has pushed")
            laptop.type_in_the_notebook(0, "first = 3")
            wait_until(lambda: "first = 3" in laptop.file.read_text(), "the watch has brought it")
        finally:
            watch.send_signal(signal.SIGINT)
            told = watch.communicate(timeout=30)[0]
    assert watch.returncode == 130, told
    assert "Traceback" not in told


def test_a_restart_ends_what_runs(laptop: Laptop) -> None:
    laptop.pair("# %%\nwhile True: pass\n")
    laptop.call("run-all", "--no-wait", str(laptop.file))
    assert laptop.call("restart", str(laptop.file))


@pytest.mark.parametrize("name", EDITORS)
def test_a_save_in_vim_gets_into_the_notebook(laptop: Laptop, name: str) -> None:
    laptop.pair()
    script = laptop.folder / "script.vim"
    script.write_text(
        f"{VIM_PRELUDE}\nruntime! plugin/pyramid_notebook.vim\n1,$substitute/first = 1/first = 42/\n"
        "write\ncall Quiet()\nqall!\n"
    )
    environment = laptop.environment | {"PLUGIN": str(PLUGIN), "RECORDED": str(laptop.folder), "TERM": "dumb"}
    command = [*EDITORS[name], "-S", str(script), "--", str(laptop.file)]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert laptop.sources[0] == "first = 42"


def test_a_save_in_emacs_gets_into_the_notebook(laptop: Laptop) -> None:
    laptop.pair()
    (laptop.folder / "script.el").write_text(
        f'{EMACS_PRELUDE}\n(visit "{laptop.file}")\n(goto-char (point-min))\n(search-forward "first = 1")\n'
        '(insert "00")\n(save)\n(quiet)\n'
    )
    environment = laptop.environment | {"LIBRARY": str(LIBRARY), "RECORDED": str(laptop.folder)}
    command = ["emacs", "--batch", "-Q", "-l", str(laptop.folder / "script.el")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert laptop.sources[0] == "first = 100", done


def test_a_token_that_is_not_valid_is_told_and_not_shown(laptop: Laptop) -> None:
    laptop.pair()
    wrong = "pnb_" + "x" * 43
    laptop.environment["PYRAMID_NOTEBOOK_TOKEN"] = wrong
    told = laptop.call("sync", str(laptop.file), code=1)
    assert "PYRAMID_NOTEBOOK_TOKEN is not valid" in told
    assert wrong not in told
    assert len(told.splitlines()) == 1


def test_a_server_that_does_not_run_is_started_by_a_sync(laptop: Laptop) -> None:
    laptop.pair()
    laptop.site.manager.stop(USER)
    laptop.file.write_text(CELLS.replace("1", "5"))
    laptop.call("sync", str(laptop.file))
    assert laptop.sources[0] == "first = 5"
