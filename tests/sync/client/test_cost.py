"""What a command loads: an editor waits for it at each save."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ...conftest import RunPython
from .conftest import SCRIPT
from .editor_site import SYNCED, EditorSite, event, streams
from .processes import environment

RUN = """
import sys
from pyramid_notebook.cli import main
code = main(sys.argv[1:])
print(sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""
#: What costs milliseconds, and is for other commands, files or sites.
NEEDLESS = (
    *("urllib.request", "urllib.error", "tomllib", "platform", "asyncio", "threading", "subprocess", "configparser"),
    *("pyramid_notebook.device_login", "pyramid_notebook.tokens.commands", "pyramid_notebook.sync.client.watching"),
    *("pyramid_notebook.sync.percent", "pyramid_notebook.sync.merge", "pyramid_notebook.sync.matching"),
)
FOR_RUNS = ("pyramid_notebook.sync.client.events", "pyramid_notebook.sync.client.running")
FRAMEWORKS = ("pyramid", "sqlalchemy", "jupyter_server", "tornado", "urllib3", "requests", "yaml", "jupytext")


def loaded(site: EditorSite, home: Path, run_python: RunPython, *arguments: str) -> str:
    done = run_python(RUN, *arguments, cwd=home, **environment(site, home))
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_sync_loads_only_what_it_needs(site: EditorSite, script: Path, home: Path, run_python: RunPython) -> None:
    site.says("sync", SYNCED)
    names = loaded(site, home, run_python, "sync", "x.py")
    assert "'http.client'" in names
    assert [name for name in (*NEEDLESS, *FOR_RUNS, *FRAMEWORKS) if f"'{name}'" in names] == []


def test_a_run_loads_only_what_it_needs(site: EditorSite, script: Path, home: Path, run_python: RunPython) -> None:
    site.says("sync/run", streams(event("end", status="ok")))
    names = loaded(site, home, run_python, "run-all", "x.py")
    assert [name for name in (*NEEDLESS, *FRAMEWORKS) if f"'{name}'" in names] == []


@pytest.mark.parametrize(
    "start", [["-m", "pyramid_notebook.sync.client"], [str(Path(sys.executable).with_name("pyramid-notebook"))]]
)
def test_both_ways_to_start_it_do_the_same(site: EditorSite, script: Path, home: Path, start: list[str]) -> None:
    site.says("sync", SYNCED)
    done = subprocess.run(
        [sys.executable, *start, "sync", "--filename", "x.py"],
        cwd=home,
        env=environment(site, home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "reports/x.ipynb: nothing changed\n", "")
    assert site.bodies("sync")[0]["text"] == SCRIPT
