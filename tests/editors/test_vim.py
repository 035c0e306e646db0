"""The plugin in Vim and in Neovim."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .recorder import ODD_NAMES, Recorder, is_understood

ROOT = Path(__file__).parent.parent.parent
PLUGIN = ROOT / "editors" / "vim"
EDITORS = {
    "vim": ("vim", "-N", "-u", "NONE", "-i", "NONE", "-n", "-es"),
    "nvim": ("nvim", "--headless", "-u", "NONE", "-i", "NONE", "-n"),
}
CELLS = "# %%\nfirst = 1\n\n# %%\nsecond = 2\n"
#: What every script has: conditions are waited for while the editor goes on, and what goes wrong is written down.
PRELUDE = """
execute 'set runtimepath^=' . fnameescape($PLUGIN)
let g:result = {}
function! Await(condition)
  let l:begin = reltime()
  while !eval(a:condition)
    if reltimefloat(reltime(l:begin)) > 20
      throw 'waited for: ' . a:condition
    endif
    sleep 5m
  endwhile
endfunction
function! Lines(name)
  let l:path = $RECORDED . '/' . a:name
  return filereadable(l:path) ? readfile(l:path) : []
endfunction
function! Calls(number)
  call Await('len(Lines("calls")) >= ' . a:number)
endfunction
function! Quiet()
  call Await('pyramid_notebook#queue#is_empty()')
endfunction
"""
END = """
catch
  let g:result.exception = v:exception . ' ' . v:throwpoint
endtry
let g:result.messages = split(execute('messages'), "\\n")
call writefile([json_encode(g:result)], $RESULT)
qall!
"""


class Editor:
    """One of the two, with the plugin, which calls the recorder."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.recorder = Recorder(folder / "bin")

    def file(self, name: str = "analysis.sync.py", text: str = CELLS) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def run(self, script: str, *files: Path, settings: str = "", leaves: bool = False) -> dict[str, Any]:
        """Open files, run lines of a script, and return what it left in ``g:result``."""
        result = self.folder / "result.json"
        lines = [PRELUDE, settings, "runtime! plugin/pyramid_notebook.vim", "try", script, END]
        (self.folder / "script.vim").write_text("\n".join(lines))
        done = subprocess.run(
            [*EDITORS[self.name], "-S", "script.vim", "--", *map(str, files)],
            cwd=self.folder,
            env=self.recorder.environment(
                PLUGIN=str(PLUGIN), RECORDED=str(self.recorder.folder), RESULT=str(result), TERM="dumb"
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        if leaves:
            return {}
        assert result.exists(), done
        told: dict[str, Any] = json.loads(result.read_text())
        assert "exception" not in told, told
        return told


@pytest.fixture(params=EDITORS)
def editor(request, folder) -> Editor:
    assert shutil.which(request.param), f"{request.param} is not installed"
    return Editor(request.param, folder)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_saving_syncs_a_file_whatever_its_name(editor, name):
    path = editor.file(name)
    editor.run("write\ncall Quiet()", path)
    assert editor.recorder.calls == [["sync", "--filename", str(path), "--json"]]
    assert not list(editor.folder.glob("**/stolen"))


COMMANDS = {
    "NotebookSync": ["sync", "--filename", "FILE", "--json"],
    "NotebookSync!": ["sync", "--filename", "FILE", "--json", "--force"],
    "NotebookRun": ["run", "--filename", "FILE", "--linenumber", "5"],
    "2NotebookRun": ["run", "--filename", "FILE", "--linenumber", "2"],
    "NotebookRunAll": ["run-all", "--filename", "FILE"],
    "NotebookRunAbove": ["run-above", "--filename", "FILE", "--linenumber", "5"],
    "NotebookRunAbove!": ["run-above", "--filename", "FILE", "--linenumber", "5", "--including"],
    "NotebookRunStale": ["run", "--filename", "FILE", "--stale"],
    "NotebookRestart": ["restart", "--filename", "FILE"],
    "NotebookInterrupt": ["interrupt", "--filename", "FILE"],
    "NotebookPull": ["pull", "--filename", "FILE", "--json"],
    "NotebookPull!": ["pull", "--filename", "FILE", "--json", "--force"],
    "NotebookPair": ["pair", "--filename", "FILE"],
    "NotebookPair a folder/b's.ipynb": ["pair", "--filename", "FILE", "--notebook", "a folder/b's.ipynb"],
    "NotebookStatus": ["status", "--filename", "FILE"],
    "NotebookFocus": ["focus", "--filename", "FILE", "--linenumber", "5"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_calls_the_client(editor, command):
    path = editor.file(ODD_NAMES[2])
    editor.run(f"normal! 5G\n{command}\ncall Calls(1)\ncall Quiet()", path)
    assert editor.recorder.calls == [[str(path) if word == "FILE" else word for word in COMMANDS[command]]]


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_the_client_understands_each_call(arguments, folder):
    assert is_understood(arguments, folder)


@pytest.mark.parametrize(
    "command", [name for name in COMMANDS if " " not in name and name[0] == "N" and "!" not in name]
)
def test_each_command_has_a_plug_map(editor, command):
    path = editor.file()
    editor.run(f'normal! 5G\nexecute "normal \\<Plug>({command})"\ncall Calls(1)', path)
    assert editor.recorder.calls[0][0] == COMMANDS[command][0]


def test_there_are_no_maps_unless_asked_for(editor):
    script = "let g:result.map = maparg('<Space><Space>x', 'n')"
    assert editor.run(script, editor.file())["map"] == ""
    told = editor.run(script, editor.file(), settings="let g:pyramid_notebook_default_mappings = 1")
    assert told["map"] == "<Plug>(NotebookRun)"


def test_a_run_saves_the_file_first_and_lets_the_run_sync_it(editor):
    path = editor.file()
    editor.recorder.answer("run", out="2\n")
    told = editor.run("call setline(5, 'second = 3')\nnormal! 5G\nNotebookRun\nlet g:result.modified = &modified\n"
                      "call Await('execute(\"messages\") =~# \"run: done\"')", path)  # fmt: skip
    assert path.read_text() == CELLS.replace("second = 2", "second = 3")
    assert told["modified"] == 0
    assert [call[0] for call in editor.recorder.calls] == ["run"]


def test_a_buffer_that_cannot_be_saved_is_not_run(editor):
    path = editor.folder / "no-folder" / "x.sync.py"
    told = editor.run("call setline(1, 'x = 1')\nNotebookRun", path)
    assert editor.recorder.calls == []
    assert [line for line in told["messages"] if "Notebook: E" in line]


def test_saves_while_a_sync_runs_cause_exactly_one_more(editor):
    path = editor.file()
    gate = editor.recorder.hold("sync.1")
    editor.run(f"write\ncall Calls(1)\nwrite\nwrite\nwrite\ncall writefile([], '{gate}')\ncall Quiet()", path)
    assert [call[0] for call in editor.recorder.calls] == ["sync", "sync"]


def test_a_run_waits_for_the_sync_before_it_but_no_save_waits_for_a_run(editor):
    path = editor.file()
    first, run = editor.recorder.hold("sync.1"), editor.recorder.hold("run.1")
    editor.run(
        f"write\ncall Calls(1)\nNotebookRun\nlet g:result.before = Lines('calls')\ncall writefile([], '{first}')\n"
        f"call Calls(2)\nwrite\ncall Calls(3)\ncall Quiet()\ncall writefile([], '{run}')\n"
        "call Await('len(Lines(\"ended\")) == 3')",
        path,
    )
    assert [call[0] for call in editor.recorder.calls] == ["sync", "run", "sync"]
    assert [call[0] for call in editor.recorder.ended] == ["sync", "sync", "run"]


def test_files_do_not_wait_for_each_other(editor):
    one, other = editor.file("one.sync.py"), editor.file("other.sync.py")
    gate = editor.recorder.hold("sync.1")
    editor.run(
        f"write\ncall Calls(1)\nnext\nwrite\ncall Calls(2)\ncall writefile([], '{gate}')\ncall Quiet()", one, other
    )
    assert {call[2] for call in editor.recorder.calls} == {str(one), str(other)}


def test_leaving_the_editor_right_after_saving_loses_no_sync(editor):
    path = editor.file()
    gate = editor.recorder.hold("sync.1")
    settings = f"autocmd VimLeavePre * call writefile([], '{gate}')"
    editor.run("write\ncall Calls(1)\nwrite\nqall", path, settings=settings, leaves=True)
    assert [call[0] for call in editor.recorder.ended] == ["sync", "sync"]


CONFLICT = {
    "conflicts": [
        {"id": "a", "line": 5, "kind": "source", "base": "second = 2", "mine": "second = 3", "live": "second = 4\nx"},
        {"id": "b", "line": None, "kind": "deleted-by-editor", "base": "x", "mine": None, "live": "y"},
    ]
}


def test_conflicts_come_into_the_quickfix_list_and_leave_it_with_the_next_sync(editor):
    path = editor.file()
    editor.recorder.answer("sync", out=json.dumps({"notebook": "a.ipynb", "conflicts": []}))
    editor.recorder.answer("sync.1", out=json.dumps(CONFLICT), code=3)
    told = editor.run(
        "write\ncall Quiet()\nlet g:result.list = getqflist()\nlet g:result.buffer = bufnr('%')\n"
        "write\ncall Quiet()\nlet g:result.after = getqflist()",
        path,
    )
    first, second = told["list"]
    assert (first["bufnr"], first["lnum"]) == (told["buffer"], 5)
    assert first["text"] == "source; the notebook has: second = 4 ⏎ x"
    assert (second["lnum"], second["text"]) == (0, "deleted-by-editor; the notebook has: y")
    assert "Notebook: sync: 2 conflicts, see :copen" in told["messages"]
    assert told["after"] == []


def test_conflicts_of_a_run_come_into_the_quickfix_list_too(editor):
    path = editor.file()
    editor.recorder.answer("run", err=f"{path}:5: conflict: changed twice (cell a)\n{path}: conflict: gone\n", code=3)
    told = editor.run("NotebookRun\ncall Await('!empty(getqflist())')\nlet g:result.list = getqflist()", path)
    assert [(item["lnum"], item["text"]) for item in told["list"]] == [(5, "changed twice (cell a)"), (0, "gone")]
    assert told["messages"][-1] == "Notebook: run: 2 conflicts, see :copen"


def test_the_quickfix_list_of_somebody_else_is_left_alone(editor):
    path = editor.file()
    told = editor.run("cexpr 'x'\nwrite\ncall Quiet()\nlet g:result.list = getqflist()", path)
    assert [item["text"] for item in told["list"]] == ["x"]


def test_what_is_wrong_is_told_in_one_line(editor):
    path = editor.file()
    editor.recorder.answer("sync", err="pyramid-notebook: the token has expired\n", code=1)
    told = editor.run("write\ncall Quiet()", path)
    assert told["messages"][-1] == "Notebook: the token has expired"
    editor.recorder.answer("sync", err="pyramid-notebook: " + "very " * 100 + "long\n", code=1)
    told = editor.run("write\ncall Quiet()", path)
    assert len(told["messages"][-1]) < 80
    assert told["messages"][-1].endswith("long")


def test_a_client_that_is_not_installed_is_named(editor):
    told = editor.run(
        "write\ncall Quiet()", editor.file(), settings="let g:pyramid_notebook_command = ['no-such-program']"
    )
    assert "no-such-program" in told["messages"][-1]


def test_the_command_can_be_any_list(editor):
    path = editor.file()
    settings = "let g:pyramid_notebook_command = ['env', 'A=b c', 'pyramid-notebook']"
    editor.run("write\ncall Quiet()", path, settings=settings)
    assert editor.recorder.calls == [["sync", "--filename", str(path), "--json"]]


def test_what_the_notebook_has_more_is_told(editor):
    editor.recorder.answer("sync", out=json.dumps({"notebook": "a.ipynb", "conflicts": [], "pull": True}))
    told = editor.run("write\ncall Quiet()", editor.file())
    assert told["messages"][-1] == "Notebook: the notebook has changes; :NotebookPull gets them"


@pytest.mark.parametrize("autoread", ["autoread", "noautoread"])
def test_after_a_pull_the_buffer_has_the_file_and_the_cursor_its_text(editor, autoread):
    path = editor.file(ODD_NAMES[4])
    new = "# %%\nbefore = 0\n\n" + CELLS + "\n# %%\nlast = 9\n"
    editor.recorder.answer("pull", out=json.dumps({"conflicts": []}), write={str(path): new})
    told = editor.run(
        f"set {autoread}\ncall cursor(5, 4)\nsplit\ncall cursor(2, 2)\nwincmd p\nNotebookPull\ncall Quiet()\n"
        "let g:result.lines = getline(1, '$')\nlet g:result.cursor = [line('.'), col('.')]\n"
        "wincmd p\nlet g:result.other = [line('.'), col('.')]\nlet g:result.modified = &modified",
        path,
    )
    assert "\n".join([*told["lines"], ""]) == new
    assert (told["cursor"], told["other"], told["modified"]) == ([8, 4], [5, 2], 0)


def test_what_was_typed_during_a_pull_is_kept(editor):
    path = editor.file()
    gate = editor.recorder.hold("pull.1")
    editor.recorder.answer("pull", out=json.dumps({"conflicts": []}), write={str(path): "# %%\nother\n"})
    told = editor.run(
        f"NotebookPull\ncall Calls(1)\ncall setline(2, 'typed')\ncall writefile([], '{gate}')\ncall Quiet()\n"
        "let g:result.line = getline(2)",
        path,
    )
    assert told["line"] == "typed"
    assert [line for line in told["messages"] if "the file has changed, but so has the buffer" in line]


def test_a_new_file_that_is_paired_shows_what_was_made(editor):
    path = editor.folder / "new.py"
    editor.recorder.answer("pair", out="paired\n", write={str(path): "# %%\n"})
    told = editor.run(
        "NotebookPair\ncall Quiet()\nlet g:result.lines = getline(1, '$')\nwrite\ncall Calls(2)\ncall Quiet()", path
    )
    assert told["lines"] == ["# %%"]
    assert [call[0] for call in editor.recorder.calls] == ["pair", "sync"]


@pytest.mark.parametrize(
    ("settings", "name", "text", "syncs"),
    [
        ("", "analysis.sync.py", "", True),
        ("", "analysis.py", CELLS, False),
        ("let g:pyramid_notebook_auto = 1", "analysis.py", CELLS, True),
        ("let g:pyramid_notebook_auto = 1", "analysis.R", "#%%\nx <- 1\n", True),
        ("let g:pyramid_notebook_auto = 1", "analysis.rs", "// %%\nlet x = 1;\n", True),
        ("let g:pyramid_notebook_auto = 1", "plain.py", "x = '50 %%'\n", False),
        ("let g:pyramid_notebook_pattern = '*.nb.*'", "a.nb.jl", "", True),
        ("let g:pyramid_notebook_pattern = '*.nb.*'", "a.sync.py", "", False),
        ("let g:pyramid_notebook_pattern = ['*.nb.jl', '*/work/*.py']", "work/a.py", "", True),
        ("let g:pyramid_notebook_sync_on_save = 0", "a.sync.py", "", False),
    ],
)
def test_which_files_sync_when_they_are_saved(editor, settings, name, text, syncs):
    (editor.folder / name).parent.mkdir(exist_ok=True)
    path = editor.file(name, text)
    editor.run("write\ncall Quiet()", path, settings=settings)
    assert editor.recorder.calls == ([["sync", "--filename", str(path), "--json"]] if syncs else [])


def test_a_file_of_any_name_syncs_once_it_has_a_notebook(editor):
    path = editor.file("analysis.py")
    editor.run("write\nNotebookSync\ncall Quiet()\nwrite\ncall Calls(2)\ncall Quiet()", path)
    assert [call[0] for call in editor.recorder.calls] == ["sync", "sync"]


def test_what_a_run_prints_is_in_a_buffer_beside_that_keeps_the_cursor_where_it_is(editor):
    path = editor.file()
    editor.recorder.answer("run", out="one\ntwo", err="Traceback\nValueError: no\n", code=4)
    told = editor.run(
        "1NotebookRun\ncall Await('execute(\"messages\") =~# \"ValueError\"')\nlet g:result.name = expand('%:t')\n"
        "let g:result.lines = getbufline('notebook://output', 1, '$')\nlet g:result.windows = winnr('$')",
        path,
        settings="let g:pyramid_notebook_show_output = 1",
    )
    assert told["lines"][0].startswith("── run --linenumber 1 ")
    assert set(told["lines"][1:]) == {"one", "two", "Traceback", "ValueError: no"}
    assert (told["name"], told["windows"]) == ("analysis.sync.py", 2)
    assert told["messages"][-1] == "Notebook: ValueError: no"


def test_the_state_is_shown(editor):
    editor.recorder.answer("status", out="kernel python3 idle\n")
    told = editor.run(
        "NotebookStatus\ncall Await(\"winnr('$') == 2\")\nlet g:result.lines = getbufline('notebook://output', 1, '$')",
        editor.file(),
    )
    assert told["lines"][-1] == "kernel python3 idle"


def test_a_buffer_without_a_file_is_told_so(editor):
    told = editor.run("NotebookRun\nNotebookStatus\nnew\nsetlocal buftype=nofile\nfile x.sync.py\nNotebookSync")
    assert [line for line in told["messages"] if "has no file" in line] == ["Notebook: this buffer has no file"] * 3
    assert editor.recorder.calls == []


def test_every_command_and_setting_has_its_help(editor):
    copy = editor.folder / "copy"  # the tags are written beside the help
    shutil.copytree(PLUGIN, copy)
    sources = "".join(path.read_text() for path in PLUGIN.rglob("*.vim"))
    names = {f":{name}" for name in re.findall(r"^command!.* (Notebook\w+) ", sources, re.MULTILINE)}
    names |= {f"g:{name}" for name in re.findall(r"get\(g:, '(\w+)'", sources)}
    assert len(names) > 15
    told = editor.run(
        f"helptags {copy}/doc\nset runtimepath^={copy}\nlet g:result.shown = []\n"
        f"for name in {sorted(names)}\n  execute 'help' name\n"
        "  call add(g:result.shown, expand('<cWORD>'))\nendfor\nlet g:result.name = expand('%:t')",
    )
    assert told["shown"] == [f"*{name}*" for name in sorted(names)]
    assert told["name"] == "pyramid_notebook.txt"
