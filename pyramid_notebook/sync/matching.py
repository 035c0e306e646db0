"""Which notebook belongs to an editor's file (pure).

The surest sign decides, in this order:

1. ``explicit``: the request names the notebook;
2. ``mapping``: the file lies below a folder of the user's machine that the user has mapped to one of the server;
3. ``header``: a line in the file's header names it;
4. ``beside``: the file's place in the user's folder is known, and the notebook lies beside it: ``x.ipynb`` beside
   ``x.py``, ``x.sync.ipynb`` beside ``x.sync.py``;
5. ``tail``: one notebook alone shares the longest end of its path with the file, of two parts at least;
6. ``name``: one notebook alone has the file's name, and its text is the file's, or it has none.

A file name alone never decides: another project's ``test.py`` would overwrite this one's notebook without a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath, PureWindowsPath
from typing import NamedTuple

from ..errors import BadPath, NoMatch

SUFFIX = ".ipynb"
#: How many candidates are told.
CANDIDATES = 20

_NAME_BYTES = 255
_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:")


class Rule(StrEnum):
    """What decided."""

    EXPLICIT = "explicit"
    MAPPING = "mapping"
    HEADER = "header"
    BESIDE = "beside"
    TAIL = "tail"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Match:
    """The notebook that belongs to a file.

    Attributes:
        notebook: its path below the user's folder, with slashes.
        rule: what decided.
        exists: whether there is one; the rules that name a notebook may name one that is still to be made.
    """

    notebook: str
    rule: Rule
    exists: bool


def _never(notebook: str) -> bool:
    return False


def match(
    file: str,
    notebooks: Iterable[str],
    *,
    explicit: str = "",
    mapping: Mapping[str, str] | None = None,
    header: str = "",
    folder: str = "",
    open_notebooks: Collection[str] = (),
    is_related: Callable[[str], bool] = _never,
) -> Match:
    """Return which notebook belongs to a file.

    Args:
        file: its path on the user's machine, which may be Windows; a relative one is below the user's folder.
        notebooks: paths of all notebooks below the user's folder, with slashes.
        explicit: the notebook that the request names, or an empty text.
        mapping: folders of the user's machine, each with the folder below the user's that it stands for.
        header: the notebook that the file's header names, or an empty text.
        folder: absolute path of the user's folder on the server, for editors on the same machine; may be empty.
        open_notebooks: those that somebody has open; they come first among the candidates.
        is_related: whether a notebook has the file's text or none
            (:func:`pyramid_notebook.sync.merge.is_version_of`); asked at most once.

    Raises:
        BadPath: a path cannot be one, or leads out of the user's folder.
        NoMatch: it is not certain.
    """
    path = _File.read(file)
    known = [name for name in dict.fromkeys(notebooks) if name.endswith(SUFFIX) and not _fault(name)]
    if explicit:
        return _named(checked_notebook(explicit), known, Rule.EXPLICIT)
    target = _mapped(path, mapping or {})
    if target:
        return _named(target, known, Rule.MAPPING, ignores_case=path.ignores_case)
    if header:
        return _named(checked_notebook(header), known, Rule.HEADER)
    if (beside := _beside(path, folder, known)) is not None:
        return Match(beside, Rule.BESIDE, exists=True)
    ranked = sorted(((_likeness(path, notebook), notebook) for notebook in known), reverse=True)
    ranked = [(likeness, notebook) for likeness, notebook in ranked if likeness.parts]
    if ranked and ranked[0][0].parts > 1:
        if len(ranked) == 1 or ranked[0][0] > ranked[1][0]:
            return Match(ranked[0][1], Rule.TAIL, exists=True)
    elif len(ranked) == 1 and is_related(ranked[0][1]):
        return Match(ranked[0][1], Rule.NAME, exists=True)
    likely = [notebook for _, notebook in ranked] or _of_the_name(path, known)
    candidates = sorted(likely or sorted(known), key=lambda notebook: notebook not in open_notebooks)
    raise NoMatch(file, candidates[:CANDIDATES], are_likely=bool(likely))


def checked_notebook(notebook: str) -> str:
    """Return the path of a notebook below the user's folder, or refuse it.

    Raises:
        BadPath: it is empty, absolute, hidden, leads upwards, is no ``.ipynb`` or cannot be the name of a file.
    """
    reason = _fault(notebook)
    if not reason and not notebook.endswith(SUFFIX):
        reason = f"a notebook's name ends with {SUFFIX}"
    if reason:
        raise BadPath(f"{notebook[:200]!r} cannot be a notebook: {reason}.")
    return notebook


def checked_folder(folder: str) -> str:
    """Return the path of a folder below the user's, without a slash at its end; the user's own is empty.

    Raises:
        BadPath: it is absolute, hidden, leads upwards or cannot be the name of a folder.
    """
    plain = folder.removesuffix("/") if folder != "/" else folder
    reason = _fault(plain) if plain not in ("", ".") else ""
    if reason:
        raise BadPath(f"{folder[:200]!r} cannot be a folder of notebooks: {reason}.")
    return "" if plain == "." else plain


def _fault(path: str) -> str:
    """Return what is wrong with a path below the user's folder, or an empty text."""
    parts = path.split("/")
    faults = {
        "it is empty": not path,
        "it must be below your folder": path.startswith("/") or bool(_DRIVE.match(path)) or ".." in parts,
        "its folders are separated by slashes": "\\" in path,
        "it holds characters that no name has": bool(_NO_NAME.search(path)),
        "it is hidden, or a part of it is": any(part.startswith(".") for part in parts),
        "a part of it is empty": "" in parts,
        "a part of it is too long": any(len(part.encode(errors="replace")) > _NAME_BYTES for part in parts),
    }
    return next((reason for reason, is_so in faults.items() if is_so), "")


class _File(NamedTuple):
    """A file's path on the user's machine.

    Attributes:
        root: its drive or first slash; empty for a relative path.
        parts: its folders and its name without the last suffix.
        suffix: that suffix.
        ignores_case: whether its file system takes names for the same that differ in case only.
    """

    root: str
    parts: tuple[str, ...]
    suffix: str
    ignores_case: bool

    @classmethod
    def read(cls, file: str) -> _File:
        path = _pure(file)
        parts = path.parts[1:] if path.anchor else path.parts
        if not parts or "\0" in file or ".." in parts or path.suffix.lower() == SUFFIX:
            raise BadPath(f"{file[:200]!r} cannot be an editor's file.")
        return cls(path.anchor, (*parts[:-1], path.stem), path.suffix, isinstance(path, PureWindowsPath))

    def below(self, folder: str) -> tuple[str, ...] | None:
        """Return the parts below an absolute folder of the same machine, or None where it is not there."""
        path = _pure(folder)
        parts = path.parts[1:] if path.anchor else path.parts
        is_windows = isinstance(path, PureWindowsPath)
        if not path.anchor or is_windows is not self.ignores_case or len(parts) >= len(self.parts):
            return None
        own = (self.root, *self.parts[: len(parts)])
        return self.parts[len(parts) :] if self._folded(own) == self._folded((path.anchor, *parts)) else None

    def _folded(self, parts: Iterable[str]) -> list[str]:
        return [_folded(part, ignores_case=self.ignores_case) for part in parts]


class _Likeness(NamedTuple):
    """How much a notebook's path is like a file's; the greater one wins.

    Attributes:
        parts: how many parts are equal, from the end.
        is_whole: whether those are all that the notebook has: no folder speaks against it.
        same_case: how many of them are equal in case, too.
        identical: how many of them are equal to the byte.
    """

    parts: int
    is_whole: bool
    same_case: int
    identical: int


def _pure(path: str) -> PurePosixPath | PureWindowsPath:
    is_windows = bool(_DRIVE.match(path)) or path.startswith("\\\\") or ("\\" in path and "/" not in path)
    return PureWindowsPath(path) if is_windows else PurePosixPath(path)


def _folded(text: str, *, ignores_case: bool) -> str:
    """Return a name as it compares: composed (NFC) as macOS may not have it, and without case for Windows."""
    composed = unicodedata.normalize("NFC", text)
    return unicodedata.normalize("NFC", composed.casefold()) if ignores_case else composed


def _named(notebook: str, known: Sequence[str], rule: Rule, *, ignores_case: bool = False) -> Match:
    """Return the match with a notebook that somebody named, in the spelling that it has."""
    if notebook in known:
        return Match(notebook, rule, exists=True)
    wanted = _folded(notebook, ignores_case=ignores_case)
    same = [other for other in known if _folded(other, ignores_case=ignores_case) == wanted]
    if len(same) == 1:
        return Match(same[0], rule, exists=True)
    return Match(_folded(notebook, ignores_case=False), rule, exists=False)


def _mapped(path: _File, mapping: Mapping[str, str]) -> str:
    """Return the notebook that the longest mapped folder leads to, or an empty text."""
    found = [(rest, folder) for root, folder in mapping.items() if (rest := path.below(root)) is not None]
    if not found:
        return ""
    rest, folder = min(found, key=lambda pair: len(pair[0]))
    below = checked_folder(folder)
    return checked_notebook("/".join([*([below] if below else []), *rest]) + SUFFIX)


def _beside(path: _File, folder: str, known: Sequence[str]) -> str | None:
    """Return the notebook in the same folder with the same name, where the file's place below the user's is known."""
    rest = path.below(folder) if folder else None
    if rest is None and not path.root and len(path.parts) > 1:  # a lone name may be relative to anything
        rest = path.parts
    if rest is None:
        return None
    notebook = "/".join(rest) + SUFFIX
    found = _named(notebook, known, Rule.BESIDE)
    return found.notebook if found.exists else None


def _likeness(path: _File, notebook: str) -> _Likeness:
    parts = notebook.removesuffix(SUFFIX).split("/")
    equal = same_case = identical = 0
    for part, other in zip(reversed(path.parts), reversed(parts), strict=False):
        if _folded(part, ignores_case=path.ignores_case) != _folded(other, ignores_case=path.ignores_case):
            break
        equal += 1
        same_case += _folded(part, ignores_case=False) == _folded(other, ignores_case=False)
        identical += part == other
    return _Likeness(equal, equal == len(parts), same_case, identical)


def _of_the_name(path: _File, known: Sequence[str]) -> list[str]:
    """Return the notebooks that have a file's name but for case."""
    name = _folded(path.parts[-1], ignores_case=True)
    stems = ((PurePosixPath(notebook).name.removesuffix(SUFFIX), notebook) for notebook in known)
    return [notebook for stem, notebook in stems if _folded(stem, ignores_case=True) == name]
