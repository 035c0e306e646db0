"""Importing is light where it has to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import RunPython

HEAVY = ("pyramid", "jupyter_server", "jupyterlab", "notebook", "IPython", "ipykernel", "tornado", "zmq", "sqlalchemy")
TELL = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def loaded_by(run_python: RunPython, statement: str) -> set[str]:
    done = run_python(f"{statement}\n{TELL}")
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_the_package_loads_nothing_heavy(run_python: RunPython) -> None:
    loaded = loaded_by(run_python, "import pyramid_notebook")
    assert "pyramid_notebook" in loaded
    assert not loaded.intersection((*HEAVY, "urllib3", "psutil", "jinja2", "asyncio"))


def test_the_client_and_the_console_load_what_they_need_when_they_need_it(run_python: RunPython) -> None:
    loaded = loaded_by(run_python, "import pyramid_notebook.client, pyramid_notebook.console.commands")
    assert not loaded.intersection((*HEAVY, "requests", "ws4py", "prompt_toolkit", "rich", "pygments", "asyncio"))


def test_what_talks_to_a_kernel_needs_neither_http_nor_images_nor_tables_before_they_are_there(
    run_python: RunPython,
) -> None:
    loaded = loaded_by(run_python, "import pyramid_notebook.console.starting, pyramid_notebook.console.shell")
    assert not loaded.intersection((*HEAVY, "requests", "rich", "PIL"))


def test_the_command_line_of_the_daemon_loads_neither_the_server_nor_the_site(run_python: RunPython) -> None:
    loaded = loaded_by(run_python, "import pyramid_notebook.server.notebook_daemon")
    assert not loaded.intersection((*HEAVY, "urllib3", "daemon"))


def test_the_site_loads_nothing_of_the_server(run_python: RunPython) -> None:
    loaded = loaded_by(run_python, "import pyramid_notebook.door")
    assert "pyramid" in loaded
    assert not loaded.intersection(set(HEAVY) - {"pyramid"})


@pytest.mark.parametrize("module", ["application", "extension", "config", "kernel"])
def test_the_server_loads_nothing_of_the_site(run_python: RunPython, module: str) -> None:
    assert "pyramid" not in loaded_by(run_python, f"import pyramid_notebook.server.{module}")


def test_the_client_of_editors_loads_what_one_sync_needs_and_nothing_else(
    run_python: RunPython, tmp_path: Path
) -> None:
    (tmp_path / "x.py").write_text("# %%\n1\n")
    statement = "from pyramid_notebook.cli import main\nassert main(['sync', 'x.py']) == 1"
    site = {"PYRAMID_NOTEBOOK_URL": "http://127.0.0.1:1/notebook/alice/", "PYRAMID_NOTEBOOK_TOKEN": f"pnb_{'a' * 43}"}
    done = run_python(f"{statement}\n{TELL}", cwd=tmp_path, HOME=str(tmp_path), **site)
    assert "cannot be reached" in done.stderr
    loaded = set(json.loads(done.stdout))
    assert "http" in loaded
    assert not loaded.intersection((*HEAVY, "requests", "dataclasses", "inspect", "shutil", "logging", "asyncio"))
