"""What goes wrong between editors' files and notebooks (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .base import NotebookError


class SyncError(NotebookError):
    """A request of an editor cannot be done; the text says why.

    Attributes:
        pushed: what became of the file that came with the request, if that was pushed all the same.
    """

    status = 409
    reason = "sync"
    pushed: Mapping[str, object] | None = None


class BadRequest(SyncError):
    """What a program sent cannot be understood."""

    status = 400
    reason = "form"


class TooLarge(SyncError):
    """What a program sent is more than a request may hold."""

    status = 413
    reason = "too-large"


class UnknownLanguage(SyncError):
    """In which language a script is written is not known."""

    status = 400
    reason = "language"


class BadPath(SyncError):
    """The path of a file or notebook cannot be one, or leads out of the user's folder."""

    status = 400
    reason = "path"


class NoMatch(SyncError):
    """No notebook certainly belongs to a file.

    Args:
        file: the file's path as the editor named it.
        candidates: notebooks that it may be, the likeliest first.
        are_likely: whether they have the file's name; otherwise they are just all that there are.
    """

    status = 409
    reason = "no-match"

    def __init__(self, file: str, candidates: Sequence[str], *, are_likely: bool) -> None:
        others = " or another one" if candidates[3:] else ""
        told = (
            f"It may be {' or '.join(candidates[:3])}{others}: name the notebook (--notebook)"
            if are_likely
            else "None has its name: name the notebook (--notebook), or pair the file to make one"
        )
        super().__init__(f"Which notebook belongs to {file!r} is not certain. {told}, or name it in the file's header.")
        self.file = file
        self.candidates = tuple(candidates)


class NoNotebook(SyncError):
    """There is no notebook of that name."""

    status = 404
    reason = "notebook"


class BadNotebook(SyncError):
    """A notebook's file holds what no notebook can."""

    status = 400
    reason = "content"


class NotebookExists(SyncError):
    """A notebook would have to be made where there is something else already."""

    reason = "exists"


class UnknownRev(SyncError):
    """The version that an editor's file comes from is not known any more."""

    reason = "unknown-rev"
    text = (
        "The version of the notebook that this file comes from is not known any more. Pull, to take over what the "
        "notebook has, or sync with force, to make the notebook what the file is."
    )


class Unsynced(SyncError):
    """A file and a notebook differ, and nobody knows a version that both come from."""

    reason = "unsynced"


class FileChanged(SyncError):
    """Another program has changed the notebook's file; its version stands."""

    reason = "file-changed"
    text = (
        "Another program has changed the notebook's file just now. That version stands; what the notebook held is kept "
        "in a copy beside it. Sync again."
    )


class NotSaved(SyncError):
    """The live notebook has the change, and its file has not."""

    status = 500
    reason = "not-saved"


class NoCell(SyncError):
    """A line or an id names no cell that could be meant."""

    reason = "no-cell"


class NoKernel(SyncError):
    """A notebook has no kernel that runs."""

    reason = "no-kernel"


class KernelTrouble(SyncError):
    """A kernel could not be interrupted or restarted, or is not up again in time; the text says which."""

    status = 503
    reason = "kernel"


class NoTab(SyncError):
    """Nobody has the notebook open in a page."""

    reason = "no-tab"
    text = "No page has this notebook open."


class SyncUnsupported(SyncError):
    """The Jupyter packages of this server are not those that editor sync knows."""

    status = 501
    reason = "unsupported"
