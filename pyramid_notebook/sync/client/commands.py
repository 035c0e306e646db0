"""The parsers of the commands for editors; what a command does is loaded when it runs."""

from __future__ import annotations

import argparse
import os
from typing import Any

#: What each command is for, in the order in which help lists them.
COMMANDS = {
    "sync": "push a file into its notebook",
    "run": "push a file, and run the cell of a line; or those that have changed since they ran",
    "run-all": "push a file, and run all of its cells",
    "run-above": "push a file, and run the cells above the one of a line",
    "restart": "restart a notebook's kernel",
    "interrupt": "interrupt a notebook's kernel",
    "clear": "clear outputs: of all cells, or of one",
    "status": "show a notebook's kernel and cells",
    "pull": "write what the notebook has into the file",
    "pair": "make the notebook of a file, or the file of a notebook, or both",
    "focus": "show the cell of a line in the tabs that have the notebook open",
    "watch": "push files whenever they are saved, until Ctrl-C",
}
_WITH_CELL = ("run", "run-above", "clear", "focus")
_WITH_FORCE = ("sync", "run", "run-all", "run-above", "pull")
_ONLY_WITH_FILE = ("sync", "pull", "pair")
_RUNS = ("run", "run-all", "run-above")


class Formatter(argparse.HelpFormatter):
    """Finds the terminal's width without :mod:`shutil`, which argparse would load to look at each argument."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and int(told[:5]) > 0:
        return int(told[:5])
    try:
        return os.get_terminal_size().columns or 80
    except OSError:
        return 80


def add_commands(subparsers: Any, only: str = "") -> None:
    """Add the commands for editors to those of ``pyramid-notebook``.

    Args:
        subparsers: what :meth:`argparse.ArgumentParser.add_subparsers` returns.
        only: the command that will be used, if it is known; the others are left out.
    """
    for name in (only,) if only else COMMANDS:
        text = COMMANDS[name]
        parser = subparsers.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", formatter_class=Formatter
        )
        if name == "watch":
            parser.add_argument("files", nargs="+", metavar="FILE|FOLDER", help="what to watch")
            parser.add_argument("--two-way", action="store_true", help="and write what the notebook has into the file")
        else:
            _add_file(parser, name)
        parser.add_argument("--site", default="", metavar="ADDRESS", help="a site that you are signed in to")
        parser.add_argument("--json", action="store_true", help="print what the site answers, as JSON")
        parser.add_argument("--quiet", action="store_true", help="print nothing but errors and conflicts")
        parser.set_defaults(run=_run, command=name, parser=parser)


def _add_file(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("file", nargs="?", default="", metavar="FILE", help="the file that the editor has")
    parser.add_argument("--filename", default="", metavar="FILE", help="the same")
    parser.add_argument("--notebook", default="", metavar="PATH", help="its notebook, below your folder on the site")
    if name in _WITH_CELL:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--line", "--linenumber", type=_line, metavar="N", help="a line of the file, from 1")
        which.add_argument("--cell", default="", metavar="ID", help="the id of a cell")
    if name in _WITH_FORCE:
        right = "notebook" if name == "pull" else "file"
        parser.add_argument("--force", action="store_true", help=f"the {right} is right wherever the two differ")
    if name == "run":
        more = parser.add_mutually_exclusive_group()
        more.add_argument("--stale", action="store_true", help="those that have changed since they ran")
        more.add_argument("--below", action="store_true", help="the cell, and all below it")
        more.add_argument("--through", action="store_true", help="all above the cell, and the cell")
    if name not in ("restart", "interrupt", "status"):
        parser.add_argument("--language", default="", metavar="NAME", help="of the file, if its name does not tell")
    if name == "pair":
        parser.add_argument("--kernel", default="", metavar="NAME", help="the kernel for a new notebook")
    if name == "run-above":
        parser.add_argument("--including", action="store_true", help="and that cell")
    if name in _RUNS:
        parser.add_argument("--no-wait", action="store_true", help="do not wait for the end, or for output")


def _line(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_line.__name__ = "line number"  # what argparse calls it in its complaint


def _run(options: argparse.Namespace) -> int:
    if options.command == "watch":
        from .watching import watch

        return watch(options)
    _check(options)
    from .actions import act

    return act(options)


def _check(options: argparse.Namespace) -> None:
    """Refuse a command line that means nothing, as :mod:`argparse` does."""
    error, name = options.parser.error, options.command
    if options.file and options.filename:
        error("FILE and --filename are the same: give one of them")
    options.file = options.file or options.filename
    if not options.file and (name in _ONLY_WITH_FILE or not options.notebook):
        error("FILE is missing")
    if "\0" in options.file:
        error("FILE has a null character in its name")
    has_cell = bool(getattr(options, "line", None) or getattr(options, "cell", ""))
    is_stale = getattr(options, "stale", False)
    if is_stale and has_cell:
        error("--stale needs no --line or --cell")
    if name in ("run", "run-above", "focus") and not (has_cell or is_stale):
        error("--line or --cell is missing" + (", or --stale" if name == "run" else ""))
    if getattr(options, "line", None) and not options.file:
        error("--line needs FILE")
