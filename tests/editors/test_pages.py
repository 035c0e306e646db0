"""The pages about editors say what the files for editors do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.docs.blocks import table

from .recorder import is_understood

ROOT = Path(__file__).parent.parent.parent
EDITORS = ROOT / "editors"
PAGES = "docs/how-to/editors"
MIGRATION = (ROOT / PAGES / "from-jupyter-ascending.md").read_text()


def names(page: str, head: str, column: int = 0) -> list[str]:
    """Return the names in a column of a table: the first that is marked as code or emphasised in each row."""
    found = [re.search(r"`([^`]+)`|\*([^*]+)\*", row[column]) for row in table(f"{PAGES}/{page}", head)]
    return [name[1] or name[2] for name in found if name]


def test_the_page_about_vim_has_the_commands_maps_and_settings_of_the_plugin():
    sources = "".join(path.read_text() for path in (EDITORS / "vim").rglob("*.vim"))
    assert set(names("vim.md", "command")) == {
        f":{name}" for name in re.findall(r"^command!.*? (Notebook\w+) ?", sources, re.MULTILINE)
    }
    maps = dict(re.findall(r"nmap (\S+) <Plug>\((\w+)\)", sources))
    rows = table(f"{PAGES}/vim.md", "command")
    assert {row[1].strip("`"): row[0].strip("`:") for row in rows if row[1] != "-"} == maps
    settings = dict(re.findall(r"get\(g:, '(\w+)', (.+?)\)(?: [|&?]|$|\s|,)", sources))
    told = {row[0].strip("`"): row[1].strip("`") for row in table(f"{PAGES}/vim.md", "setting")}
    assert set(told) == {f"g:{name}" for name in re.findall(r"get\(g:, '(\w+)'", sources)}
    assert all(told[f"g:{name}"] == default for name, default in settings.items())


@pytest.mark.parametrize(("editor", "place"), [("vim", ".vim"), ("nvim", ".local/share/nvim/site")])
def test_the_plugin_is_found_where_the_page_says_that_it_belongs(folder, editor, place):
    assert f"~/{place}/pack/notebook/start/pyramid_notebook" in (ROOT / PAGES / "vim.md").read_text()
    shutil.copytree(EDITORS / "vim", folder / place / "pack/notebook/start/pyramid_notebook")
    (folder / "vimrc").write_text("")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    flags = ["-es"] if editor == "vim" else ["--headless"]
    ends = ["-c", "call writefile([exists(':NotebookRun')], 'told')", "-c", "qall!"]
    subprocess.run(
        [editor, "-u", "vimrc", "-i", "NONE", *flags, *ends],
        cwd=folder,
        env=environment | {"HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert (folder / "told").read_text() == "2\n"


def test_the_page_about_emacs_has_the_keys_and_settings_of_the_mode():
    source = (EDITORS / "emacs" / "pyramid-notebook.el").read_text()
    keys = {f"C-c n {key}": name for key, name in re.findall(r'define-key map "(.)" #\'([\w-]+)', source)}
    rows = table(f"{PAGES}/emacs.md", "key")
    assert {row[0].strip("`"): row[1].strip("`") for row in rows if row[0].strip()} == keys
    commands = re.findall(r"\(defun (pyramid-notebook-\w[\w-]+)[^\n]*\n(?:(?!\n\n).)*?\(interactive", source, re.DOTALL)
    assert {row[1].strip("`") for row in rows} == set(commands)
    settings = dict(re.findall(r"\(defcustom (\S+) '?(.+)", source))
    assert {row[0].strip("`"): row[1].strip("`") for row in table(f"{PAGES}/emacs.md", "setting")} == settings


def test_emacs_installs_the_file_as_a_package(folder):
    install = f'(package-install-file "{EDITORS / "emacs" / "pyramid-notebook.el"}")'
    check = '(message "%S" (list (fboundp \'pyramid-notebook-global-mode) (progn (pyramid-notebook-global-mode 1) t)))'
    expression = (
        f'(progn (setq package-user-dir "{folder}") (require (quote package)) (package-initialize) {install} {check})'
    )
    done = subprocess.run(
        ["emacs", "-Q", "--batch", "--eval", expression], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.splitlines()[-1] == "(t t)"


def test_the_page_about_vscode_has_the_tasks_and_keys_of_the_files():
    tasks = json.loads((EDITORS / "vscode" / "tasks.json").read_text())["tasks"]
    keys = json.loads((EDITORS / "vscode" / "keybindings.json").read_text())
    rows = table(f"{PAGES}/vscode.md", "task")
    assert [row[0].strip("*") for row in rows] == [task["label"] for task in tasks]
    assert {row[0].strip("*"): row[1].strip("`") for row in rows if row[1] != "-"} == {
        key["args"]: key["key"] for key in keys
    }
    assert set(names("vscode.md", "setting")) == set(json.loads((EDITORS / "vscode" / "settings.json").read_text()))


def test_the_page_about_pycharm_has_the_tools_of_the_file():
    tools = ElementTree.parse(EDITORS / "pycharm" / "Notebook.xml").iterfind("tool")
    assert names("pycharm.md", "tool") == [tool.get("name") for tool in tools]


def test_the_page_about_kakoune_has_the_commands_keys_and_options_of_the_script():
    source = (EDITORS / "kakoune" / "pyramid-notebook.kak").read_text()
    rows = table(f"{PAGES}/kakoune.md", "command")
    commands = re.findall(r'define-command (?:-params \S+ )?-docstring "[^"]+" \\\n(\S+)', source)
    assert {row[0].strip("`") for row in rows} == set(commands)
    keys = dict(re.findall(r"map global notebook (\S+) ': (\S+)<ret>'", source))
    assert {row[1].strip("`"): row[0].strip("`") for row in rows if row[1] != "-"} == keys
    options = re.findall(r'declare-option -docstring "[^"]+" \\\n\s+\S+ (\w+) (\S+)', source)
    told = [(row[0].strip("`"), row[1].strip("`")) for row in table(f"{PAGES}/kakoune.md", "option")]
    assert told == [(name, default.strip("'")) for name, default in options]


def test_the_page_about_helix_has_the_keys_of_the_file():
    keys = tomllib.loads((EDITORS / "helix" / "config.toml").read_text())["keys"]["normal"]["space"]["n"]
    assert set(names("helix.md", "key")) == {f"space n {key}" for key in keys}


OLD = (
    *("requests.sync", "requests.execute ", "requests.execute_all", "requests.restart", "requests.get_status"),
    *("FocusCellRequest", "scripts.make_pair", "--base", "-f", "--force", "--filename", "--linenumber"),
    *(f"JUPYTER_ASCENDING_{name}" for name in ("EXECUTE_HOST", "EXECUTE_PORT", "LOG_LEVEL", "SHOW_TO_STDOUT")),
    *("JUPYTER_PORT", "JUPYTER_PORT_RETRIES", "nbextension", "serverextension", "%load_ext", "/jupyter_ascending"),
    *(".sync.py", ".sync.ipynb", "localhost:8888", "log.log", "$FilePath$", "$LineNumber$", "file:*.sync.py"),
    *(
        f"g:jupyter_ascending_{name}"
        for name in ("python_executable", "match_pattern", "auto_write", "default_mappings")
    ),
    *("<Plug>JupyterExecute`", "<Plug>JupyterExecuteAll", "<Plug>JupyterRestart", ":JupyterSync", "${lineNumber}"),
    *(":JupyterExecute`", ":JupyterExecuteAll", "<space><space>x", "<space><space>X", "<space><space>r"),
)


@pytest.mark.parametrize("name", OLD)
def test_everything_of_jupyter_ascending_has_its_place_in_the_left_column(name):
    rows = re.findall(r"^\| (.+?) \| .+ \|$", MIGRATION, re.MULTILINE)
    assert any(name in row for row in rows)


COMMANDS = sorted(
    set(re.findall(r"`pyramid-notebook ((?:sync|run|restart|status|focus|pair|pull)\S* --filename [^`]+)`", MIGRATION))
)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_client_understands_the_commands_of_the_page(command, folder):
    assert len(COMMANDS) > 6
    assert is_understood(command.replace("--linenumber N", "--linenumber 3").split(), folder)


def test_the_new_names_are_names_of_the_plugin():
    sources = "".join(path.read_text() for path in (EDITORS / "vim").rglob("*.vim"))
    for name in re.findall(r"g:pyramid_\w+|<Plug>\(\w+\)|(?<=`:)Notebook\w+", MIGRATION):
        assert name.removeprefix("g:") in sources, name


def test_the_client_can_be_called_as_a_module_as_the_page_says(folder):
    assert "['python3', '-m', 'pyramid_notebook.sync.client']" in MIGRATION
    command = [sys.executable, "-m", "pyramid_notebook.sync.client", "sync", "missing.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "missing.py does not exist" in done.stderr
