"""The stored history of shared documents, from which a document that is opened again goes on.

A room of jupyter-collaboration writes the path of its file into the new document before it loads the history, and this
is never stored. What the room writes later comes after it, so that from the third time that a document is opened on,
its history has holes: pages wait for ever for what is missing, and show less than the file has.
"""

from __future__ import annotations

from typing import Any

from jupyter_server_ydoc.stores import SQLiteYStore
from pycrdt import Doc

_NOTHING = b"\0\0"  # the update of a document that nobody has written to (Yjs, update format version 1)


class CompleteHistory(SQLiteYStore):  # type: ignore[misc]
    """Jupyter's own store, without that hole."""

    #: Changes between two checkpoints; with a long notebook each holds the event loop up for 30 ms, and is worth 20 ms
    #: to who opens it next.
    checkpoint_interval = 1000

    async def apply_updates(self, ydoc: Doc[Any]) -> None:
        """Load the history into a new document, and store what the room had written into that before."""
        written = ydoc.get_update()
        await super().apply_updates(ydoc)
        if written != _NOTHING:
            await self.write(written)
