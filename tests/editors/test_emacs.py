"""The mode in Emacs."""

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
LIBRARY = ROOT / "editors" / "emacs" / "pyramid-notebook.el"
CELLS = "# %%\nfirst = 1\n\n# %%\nsecond = 2\n"
#: Conditions are waited for while Emacs goes on; what goes wrong is written down.
PRELUDE = """
(load (getenv "LIBRARY") nil t)
(require 'seq)
(defvar result nil)
(defvar messages nil)
(defun keep (name value) (push (cons name value) result))
(advice-add 'message :before
            (lambda (text &rest values) (when text (push (apply #'format-message text values) messages))))
(defun await (condition)
  (let ((until (time-add nil 20)))
    (while (not (funcall condition))
      (when (time-less-p until nil) (error "Waited for %S" condition))
      (accept-process-output nil 0.02))))
(defun recorded (name)
  (let ((file (expand-file-name name (getenv "RECORDED"))))
    (if (file-exists-p file)
        (with-temp-buffer (insert-file-contents file) (count-lines (point-min) (point-max)))
      0)))
(defun calls (number) (await (lambda () (>= (recorded "calls") number))))
(defun quiet () (await (lambda () (zerop (hash-table-count pyramid-notebook--lanes)))))
(defun told (text) (await (lambda () (seq-find (lambda (line) (string-match-p text line)) messages))))
(defun open-gate (file) (write-region "" nil file t 'quiet))
(defun save () (set-buffer-modified-p t) (save-buffer))
(defun text () (buffer-substring-no-properties (point-min) (point-max)))
(setq make-backup-files nil create-lockfiles nil)
(defun visit (file) (find-file file) (pyramid-notebook--turn-on))
"""


class Emacs:
    """Emacs with the mode, which calls the recorder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recorder = Recorder(folder / "bin")

    def file(self, name: str = "analysis.sync.py", text: str = CELLS) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def run(self, script: str, *files: Path, leaves: bool = False) -> dict[str, Any]:
        """Open files, run a script, and return what it has kept."""
        result = self.folder / "result.json"
        end = (
            "" if leaves else f'(keep "messages" (vconcat messages)) (write-region (json-encode result) nil "{result}")'
        )
        opens = " ".join(f"(visit {quoted(path)})" for path in reversed(files))
        (self.folder / "script.el").write_text(f"{PRELUDE}\n{opens}\n{script}\n{end}\n")
        done = subprocess.run(
            ["emacs", "-Q", "--batch", "-l", "script.el"],
            cwd=self.folder,
            env=self.recorder.environment(LIBRARY=str(LIBRARY), RECORDED=str(self.recorder.folder)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return {} if leaves else json.loads(result.read_text())


def quoted(path: Path | str) -> str:
    """Return a string of Emacs Lisp."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.fixture
def emacs(folder) -> Emacs:
    assert shutil.which("emacs"), "emacs is not installed"
    return Emacs(folder)


def batch(folder: Path, expression: str) -> str:
    shutil.copy(LIBRARY, folder)
    done = subprocess.run(
        ["emacs", "-Q", "--batch", "--eval", expression],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout + done.stderr


def test_the_library_compiles_without_a_warning(folder):
    told = batch(folder, f'(setq byte-compile-error-on-warn t result (byte-compile-file "{LIBRARY.name}"))')
    assert "Warning" not in told and "Error" not in told
    assert (folder / "pyramid-notebook.elc").exists()


def test_the_documentation_strings_follow_the_conventions(folder):
    assert batch(folder, f'(progn (require (quote checkdoc)) (checkdoc-file "{LIBRARY.name}"))') == ""


@pytest.mark.parametrize("name", ODD_NAMES)
def test_saving_syncs_a_file_whatever_its_name(emacs, name):
    path = emacs.file(name)
    emacs.run("(save) (quiet)", path)
    assert emacs.recorder.calls == [["sync", "--filename", str(path), "--json"]]
    assert not list(emacs.folder.glob("**/stolen"))


COMMANDS = {
    "C-c n s": ["sync", "--filename", "FILE", "--json"],
    "C-u C-c n s": ["sync", "--filename", "FILE", "--json", "--force"],
    "C-c n n": ["run", "--filename", "FILE", "--linenumber", "5"],
    "C-c n a": ["run-all", "--filename", "FILE"],
    "C-c n u": ["run-above", "--filename", "FILE", "--linenumber", "5"],
    "C-u C-c n u": ["run-above", "--filename", "FILE", "--linenumber", "5", "--including"],
    "C-c n c": ["run", "--filename", "FILE", "--stale"],
    "C-c n k": ["interrupt", "--filename", "FILE"],
    "C-c n r": ["restart", "--filename", "FILE"],
    "C-c n p": ["pull", "--filename", "FILE", "--json"],
    "C-u C-c n p": ["pull", "--filename", "FILE", "--json", "--force"],
    "C-c n f": ["focus", "--filename", "FILE", "--linenumber", "5"],
    "C-c n ?": ["status", "--filename", "FILE"],
    "M-x pyramid-notebook-pair RET": ["pair", "--filename", "FILE"],
    "C-u M-x pyramid-notebook-pair RET a SPC b.ipynb RET": ["pair", "--filename", "FILE", "--notebook", "a b.ipynb"],
}


@pytest.mark.parametrize("keys", COMMANDS)
def test_each_key_calls_the_client(emacs, keys):
    path = emacs.file(ODD_NAMES[2])
    prefix = "(setq current-prefix-arg '(4))" if keys.startswith("C-u ") else ""
    binding = keys.removeprefix("C-u ")
    if binding.startswith("M-x"):
        argument = '"a b.ipynb"' if prefix else ""
        call = f"(pyramid-notebook-pair {argument})"
    else:
        call = f'(let ((command (key-binding (kbd "{binding}")))) {prefix} (call-interactively command))'
    emacs.run(f"(goto-char (point-max)) (forward-line -1) {call} (calls 1) (quiet)", path)
    assert emacs.recorder.calls == [[str(path) if word == "FILE" else word for word in COMMANDS[keys]]]


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_the_client_understands_each_call(arguments, folder):
    assert is_understood(arguments, folder)


def test_lines_are_counted_from_the_beginning_of_the_file_in_a_narrowed_buffer(emacs):
    path = emacs.file()
    emacs.run("(narrow-to-region 17 (point-max)) (goto-char (point-max)) (pyramid-notebook-run) (calls 1)", path)
    assert emacs.recorder.calls[0][-1] == "6"


def test_a_run_saves_the_file_first_and_lets_the_run_sync_it(emacs):
    path = emacs.file()
    emacs.run('(goto-char (point-max)) (insert "x = 1\\n") (pyramid-notebook-run) (calls 1) (told "run: done")', path)
    assert path.read_text() == f"{CELLS}x = 1\n"
    assert [call[0] for call in emacs.recorder.calls] == ["run"]


def test_saves_while_a_sync_runs_cause_exactly_one_more(emacs):
    path = emacs.file()
    gate = emacs.recorder.hold("sync.1")
    emacs.run(f'(save) (calls 1) (save) (save) (save) (open-gate "{gate}") (quiet)', path)
    assert [call[0] for call in emacs.recorder.calls] == ["sync", "sync"]


def test_a_run_waits_for_the_sync_before_it_but_no_save_waits_for_a_run(emacs):
    path = emacs.file()
    first, run = emacs.recorder.hold("sync.1"), emacs.recorder.hold("run.1")
    emacs.run(
        f'(save) (calls 1) (pyramid-notebook-run) (open-gate "{first}") (calls 2) (save) (calls 3) (quiet)'
        f'(open-gate "{run}") (await (lambda () (= (recorded "ended") 3)))',
        path,
    )
    assert [call[0] for call in emacs.recorder.calls] == ["sync", "run", "sync"]
    assert [call[0] for call in emacs.recorder.ended] == ["sync", "sync", "run"]


def test_leaving_emacs_right_after_saving_loses_no_sync(emacs):
    path = emacs.file()
    gate = emacs.recorder.hold("sync.1")
    opens = f'(add-hook \'kill-emacs-hook (lambda () (open-gate "{gate}")))'
    emacs.run(f"{opens} (save) (calls 1) (save) (kill-emacs)", path, leaves=True)
    assert [call[0] for call in emacs.recorder.ended] == ["sync", "sync"]


def test_conflicts_are_a_list_that_leads_to_their_lines(emacs):
    path = emacs.file()
    conflicts = [{"id": "a", "line": 5, "kind": "source", "base": "", "mine": "x", "live": "second = 4\ny"}]
    emacs.recorder.answer("sync", out=json.dumps({"notebook": "a.ipynb", "conflicts": conflicts}), code=3)
    told = emacs.run(
        '(save) (quiet) (keep "list" (with-current-buffer "*Notebook conflicts*" (text)))'
        '(next-error) (keep "line" (line-number-at-pos)) (keep "file" buffer-file-name)',
        path,
    )
    assert "analysis.sync.py:5: warning: source; the notebook has: second = 4 ⏎ y\n" in told["list"]
    assert (told["line"], told["file"]) == (5, str(path))
    assert "Notebook: sync: 1 conflicts" in told["messages"]


def test_what_is_wrong_is_told_in_one_line(emacs):
    emacs.recorder.answer("sync", err="pyramid-notebook: the token has expired\n", code=1)
    told = emacs.run("(save) (quiet)", emacs.file())
    assert told["messages"][0] == "Notebook: the token has expired"


def test_a_client_that_is_not_installed_is_named(emacs):
    told = emacs.run('(setq pyramid-notebook-command \'("no-such-program")) (save) (quiet)', emacs.file())
    assert "no-such-program" in told["messages"][0]


def test_the_command_can_be_any_list(emacs):
    path = emacs.file()
    emacs.run('(setq pyramid-notebook-command \'("env" "A=b c" "pyramid-notebook")) (save) (quiet)', path)
    assert emacs.recorder.calls == [["sync", "--filename", str(path), "--json"]]


def test_what_the_notebook_has_more_is_told(emacs):
    emacs.recorder.answer("sync", out=json.dumps({"notebook": "a.ipynb", "conflicts": [], "pull": True}))
    told = emacs.run("(save) (quiet)", emacs.file())
    assert told["messages"][0] == "Notebook: the notebook has changes; C-c n p gets them"


def test_after_a_pull_the_buffer_has_the_file_and_point_its_text(emacs):
    path = emacs.file(ODD_NAMES[4])
    new = f"# %%\nbefore = 0\n\n{CELLS}\n# %%\nlast = 9\n"
    emacs.recorder.answer("pull", out=json.dumps({"conflicts": []}), write={str(path): new})
    told = emacs.run(
        '(search-forward "seco") (pyramid-notebook-pull) (quiet)'
        '(keep "text" (text)) (keep "place" (list (line-number-at-pos) (current-column)))'
        '(keep "modified" (buffer-modified-p)) (keep "mode" pyramid-notebook-mode)',
        path,
    )
    assert (told["text"], told["place"]) == (new, [8, 4])
    assert (told["modified"], told["mode"]) == (None, True)


def test_what_was_typed_during_a_pull_is_kept(emacs):
    path = emacs.file()
    gate = emacs.recorder.hold("pull.1")
    emacs.recorder.answer("pull", out=json.dumps({"conflicts": []}), write={str(path): "other\n"})
    told = emacs.run(
        f'(pyramid-notebook-pull) (calls 1) (insert "typed") (open-gate "{gate}") (quiet) (keep "text" (text))', path
    )
    assert told["text"] == f"typed{CELLS}"
    assert "Notebook: the file has changed, but so has the buffer" in told["messages"]


def test_a_new_file_that_is_paired_shows_what_was_made(emacs):
    path = emacs.folder / "new.py"
    emacs.recorder.answer("pair", out="paired\n", write={str(path): "# %%\n"})
    told = emacs.run('(pyramid-notebook-pair) (quiet) (keep "text" (text)) (save) (calls 2) (quiet)', path)
    assert told["text"] == "# %%\n"
    assert [call[0] for call in emacs.recorder.calls] == ["pair", "sync"]


@pytest.mark.parametrize(
    ("settings", "name", "text", "is_on"),
    [
        ("", "a.sync.py", "", True),
        ("", "a.py", CELLS, False),
        ("(setq pyramid-notebook-auto t)", "a.py", CELLS, True),
        ("(setq pyramid-notebook-auto t)", "a.R", "#%%\nx <- 1\n", True),
        ("(setq pyramid-notebook-auto t)", "plain.py", "x = '50 %%'\n", False),
        ('(setq pyramid-notebook-file-regexp "\\\\.jl\\\\\'")', "a.jl", "", True),
        ('(setq pyramid-notebook-file-regexp "\\\\.jl\\\\\'")', "a.sync.py", "", False),
    ],
)
def test_in_which_files_the_global_mode_is_on(emacs, settings, name, text, is_on):
    path = emacs.file(name, text)
    script = f'{settings} (pyramid-notebook-global-mode 1) (find-file {quoted(path)}) (keep "on" pyramid-notebook-mode)'
    assert bool(emacs.run(script)["on"]) == is_on


def test_nothing_is_sent_on_saving_where_that_is_switched_off(emacs):
    emacs.run("(setq pyramid-notebook-sync-on-save nil) (save) (quiet)", emacs.file())
    assert emacs.recorder.calls == []


def test_what_a_run_prints_comes_into_a_buffer_with_its_colours(emacs):
    emacs.recorder.answer("run", out="one\ntwo\n", err="\x1b[31mValueError\x1b[0m: no\n", code=4)
    told = emacs.run(
        '(pyramid-notebook-run) (told "ValueError") (keep "text" (with-current-buffer "*Notebook*" (text)))'
        '(keep "shown" (and (get-buffer-window "*Notebook*") t)) (keep "name" (buffer-name))',
        emacs.file(),
    )
    assert re.match(r"-- run --linenumber 1 \d\d:\d\d:\d\d\n", told["text"])
    assert sorted(told["text"].splitlines()[1:]) == ["ValueError: no", "one", "two"]
    assert (told["shown"], told["name"]) == (True, "analysis.sync.py")


def test_files_of_other_machines_are_refused(emacs):
    told = emacs.run(
        '(setq buffer-file-name "/ssh:nobody@example.com:/x.sync.py")'
        '(keep "error" (condition-case problem (pyramid-notebook-run) (user-error (cadr problem))))'
        "(setq buffer-file-name nil)"
    )
    assert told["error"] == "The client reads files of this machine only"
