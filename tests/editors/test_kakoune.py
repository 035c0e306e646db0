"""The commands in Kakoune."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import wait_until

from .recorder import ODD_NAMES, Recorder, is_understood

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "editors" / "kakoune" / "pyramid-notebook.kak"
CELLS = "# %%\nfirst = 1\n\n# %%\nsecond = 2\n"


class Kakoune:
    """A session with the commands, which calls the recorder, and one client that nobody sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recorder = Recorder(folder / "bin")
        self._environment = self.recorder.environment(XDG_RUNTIME_DIR=str(folder), HOME=str(folder))
        self._process: subprocess.Popen[bytes] | None = None

    def file(self, name: str = "analysis.sync.py", text: str = CELLS) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def open(self, path: Path, *, settings: str = "") -> None:
        script = f"source '{SCRIPT}'; {settings}; nop %sh{{ touch ready }}"
        self._process = subprocess.Popen(
            ["kak", "-n", "-ui", "dummy", "-s", "test", "-e", script, "--", str(path)],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        wait_until((self.folder / "ready").exists, "kakoune has begun")

    def type(self, command: str) -> None:
        """Run commands in the client."""
        self._send(f"evaluate-commands -client client0 %{{ {command} }}")

    def ask(self, expansion: str) -> str:
        """Return what an expansion is in the client."""
        told = self.folder / "told"
        told.unlink(missing_ok=True)
        self.type(f"echo -to-file '{told}.part' -- {expansion}; nop %sh{{ mv told.part told }}")
        wait_until(told.exists, expansion)
        return told.read_text().removesuffix("\n")

    def calls(self, number: int) -> list[list[str]]:
        return wait_until(lambda: len(self.recorder.calls) >= number and self.recorder.calls, f"{number} calls")

    def ended(self, number: int) -> None:
        wait_until(lambda: len(self.recorder.ended) >= number, f"{number} ends")
        wait_until(lambda: self.ask("%opt{notebook_busy}") == "false", "no sync is under way")

    def _send(self, text: str) -> None:
        subprocess.run(["kak", "-p", "test"], input=text.encode(), env=self._environment, timeout=30, check=True)

    def close(self) -> None:
        if self._process:
            self._send("kill! 0")
            self._process.wait(30)


@pytest.fixture
def kakoune(folder) -> Iterator[Kakoune]:
    assert shutil.which("kak"), "kakoune is not installed"
    session = Kakoune(folder)
    yield session
    session.close()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_saving_syncs_a_file_whatever_its_name(kakoune, name):
    path = kakoune.file(name)
    kakoune.open(path)
    kakoune.type("write")
    assert kakoune.calls(1) == [["sync", "--filename", str(path)]]
    kakoune.ended(1)
    assert not list(kakoune.folder.glob("**/stolen"))


COMMANDS = {
    "notebook-sync": ["sync", "--filename", "FILE"],
    "notebook-run": ["run", "--filename", "FILE", "--linenumber", "5"],
    "notebook-run-all": ["run-all", "--filename", "FILE"],
    "notebook-run-above": ["run-above", "--filename", "FILE", "--linenumber", "5"],
    "notebook-run-stale": ["run", "--filename", "FILE", "--stale"],
    "notebook-restart": ["restart", "--filename", "FILE"],
    "notebook-interrupt": ["interrupt", "--filename", "FILE"],
    "notebook-status": ["status", "--filename", "FILE"],
    "notebook-focus": ["focus", "--filename", "FILE", "--linenumber", "5"],
    "notebook-pull": ["pull", "--filename", "FILE"],
    "notebook-pair": ["pair", "--filename", "FILE"],
    "notebook-pair 'a b/it''s $HOME.ipynb'": ["pair", "--filename", "FILE", "--notebook", "a b/it's $HOME.ipynb"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_calls_the_client(kakoune, command):
    path = kakoune.file(ODD_NAMES[2])
    kakoune.open(path)
    kakoune.type(f"execute-keys 5g; {command}")
    assert kakoune.calls(1) == [[str(path) if word == "FILE" else word for word in COMMANDS[command]]]


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_the_client_understands_each_call(arguments, folder):
    assert is_understood(arguments, folder)


def test_the_keys_of_the_user_mode_run_commands(kakoune):
    kakoune.open(kakoune.file())
    kakoune.type("enter-user-mode notebook; execute-keys -with-maps a")
    assert kakoune.calls(1)[0][0] == "run-all"


def test_a_run_saves_the_file_first_and_lets_the_run_sync_it(kakoune):
    path = kakoune.file()
    kakoune.open(path)
    kakoune.type("execute-keys 'ggiA = 1<ret><esc>'; notebook-run")
    kakoune.ended(1)
    assert path.read_text().startswith("A = 1\n")
    assert [call[0] for call in kakoune.recorder.calls] == ["run"]


def test_saves_while_a_sync_runs_cause_exactly_one_more(kakoune):
    kakoune.open(kakoune.file())
    gate = kakoune.recorder.hold("sync.1")
    kakoune.type("write")
    kakoune.calls(1)
    kakoune.type("write; write; write")
    gate.write_text("")
    kakoune.ended(2)
    assert len(kakoune.recorder.calls) == 2


def test_what_is_wrong_is_told(kakoune):
    kakoune.open(kakoune.file())
    kakoune.recorder.answer("sync", err="pyramid-notebook: the token has 'expired'\n\n", code=1)
    kakoune.type("write")
    kakoune.ended(1)
    kakoune.type("notebook-output")
    assert kakoune.ask("%val{bufname}") == "*notebook*"
    kakoune.type("execute-keys '%'")
    assert kakoune.ask("%val{selection}").strip() == "pyramid-notebook: the token has 'expired'"


def test_conflicts_lead_to_their_lines(kakoune):
    path = kakoune.file("two words.sync.py")
    kakoune.open(path, settings='source "%val{runtime}/rc/tools/make.kak"')
    kakoune.recorder.answer("sync", err=f"{path}:5: conflict: changed twice (cell a)\n", code=3)
    kakoune.type("write")
    kakoune.ended(1)
    kakoune.type("notebook-output; execute-keys -with-hooks 'gg<ret>'")
    assert kakoune.ask("%val{buffile} %val{cursor_line}") == f"{path} 5"


def test_after_a_pull_the_buffer_has_the_file_and_the_cursor_its_text(kakoune):
    path = kakoune.file(ODD_NAMES[4])
    new = f"# %%\nbefore = 0\n\n{CELLS}\n# %%\nlast = 9\n"
    kakoune.recorder.answer("pull", out="taken over\n", write={str(path): new})
    kakoune.open(path)
    kakoune.type("execute-keys 5g3l; notebook-pull")
    wait_until(lambda: kakoune.ask("%val{buf_line_count}") == str(new.count("\n")), "the buffer has the file")
    assert kakoune.ask("%val{cursor_line} %val{cursor_column} %val{modified}") == "8 4 false"


def test_what_was_typed_during_a_pull_is_kept(kakoune):
    path = kakoune.file()
    gate = kakoune.recorder.hold("pull.1")
    kakoune.recorder.answer("pull", write={str(path): "other\n"})
    kakoune.open(path)
    kakoune.type("notebook-pull")
    kakoune.calls(1)
    kakoune.type("execute-keys 'itY = 1<esc>'")
    gate.write_text("")
    kakoune.ended(1)
    wait_until(lambda: "*notebook*" in kakoune.ask("%val{buflist}"), "the pull has been told")
    kakoune.type("execute-keys 'gg'")
    assert kakoune.ask("%val{buf_line_count} %val{modified}") == "5 true"


def test_other_files_are_sent_once_the_option_says_so(kakoune):
    path = kakoune.file("a.jl")
    kakoune.open(path, settings="set-option global notebook_files '.*\\.jl'; notebook-enable")
    kakoune.type("write")
    assert kakoune.calls(1) == [["sync", "--filename", str(path)]]
    kakoune.ended(1)
    kakoune.type("notebook-disable; write; notebook-run-all")
    assert [call[0] for call in kakoune.calls(2)] == ["sync", "run-all"]


def test_the_command_can_be_any_list(kakoune):
    path = kakoune.file()
    kakoune.open(path, settings="set-option global notebook_command env 'A=b $c' pyramid-notebook")
    kakoune.type("write")
    assert kakoune.calls(1) == [["sync", "--filename", str(path)]]
