"""The line that a cell begins with, as ``# %% Title [markdown] tags=["a"]`` (pure).

The grammar is that of jupytext's percent format, version 1.3, with some differences: a cell's ``id`` is its id in the
notebook, nothing raises, and a file cannot make a notebook's cell trusted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ..cells import CellType
from .languages import CELL_LANGUAGES, Language
from .options import UNREADABLE, title_and_metadata

#: What is about the looks of the text, and about how far a browser trusts a cell: never read from a file.
_NOT_READ = frozenset(
    (
        *("skipline", "noskipline", "cell_marker", "lines_to_next_cell", "lines_to_end_of_cell_marker"),
        *("region_name", "trusted"),
    )
)
#: And what Jupyter's pages note down for themselves: not written to a file.
_NOT_WRITTEN = _NOT_READ | {"autoscroll", "collapsed", "scrolled", "execution", "ExecuteTime", "cell_type", "id"}

#: What says whether code is for the notebook or for the script.
_ACTIVITY = {"active", "tags", "run_control"}
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_TYPES = {"[markdown]": CellType.MARKDOWN, "[raw]": CellType.RAW, "[md]": CellType.MARKDOWN}


@dataclass(frozen=True, slots=True)
class Marker:
    """What a marker says of its cell.

    Attributes:
        type: the kind of cell, if it is said.
        metadata: of the cell, its ``title`` among them.
        id: of the cell in the notebook, or empty.
        language: name of another language than the file's, or empty; a cell of the notebook begins with its magic.
        arguments: of that magic.
    """

    type: CellType | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    language: str = ""
    arguments: str = ""

    def active(self, suffix: str, *, default: bool = True) -> bool:
        """Return whether its cell is code where files have a suffix (``ipynb``: in the notebook), as jupytext has it.

        Args:
            suffix: without the dot.
            default: what holds if the marker doesn't say.
        """
        if not _ACTIVITY & self.metadata.keys():
            return default
        control = self.metadata.get("run_control")
        if isinstance(control, dict) and control.get("frozen") is True:
            return suffix == "ipynb"
        tags = self.metadata.get("tags")
        for tag in tags if isinstance(tags, list) else ():
            if isinstance(tag, str) and tag.startswith("active-"):
                return suffix in tag.split("-")
        active = self.metadata.get("active")
        return suffix in re.split(r"[.,]", active) if isinstance(active, str) else default


_EMPTY = Marker()


def marker_pattern(language: Language) -> str:
    """Return a regular expression for markers; its one group is what follows ``%%``, None for ``# In[3]:``."""
    blank = r"[^\S\n]"
    comment, end = re.escape(language.comment), re.escape(language.comment_end)
    options = rf"(%*+(?:(?={blank}|\[)[^\n]*+)?)" + (f"(?<={end})" if end else f"{blank}*+")
    plain = rf"(?:<codecell>|In\[[0-9 ]*+\]:?){blank}*+{end}{blank}*+"
    return rf"{comment}{blank}*+(?:%%{options}|{plain})(?=\n|\Z)"


@cache
def marker_at_line(language: Language) -> re.Pattern[str]:
    """Return `marker_pattern` at the start of a line."""
    return re.compile(rf"^{marker_pattern(language)}", re.MULTILINE)


def read_marker(options: str | None, language: Language) -> Marker:
    """Return what a marker says.

    Args:
        options: what the group of `marker_pattern` took.
        language: of the file.
    """
    if not options:
        return _EMPTY
    title, metadata = title_and_metadata(options.removesuffix(language.comment_end).strip())
    kind: CellType | None = None
    for text, kind_of_text in _TYPES.items():
        if text in title:
            title, kind = title.replace(text, "").strip(), kind_of_text
            break
    name = title.lstrip("%")
    if name != title:
        metadata["cell_depth"] = len(title) - len(name)
    if name.strip():
        metadata["title"] = name.strip() if name != title else name
    return _marker(kind, metadata, language)


def _marker(kind: CellType | None, metadata: dict[str, Any], language: Language) -> Marker:
    for key in _NOT_READ.intersection(metadata):
        del metadata[key]
    if "cell_type" in metadata:
        said = metadata.pop("cell_type")
        kind = kind or (CellType(said) if said in ("code", "markdown") else CellType.RAW)
    cell_id = metadata.get("id")
    if isinstance(cell_id, str) and is_id(cell_id):
        del metadata["id"]
    else:
        cell_id = ""
    other = metadata.get("language")
    other = other if isinstance(other, str) else ""
    if other == language.name:
        del metadata["language"]
    if other == language.name or other not in CELL_LANGUAGES or kind not in (None, CellType.CODE):
        return Marker(kind, metadata, cell_id)
    del metadata["language"]
    arguments = metadata.get("magic_args")
    if isinstance(arguments, str) and "\n" not in arguments:
        del metadata["magic_args"]
    else:
        arguments = ""
    return Marker(kind, metadata, cell_id, other, arguments)


def is_id(text: str) -> bool:
    """Return whether a text can be the id of a cell (nbformat 4.5)."""
    return _ID.fullmatch(text) is not None


def written_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a cell's metadata belongs in a file."""
    return {key: value for key, value in metadata.items() if key not in _NOT_WRITTEN}


def write_marker(marker: Marker, language: Language, *, begin: str) -> str:
    """Return the line of a marker, without a line end; `read_marker` gives the same back.

    Args:
        marker: what it says.
        language: of the file.
        begin: the comment and ``%%``, as this file writes them.
    """
    metadata = dict(marker.metadata)
    depth, title = metadata.pop("cell_depth", None), metadata.pop("title", None)
    if marker.id:
        metadata = {"id": marker.id, **metadata}
    if marker.language:
        metadata["language"] = marker.language
    if marker.arguments:
        metadata["magic_args"] = marker.arguments
    kind = f"[{marker.type}]" if marker.type in (CellType.MARKDOWN, CellType.RAW) else ""
    if marker.type is CellType.CODE:
        metadata["cell_type"] = "code"
    percents = "%" * depth if type(depth) is int and 0 < depth < 100 else ""
    whole = {key: marker.metadata[key] for key in ("cell_depth", "title") if key in marker.metadata}
    attempts = (
        (percents, title if isinstance(title, str) else "", metadata if percents or depth is None else None, False),
        ("", "", {**whole, **metadata}, False),
    )
    for percents_, title_, rest, as_json in attempts:
        if rest is None:
            continue
        line = _joined(percents_, title_, kind, rest, as_json=as_json)
        if _says(line, marker, language):
            return _line(begin, line, language)
    return _line(begin, _joined("", "", kind, {**whole, **metadata}, as_json=True), language)


def _says(options: str, marker: Marker, language: Language) -> bool:
    return options.isprintable() and read_marker(options, language) == marker


def _joined(percents: str, title: str, kind: str, metadata: Mapping[str, Any], *, as_json: bool) -> str:
    parts = [part for part in (title, kind) if part]
    if as_json:
        parts += [json.dumps(metadata)] if metadata else []
    else:
        for key, value in metadata.items():
            if key == UNREADABLE and isinstance(value, str):
                parts.append(value)
            else:
                parts.append(key if value is None else f"{key}={json.dumps(value)}")
    text = " ".join(parts)
    return f"{percents} {text}".rstrip() if percents else f" {text}" if text else ""


def _line(begin: str, options: str, language: Language) -> str:
    return f"{begin}{options} {language.comment_end}" if language.comment_end else f"{begin}{options}"
