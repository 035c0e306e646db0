"""What the commands for editors do, but for those that run code or watch files."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import wording
from .patience import Notice, Patience
from .refusals import Refusal
from .session import Session
from .sites import choose
from .source import FileTrouble, Source, read
from .terminal import complain, say, say_json
from .transport import Connection

DONE, CONFLICTS = 0, 3
_RUNS = ("run", "run-all", "run-above")


def act(options: argparse.Namespace) -> int:
    """Do what a command line asks for, and return the exit code.

    Raises:
        NotebookError: it cannot be done; the text says why.
    """
    try:
        if options.command in _RUNS:
            from .running import run

            return run(options, open_session(options, read))
        return _ACTIONS[options.command](options)
    except Refusal as refusal:
        if options.json and refusal.answer:
            say_json(refusal.answer)
        raise


def open_session(options: argparse.Namespace, reading: Callable[[str], Source | None]) -> Session:
    """Return the session of a command.

    Args:
        options: the command line.
        reading: reads the file, if the command has to.
    """
    path = os.path.abspath(options.file) if options.file else ""  # noqa: PTH100 - "..", as the shell means it
    source = reading(path) if path else None
    place = choose(path, options.site, os.environ)
    notice = Notice("Waiting for the notebook server to start.", is_quiet=options.quiet or options.json)
    connection = Connection(place.site, Patience(on_wait=notice))
    force = getattr(options, "force", False)
    language = getattr(options, "language", "")
    return Session(place, connection, path, source, notebook=options.notebook, force=force, language=language)


def report(options: argparse.Namespace, answer: Mapping[str, Any], lines: Iterable[str]) -> int:
    """Print an answer, and return the exit code."""
    if options.json:
        say_json(answer)
    elif not options.quiet:
        for line in lines:
            say(line)
    return tell_conflicts(options, answer)


def tell_conflicts(options: argparse.Namespace, answer: Mapping[str, Any]) -> int:
    """Print the conflicts of an answer, where JSON does not hold them, and return the exit code."""
    if not options.json:
        for line in wording.conflict_lines(options.file, answer):
            complain(line)
        if wording.objects(answer, "conflicts") and not options.quiet:
            complain(wording.WAYS_OUT)
    return CONFLICTS if wording.objects(answer, "conflicts") else DONE


def cell_fields(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a request that name a cell."""
    return {"line": options.line} if options.line else {"cell": options.cell} if options.cell else {}


def _sync(options: argparse.Namespace) -> int:
    answer = open_session(options, read).sync()
    return report(options, answer, [wording.sync_line(answer)])


def _pull(options: argparse.Namespace) -> int:
    session = open_session(options, _read_if_there)
    answer, written = session.pull()
    return report(options, answer, [wording.pull_line(options.file, answer, is_written=written is not None)])


def _pair(options: argparse.Namespace) -> int:
    answer = open_session(options, _read_if_there).pair(kernel=options.kernel)
    return report(options, answer, [wording.pair_line(options.file, answer)])


def _kernel(options: argparse.Namespace) -> int:
    answer = open_session(options, _read_nothing).ask(options.command)
    return report(options, answer, [wording.kernel_line(answer)])


def _clear(options: argparse.Namespace) -> int:
    session = open_session(options, read if options.line else _read_nothing)
    what = "line" if options.line else "cell" if options.cell else "all"
    with session.held():
        answer = session.ask("clear", what=what, **cell_fields(options))
    cleared = wording.word(answer, "cleared")
    line = f"{wording.word(answer, 'notebook')}: {cleared} {'cell' if cleared == '1' else 'cells'} cleared"
    return report(options, answer, [line])


def _status(options: argparse.Namespace) -> int:
    answer = open_session(options, _read_nothing).status()
    return report(options, answer, wording.status_lines(answer))


def _focus(options: argparse.Namespace) -> int:
    session = open_session(options, read if options.line else _read_nothing)
    answer = session.ask("focus", **cell_fields(options))
    tabs = wording.word(answer, "tabs")
    shown = f"cell {wording.word(answer, 'cell')} is shown in {tabs} {'tab' if tabs == '1' else 'tabs'}"
    return report(options, answer, [f"{wording.word(answer, 'notebook')}: {shown}"])


def _read_nothing(path: str) -> Source | None:
    return None


def _read_if_there(path: str) -> Source | None:
    if os.path.exists(path):  # noqa: PTH110
        return read(path)
    folder = os.path.dirname(path)  # noqa: PTH120
    if not os.path.isdir(folder):  # noqa: PTH112
        raise FileTrouble(f"The folder {folder} does not exist.")
    if os.path.islink(path):  # noqa: PTH114
        raise FileTrouble(f"{path} is a link that leads nowhere.")
    return None


_ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "sync": _sync,
    "restart": _kernel,
    "interrupt": _kernel,
    "clear": _clear,
    "status": _status,
    "pull": _pull,
    "pair": _pair,
    "focus": _focus,
}
