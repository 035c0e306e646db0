"""A tab that does with its notebook what people do there (y-protocols, sync)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pycrdt import Text, YMessageType, YSyncMessageType, create_sync_message, create_update_message, handle_sync_message

from pyramid_notebook.sync.cells import Cell, CellType
from tests.server.daemons import Daemon, Document
from tests.sync.random_edits import Writer

#: What is done in a tab; ``run`` stands for a kernel whose output a page puts into a cell.
KINDS = ("edit", "edit", "insert", "delete", "move", "retype", "tag", "run")
_ARRIVED = bytes([YMessageType.SYNC, YSyncMessageType.SYNC_STEP2])


class Tab(Document):
    """Changes a shared notebook as JupyterLab does; nobody hears of it before :meth:`tell`.

    Args:
        connection: to the notebook's room.
        writer: decides what is done, and writes lines that are unlike all others.
    """

    def __init__(self, connection: Any, writer: Writer) -> None:
        super().__init__(connection)
        self._writer = writer
        self._told = self._doc.get_state()

    @property
    def content(self) -> list[dict[str, Any]]:
        """All cells, also those that have one id."""
        return list(self._notebook.get(deduplicate=False)["cells"])

    @property
    def cells(self) -> list[Cell]:
        return [
            Cell(CellType(cell["cell_type"]), cell["source"].rstrip("\n"), cell["id"], without_trust(cell["metadata"]))
            for cell in self.content
        ]

    def change(self, kinds: Sequence[str], times: int) -> None:
        """Do something, at random."""
        doing: dict[str, Callable[[int], None]] = {
            "edit": self._edit, "delete": self._delete, "move": self._move,
            "retype": self._retype, "tag": self._tag, "run": self.put_output,
        }  # fmt: skip
        for _ in range(times):
            kind = self._writer.random.choice(kinds)
            with self._doc.transaction():
                if kind == "insert" or not len(self._ycells):
                    self._insert()
                else:
                    doing[kind](self._writer.random.randrange(len(self._ycells)))

    def tell(self) -> None:
        """Send what was changed since the last time."""
        self._connection.send_binary(create_update_message(self._doc.get_update(self._told)))
        self._told = self._doc.get_state()

    def hear(self) -> None:
        """Wait until the server has all that was told, and this tab all that the server has."""
        self._connection.send_binary(create_sync_message(self._doc))
        arrived = False
        while not arrived:
            message = self._connection.recv()
            if not isinstance(message, bytes) or message[:1] != _ARRIVED[:1]:
                continue
            arrived = message[:2] == _ARRIVED
            if reply := handle_sync_message(message[1:], self._doc):
                self._connection.send_binary(reply)
        self._told = self._doc.get_state()

    def put_output(self, place: int) -> None:
        """Let a code cell show something that no other one shows."""
        ycell = self._ycells[place]
        if ycell["cell_type"] == CellType.CODE:
            output = {"output_type": "stream", "name": "stdout", "text": f"shown by {self._writer.line()}\n"}
            self._notebook._set_ycell_outputs(ycell, [output])
            ycell["execution_count"] = 1.0

    @property
    def _ycells(self) -> Any:
        return self._notebook.ycells

    def _insert(self) -> None:
        name = self._writer.line().encode().hex()[-12:]
        cell = {"cell_type": "code", "source": self._writer.source(), "metadata": {}, "id": name, "outputs": []}
        place = self._writer.random.randint(0, len(self._ycells))
        self._ycells.insert(place, self._notebook.create_ycell(cell | {"execution_count": None}))

    def _delete(self, place: int) -> None:
        del self._ycells[place]

    def _edit(self, place: int) -> None:
        text: Text = self._ycells[place]["source"]
        lines = str(text).split("\n")
        line = self._writer.random.randrange(len(lines))
        start = len("".join(f"{one}\n" for one in lines[:line]).encode())  # pycrdt counts bytes of UTF-8
        end = start + len(lines[line].encode())
        if self._writer.random.random() < 0.3:
            del text[start:end]
            text.insert(start, f"{self._writer.line()}  # ü")
        else:
            text.insert(end, f"  # 😀 {self._writer.line()}")

    def _move(self, place: int) -> None:
        value = self._ycells[place].to_py()
        del self._ycells[place]
        self._ycells.insert(self._writer.random.randint(0, len(self._ycells)), self._notebook.create_ycell(value))

    def _retype(self, place: int) -> None:
        value = self._ycells[place].to_py()
        value["cell_type"] = str(self._writer.random.choice(list(CellType)))
        for name in ("outputs", "execution_count", "execution_state"):
            value.pop(name, None)
        if value["cell_type"] == CellType.CODE:
            value |= {"outputs": [], "execution_count": None}
        del self._ycells[place]
        self._ycells.insert(place, self._notebook.create_ycell(value))

    def _tag(self, place: int) -> None:
        metadata = self._ycells[place]["metadata"]
        metadata["tags"] = [*(metadata.get("tags") or ()), f"tag{self._writer.random.randrange(10**9)}"]


def without_trust(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return what of a cell's metadata is written to files."""
    return {name: value for name, value in metadata.items() if name != "trusted"}


@contextmanager
def tab_of(daemon: Daemon, notebook: str, writer: Writer) -> Iterator[Tab]:
    """Open a notebook in a tab."""
    session = daemon.request("PUT", f"api/collaboration/session/{notebook}", {"format": "json", "type": "notebook"})
    room = f"json:notebook:{session['fileId']}?sessionId={session['sessionId']}"
    with daemon.websocket(f"api/collaboration/room/{room}") as connection:
        yield Tab(connection, writer)
