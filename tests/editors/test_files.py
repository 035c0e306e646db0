"""The files for editors that do not run here: what they hold is read as those editors read it, and run."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from .recorder import ODD_NAMES, Recorder, is_understood

EDITORS = Path(__file__).parent.parent.parent / "editors"
TASKS = json.loads((EDITORS / "vscode" / "tasks.json").read_text())["tasks"]
KEYS = json.loads((EDITORS / "vscode" / "keybindings.json").read_text())
SETTINGS = json.loads((EDITORS / "vscode" / "settings.json").read_text())
WATCHER = ElementTree.parse(EDITORS / "pycharm" / "watcherTasks.xml")
TOOLS = ElementTree.parse(EDITORS / "pycharm" / "Notebook.xml")
HELIX = tomllib.loads((EDITORS / "helix" / "config.toml").read_text())["keys"]["normal"]["space"]["n"]
CONFLICT = "/a b/x.sync.py:12: conflict: the cell was changed here and in the notebook (cell 7)"


@pytest.fixture
def recorder(folder) -> Recorder:
    return Recorder(folder / "bin")


def run(recorder: Recorder, argv: list[str], folder: Path) -> list[str]:
    """Run what an editor would, and return the arguments that the client got."""
    subprocess.run(argv, cwd=folder, env=recorder.environment(), timeout=60, check=True)
    assert not (folder / "stolen").exists()
    return recorder.calls[-1]


def names_for(is_first: bool) -> tuple[str, ...]:
    """Return all odd names for one of the commands that are alike, some for the others."""
    return ODD_NAMES if is_first else ODD_NAMES[1:3]


def in_vscode(text: str, path: Path) -> str:
    """Put in what Visual Studio Code knows: in one pass, so that what is put in is not looked at again."""
    known = {"${file}": str(path), "${lineNumber}": "5", "${workspaceFolder}": str(path.parent)}
    return re.sub(r"\$\{\w+\}", lambda found: known[found[0]], text)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task["label"])
def test_a_task_starts_the_client_without_a_shell_and_without_a_terminal(recorder, folder, task):
    assert task["type"] == "process"
    assert task["presentation"]["focus"] is False
    assert task["presentation"]["reveal"] == ("always" if task["label"].endswith("status") else "silent")
    for name in names_for(task["label"] == "Notebook: sync"):
        path = folder / name
        argv = [in_vscode(word, path) for word in (task["command"], *task["args"])]
        got = run(recorder, argv, folder)
        assert got == argv[1:]
        assert (str(path) in got) != ("watch" in got)
    missing = [f"{word}/missing" if word == str(folder) else word for word in got]  # or it would watch for ever
    assert is_understood(missing, folder)


def test_the_problem_matcher_finds_conflicts():
    for task in TASKS:
        pattern = task["problemMatcher"]["pattern"]
        found = re.search(pattern["regexp"], CONFLICT)
        assert found and (found[pattern["file"]], found[pattern["line"]]) == ("/a b/x.sync.py", "12")


def test_each_key_names_a_task():
    assert {key["args"] for key in KEYS} <= {task["label"] for task in TASKS}
    assert len({key["key"] for key in KEYS}) == len(KEYS)


def test_run_on_save_starts_a_shell_with_names_only_that_mean_nothing_to_it(recorder, folder):
    [command] = SETTINGS["emeraldwalk.runonsave"]["commands"]
    names = [name for name in ODD_NAMES if re.search(command["match"], str(folder / name))]
    assert {"plain.sync.py", "two words.sync.py", "it's.sync.py"} <= set(names)
    for name in names:
        path = folder / name
        got = run(recorder, ["sh", "-c", in_vscode(command["cmd"], path)], folder)
        assert got == ["sync", "--quiet", "--filename", str(path)]
    assert is_understood(got, folder)
    assert not re.search(command["match"], str(folder / "plain.py"))


def in_pycharm(text: str, path: Path) -> list[str]:
    """Put in what PyCharm knows, and split it as PyCharm does: at blanks, but not between double quotes."""
    for name, value in {"$FilePath$": str(path), "$LineNumber$": "5"}.items():
        text = text.replace(name, value)
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', text)]


def options(element: ElementTree.Element | ElementTree.ElementTree, *names: str) -> list[str]:
    """Return the values of options, in the order of their names."""
    return [found.get("value", "") for name in names for found in element.iterfind(f".//option[@name='{name}']")]


COMMANDS = {
    "File Watcher": options(WATCHER, "program", "arguments"),
    **{tool.get("name", ""): options(tool, "COMMAND", "PARAMETERS") for tool in TOOLS.iterfind("tool")},
}


@pytest.mark.parametrize("name", COMMANDS)
def test_pycharm_starts_the_client_with_the_file_as_one_argument(recorder, folder, name):
    program, arguments = COMMANDS[name]
    assert program == "pyramid-notebook"
    for file in names_for(name == "File Watcher"):
        if '"' not in file and "$FilePath$" not in file:
            got = run(recorder, [program, *in_pycharm(arguments, folder / file)], folder)
            assert got[got.index("--filename") + 1] == str(folder / file)
    assert is_understood(got, folder)


def test_the_scope_of_the_file_watcher_is_there():
    [scope] = ElementTree.parse(EDITORS / "pycharm" / "Notebook_scripts.xml").iterfind("scope")
    assert [scope.get("name")] == options(WATCHER, "scopeName")
    assert scope.get("pattern") == "file:*.sync.py"


def test_pycharm_finds_conflicts():
    filters = options(WATCHER, "regExp") + options(TOOLS, "REGEXP")
    assert len(filters) == len(COMMANDS)
    for text in filters:
        pattern = text.replace("$FILE_PATH$", "(.+)").replace("$LINE$", r"(\d+)").replace("$MESSAGE$", ".*")
        found = re.search(pattern, CONFLICT)
        assert found and found.groups() == ("/a b/x.sync.py", "12")


def in_helix(text: str, name: str) -> str:
    """Put in what Helix knows (25.07): a percent sign begins a name, or stands for itself when it is there twice."""
    known = {"%{buffer_name}": name, "%{cursor_line}": "5", "%%": "%"}
    return re.sub(r"%%|%\{\w+\}", lambda found: known[found[0]], text)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("key", [key for key, commands in HELIX.items() if isinstance(commands, list)])
def test_helix_starts_the_client_with_the_file_as_one_argument(recorder, folder, key, shell):
    *before, command = HELIX[key]
    assert before in ([], [":write"])
    for name in names_for(key == "s"):
        line = in_helix(command.removeprefix(":run-shell-command "), name)
        got = run(recorder, [shell, "-c", line], folder)
        assert f"--filename={name}" in got
    assert is_understood(got, folder)


def test_what_helix_runs_on_text_is_saved_before():
    for key, commands in HELIX.items():
        if isinstance(commands, list):
            verb = commands[-1].split()[2]
            assert (commands[0] == ":write") == (verb not in ("interrupt", "restart", "status")), key
