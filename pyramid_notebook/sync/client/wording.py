"""A site's answers as lines for people (pure). Answers are what the site sent: nothing of them is taken for granted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import SiteError
from ...site_client import shown

_CONFLICTS = {
    "source": "the cell was changed here and in the notebook",
    "type": "the cell's type was changed here and in the notebook",
    "metadata": "the cell's metadata was changed here and in the notebook",
    "deleted-by-editor": "the cell was deleted here and changed in the notebook",
    "deleted-in-notebook": "the cell was changed here and deleted in the notebook",
}
_MADE = {
    "notebook": "; the notebook is new",
    "file": "; the file is new",
    "both": "; both are new",
}


#: How a conflict ends.
WAYS_OUT = (
    "pyramid-notebook: Make both alike, or decide: sync --force keeps what the file has, pull --force what the "
    "notebook has."
)


def one_line(text: str) -> str:
    """Return a text of this machine, such as the name of a file, as one line that cannot control a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def text_of(answer: Mapping[str, Any], name: str) -> str:
    """Return a text of an answer as it came.

    Raises:
        SiteError: it is not there.
    """
    value = answer.get(name)
    if not isinstance(value, str):
        raise SiteError(f"The site's answer cannot be understood: it has no {name}.")
    return value


def word(answer: Mapping[str, Any], name: str) -> str:
    """Return a text or number of an answer for a line; an empty text where there is none."""
    value = answer.get(name)
    return shown(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def objects(answer: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects in a list of an answer."""
    found = answer.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def sync_line(answer: Mapping[str, Any]) -> str:
    """Return what a sync has changed, such as ``a/x.ipynb: 2 cells changed, 1 new, 1 deleted``."""
    counts = {"changed": 0, "new": 0, "moved": 0, "deleted": 0}
    for cell in objects(answer, "cells"):
        changes = cell.get("changes")
        kinds = changes if isinstance(changes, list) else []
        counts["new" if "new" in kinds else "moved" if kinds == ["moved"] else "changed"] += 1
    deleted = answer.get("deleted")
    counts["deleted"] = len(deleted) if isinstance(deleted, list) else 0
    told = [f"{number} {name}" for name, number in counts.items() if number]
    if told:
        number, _, rest = told[0].partition(" ")
        told[0] = f"{number} {'cell' if number == '1' else 'cells'} {rest}"
    line = f"{word(answer, 'notebook')}: {', '.join(told) or 'nothing changed'}"
    return line + ("; the notebook has changes that the file lacks (pull them)" if answer.get("pull") is True else "")


def conflict_lines(file: str, answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each conflict, in the form in which compilers tell an error's place.

    Args:
        file: the file's name, as the user typed it.
        answer: of a sync or pull.
    """
    for conflict in objects(answer, "conflicts"):
        kind, line = word(conflict, "kind"), conflict.get("line")
        place = f"{one_line(file)}:{line}" if isinstance(line, int) else one_line(file)
        yield f"{place}: conflict: {_CONFLICTS.get(kind, kind)} (cell {word(conflict, 'id')})"


def pull_line(file: str, answer: Mapping[str, Any], *, is_written: bool) -> str:
    """Return what a pull has done."""
    done = "taken over from" if is_written else "nothing to take over from"
    return f"{one_line(file)}: {done} {word(answer, 'notebook')}"


def pair_line(file: str, answer: Mapping[str, Any]) -> str:
    """Return which notebook a file is paired with."""
    differs = "; they differ: pull, or sync with --force" if answer.get("rev") == "" else ""
    made = _MADE.get(word(answer, "made"), "")
    return f"{one_line(file)}: paired with {word(answer, 'notebook')}{made}{differs}"


def kernel_line(answer: Mapping[str, Any]) -> str:
    """Return the state of a notebook's kernel."""
    found = answer.get("kernel")
    kernel = found if isinstance(found, dict) else {}
    name, state = word(kernel, "name"), word(kernel, "state") or "none"
    return f"{word(answer, 'notebook')}: {f'kernel {name} is {state}' if state != 'none' else 'no kernel'}"


def status_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the state of a notebook, and a table of its cells."""
    tabs = word(answer, "tabs") or "0"
    yield f"{kernel_line(answer)}, open in {tabs} {'tab' if tabs == '1' else 'tabs'}"
    rows = [
        (
            word(cell, "id"),
            word(cell, "type"),
            f"[{word(cell, 'execution_count') or ' '}]" if cell.get("type") == "code" else "",
            word(cell, "state"),
            "stale" if cell.get("stale") is True else "",
        )
        for cell in objects(answer, "cells")
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
