"""The live notebook: its cells as everybody sees them just now, and changes to it in one step.

It lives in a room of jupyter-collaboration (:mod:`.collaboration`), whether a page has it open or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_ydoc import YNotebook
from pycrdt import Map

from ..sync.cells import Cell, CellType
from ..sync.merge.plan import Insert, Operation
from .cell_cache import CellCache
from .changes import change_cells, changed, plain
from .collaboration import (
    ROOM_EVENTS,
    extension,
    leave,
    missing_names,
    open_rooms,
    room_of,
    split_room,
    stay,
)

#: Who has made a change, as observers of the shared document are told (Yjs, transaction origin).
ORIGIN = "pyramid-notebook"
_CHUNK = 100  # cells that are read before others get a turn, about 5 ms
_AT_ONCE = 50  # cells that are made without a thread, about 5 ms
_HOLD_SECONDS = 5.0
_TYPES = frozenset(CellType)
_OF_RUNS = frozenset(("outputs", "execution_count", "execution_state"))
#: Is told of a notebook, the id of a cell that a page has run in it, and its text then.
OnRun = Callable[["LiveNotebook", str, str], None]


class LiveNotebook:
    """One notebook that is open on the server.

    Args:
        app: the running server.
        room: of the notebook, loaded.
        on_run: called when a page has run a cell well.
    """

    def __init__(self, app: ServerApp, room: Any, on_run: OnRun = lambda notebook, cell_id, source: None) -> None:
        self.app = app
        self._on_run = on_run
        self._is_ours = False
        self.room = room
        self.lock = asyncio.Lock()  # one request of an editor after the other
        self._view = YNotebook(room.ydoc)
        self._ycells = self._view.ycells
        self._cache: CellCache[Cell] = CellCache(len(self._ycells))
        self._places: dict[str, int] = {}  # where cells were found last
        self._holders = 0
        self._next_hold: asyncio.TimerHandle | None = None
        self._subscription = self._ycells.observe_deep(self._on_events)

    def close(self) -> None:
        """Follow the document no longer."""
        self._ycells.unobserve(self._subscription)

    @property
    def file_id(self) -> str:
        """Names its file, also when that was renamed (jupyter-server-fileid)."""
        return split_room(self.room.room_id)[2]

    @property
    def path(self) -> str:
        """Where its file is now; empty when the user deleted it."""
        return self.app.web_app.settings["file_id_manager"].get_path(self.file_id) or ""

    @property
    def version(self) -> int:
        """A number that grows with each change of what :meth:`cells` returns; outputs are none."""
        return self._cache.version

    @property
    def tabs(self) -> int:
        """How many pages have it open."""
        return len(self.room.clients)

    @property
    def is_open(self) -> bool:
        """Whether this is still the notebook that pages get."""
        return open_rooms(self.app).get(self.room.room_id) is self.room

    @property
    def metadata(self) -> dict[str, Any]:
        """Of the notebook, not of its cells (nbformat 4, "Top-level structure")."""
        metadata = self._view.ydoc.get("meta", type=Map).get("metadata")
        return plain(metadata)

    @property
    def kernel_name(self) -> str:
        """Which kernel the notebook asks for; empty for none."""
        kernel = self.metadata.get("kernelspec")
        return str(kernel.get("name") or "") if isinstance(kernel, dict) else ""

    async def cells(self) -> tuple[Cell, ...]:
        """Return all cells as they are when this returns, without outputs."""
        while missing := self._cache.missing:
            with self._view.ydoc.transaction():  # one for all is faster
                for place in missing[:_CHUNK]:
                    self._cache.values[place] = self._read(place)
            if len(missing) > _CHUNK:
                await asyncio.sleep(0)
        return tuple(cell for cell in self._cache.values if cell is not None)

    def ycell(self, cell_id: str) -> Any:
        """Return the shared cell of an id as it lies in the document now, or None."""
        place = self._place(cell_id)
        return None if place is None else self._ycells[place]

    def source_of(self, cell_id: str) -> str | None:
        """Return the text of a cell as it is now, or None."""
        ycell = self.ycell(cell_id)
        return None if ycell is None else str(ycell["source"])

    async def runs(self) -> dict[str, tuple[str, int | None]]:
        """Return of each cell whether it is ``idle`` or ``running``, and its execution count, by its id."""
        runs: dict[str, tuple[str, int | None]] = {}
        for place, cell in enumerate(await self.cells()):
            if place % _CHUNK == _CHUNK - 1:
                await asyncio.sleep(0)
            if place < len(self._ycells) and cell.type is CellType.CODE:
                ycell = self._ycells[place]
                count, is_running = ycell.get("execution_count"), ycell.get("execution_state") == "running"
                runs[cell.id] = "running" if is_running else "idle", None if count is None else int(count)
        return runs

    def shows_something(self, cell_id: str) -> bool:
        """Return whether a cell has outputs, or attachments such as pasted pictures."""
        ycell = self.ycell(cell_id)
        return ycell is not None and bool(ycell.get("outputs") or ycell.get("attachments"))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make changes to the document one; those of pages are not made like this."""
        was_ours, self._is_ours = self._is_ours, True
        try:
            with self._view.ydoc.transaction(origin=ORIGIN):
                yield
        finally:
            self._is_ours = was_ours

    async def apply(self, operations: Sequence[Operation], version: int, *, at_once: bool = False) -> bool:
        """Change cells, all in one step.

        Args:
            operations: planned for the cells of a version.
            version: that version.
            at_once: let others wait as long as it takes, however many cells there are.

        Returns:
            Whether it was done; False where others have changed the notebook meanwhile, and nothing was.
        """
        document = self._view.ydoc
        if self.version != version:
            return False
        if at_once or sum(isinstance(operation, Insert) for operation in operations) <= _AT_ONCE:
            with self.transaction():
                change_cells(self._view, operations)
            return True
        state = document.get_state()
        update = await asyncio.to_thread(changed, document.get_update(), operations)
        if document.get_state() != state:  # outputs count, too: those of moved cells were copied
            return False
        with self.transaction():
            document.apply_update(update)
        return True

    def append(self, cell: Cell) -> None:
        """Add a cell at the end; call it in a transaction."""
        place = self._places[cell.id] = len(self._ycells)
        change_cells(self._view, [Insert(place, cell, None, keeps_outputs=False)])

    def clear_outputs(self, cell_ids: Sequence[str]) -> int:
        """Remove outputs and execution counts, in one step, and return of how many cells."""
        cleared = 0
        with self.transaction():
            for cell_id in cell_ids:
                ycell = self.ycell(cell_id)
                if ycell is None or ycell["cell_type"] != CellType.CODE:
                    continue
                if len(ycell["outputs"]) or ycell.get("execution_count") is not None:
                    cleared += 1
                    ycell["outputs"].clear()
                    ycell["execution_count"] = None
        return cleared

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the notebook open, also when the last page leaves it."""
        self._holders += 1
        if self._holders == 1:
            self._hold()
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders and self._next_hold is not None:
                self._next_hold.cancel()
                if self.is_open:
                    leave(self.app, self.room)

    def _hold(self) -> None:
        """Stop the clean-up that a page starts when it leaves: it only waits, for a minute by default."""
        stay(self.room)
        self._next_hold = asyncio.get_running_loop().call_later(_HOLD_SECONDS, self._hold)

    def _on_events(self, events: Sequence[Any]) -> None:
        self._cache.follow(events, _matters)
        for event in events:
            if len(event.path) == 1 and "execution_count" in event.keys and not self._is_ours:
                asyncio.get_running_loop().call_soon(self._note_run, event.path[0], self.version)

    def _note_run(self, place: int, version: int) -> None:
        """Tell that a page has run a cell; where it lies elsewhere by now, nobody knows what ran."""
        if version != self.version:
            return
        ycell = self._ycells[place]
        failed = any(output.get("output_type") == "error" for output in ycell.get("outputs") or ())
        if ycell.get("execution_count") is not None and not failed:
            self._on_run(self, str(ycell.get("id")), str(ycell["source"]))

    def _read(self, place: int) -> Cell:
        ycell = self._ycells[place]
        kind = ycell["cell_type"]
        return Cell(
            CellType(kind) if kind in _TYPES else CellType.RAW,
            str(ycell["source"]).rstrip("\n"),
            str(ycell.get("id") or ""),
            plain(ycell.get("metadata")),
        )

    def _place(self, cell_id: str) -> int | None:
        place = self._places.get(cell_id)
        if place is not None and self._id_at(place) == cell_id:
            return place
        places = range(len(self._cache.values))
        place = next((place for place in places if self._id_at(place) == cell_id), None)
        if place is None:
            self._places.pop(cell_id, None)
        else:
            self._places[cell_id] = place
        return place

    def _id_at(self, place: int) -> str:
        """Return the id of the cell at a place; empty where no cell is."""
        if place >= len(self._cache.values):
            return ""
        cell = self._cache.values[place]
        return cell.id if cell is not None else str(self._ycells[place].get("id") or "")


def _matters(event: Any) -> bool:
    """Tell whether an event below a cell is about more than what its runs leave."""
    return not event.keys.keys() <= _OF_RUNS if len(event.path) == 1 else event.path[1] != "outputs"


class LiveNotebooks:
    """All notebooks that are open, each once.

    Args:
        app: the running server.
        on_run: called when a page has run a cell well.
    """

    def __init__(self, app: ServerApp, on_run: OnRun = lambda notebook, cell_id, source: None) -> None:
        self.app = app
        self._on_run = on_run
        self._notebooks: dict[str, LiveNotebook] = {}
        if extension(app) is not None and not missing_names():
            events = app.web_app.settings["event_logger"]
            events.add_listener(schema_id=ROOM_EVENTS, listener=self._on_room_event)

    async def open(self, path: str) -> LiveNotebook:
        """Return a notebook; hold it (:meth:`LiveNotebook.held`) before you wait for anything else.

        Raises:
            NoNotebook: there is none.
            HTTPError: its file cannot be read.
        """
        room = await room_of(self.app, path)
        self._look()
        return self._notebooks[room.room_id]

    async def _on_room_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        self._look()

    def _look(self) -> None:
        for room_id, notebook in list(self._notebooks.items()):
            if not notebook.is_open:
                notebook.close()
                del self._notebooks[room_id]
        for room_id, room in open_rooms(self.app).items():
            if room_id not in self._notebooks and room.file_type == "notebook":
                self._notebooks[room_id] = LiveNotebook(self.app, room, self._on_run)
