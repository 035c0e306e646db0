"""Snapshots: processes that have run the first cells of a notebook, and are forked for each call."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ...errors import CallTimeout
from ..protocol import Event, Order
from .conversation import Conversation, Refused
from .fork_server import ForkServer
from .sources import Sources, have_changed

_LOOK_SECONDS = 1.0
#: Refusals that are remembered, so that the cells are not run twice for each call.
_MOST_REFUSALS = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of a snapshot.

    Attributes:
        order: with the cells that run.
        count: how many of them, from the first one.
        key: what else it depends on.
        seconds: that these cells may take.
    """

    order: Order
    count: int
    key: str
    seconds: float

    @property
    def name(self) -> str:
        """A hash of all that a snapshot depends on."""
        cells = [[cell.index, cell.source] for cell in self.order.cells[: self.count]]
        told = [cells, self.order.folder, self.order.memory, self.key]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@dataclass(slots=True, eq=False)
class _Snapshot:
    """One process, or one that is being made.

    Attributes:
        owner: the notebook that it is of.
        events: what happened while its cells ran.
        listeners: who wants to know while they do.
    """

    owner: tuple[str, str]
    made: asyncio.Task[ForkServer] | None = None
    events: list[Event] = field(default_factory=list)
    listeners: list[Callable[[Event], None]] = field(default_factory=list)
    sources: Sources = field(default_factory=dict)
    line: Conversation | None = None
    server: ForkServer | None = None
    looked: float = 0.0
    expiry: asyncio.TimerHandle | None = None

    def tell(self, event: Event) -> None:
        self.events.append(event)
        for listener in self.listeners:
            listener(event)

    def is_usable(self, now: float) -> bool:
        if self.server is None:  # it is being made
            return True
        if self.server.is_gone:
            return False
        if now - self.looked < _LOOK_SECONDS:
            return True
        self.looked = now
        return not have_changed(self.sources)

    def retire(self) -> None:
        if self.expiry is not None:
            self.expiry.cancel()
        if self.server is not None:
            self.server.retire()

    def end(self) -> None:
        if self.server is not None:
            self.server.close()
        if self.line is not None:
            self.line.close()


class Snapshots:
    """The snapshots of one engine.

    Args:
        most: how many are kept; those used last.
        seconds: after which one is made anew.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._kept: dict[str, _Snapshot] = {}
        self._refusals: dict[str, str] = {}

    async def find(self, zygote: ForkServer, wish: Wish, on_event: Callable[[Event], None]) -> ForkServer:
        """Return what forks a process in which the first cells of an order have run.

        Args:
            zygote: makes it, if there is none.
            wish: what is asked for.
            on_event: is told what happened when they ran.

        Raises:
            Refused: such a process could not be forked.
            CallError: a cell failed.
            Gone: the zygote has ended.
        """
        name = wish.name
        if name in self._refusals:
            raise Refused(self._refusals[name])
        now = asyncio.get_running_loop().time()
        kept = self._kept.pop(name, None)
        if kept is not None and not kept.is_usable(now):
            kept.retire()
            kept = None
        is_joined = kept is not None
        if kept is None:
            kept = _Snapshot((wish.order.folder, wish.order.title), looked=now)
            kept.made = asyncio.ensure_future(self._make(kept, zygote, wish))
            kept.made.add_done_callback(lambda made: made.cancelled() or made.exception())  # who waited may have gone
        self._kept[name] = kept  # the last of the dictionary was used last
        self._limit(kept)
        for event in kept.events:
            on_event(event)
        if kept.server is not None:
            return kept.server
        assert kept.made is not None  # noqa: S101 - for the type checker
        kept.listeners.append(on_event)
        try:
            return await asyncio.shield(kept.made)
        except CallTimeout:
            left = wish.seconds - (asyncio.get_running_loop().time() - now)
            if not is_joined or left <= 0:
                raise
        finally:
            kept.listeners.remove(on_event)
        return await self.find(zygote, replace(wish, seconds=left), on_event)  # the one before had less time

    def clear(self) -> None:
        """Let all end when their calls have, and forget what was refused."""
        kept, self._kept = self._kept, {}
        self._refusals.clear()
        for snapshot in kept.values():
            snapshot.retire()

    async def _make(self, kept: _Snapshot, zygote: ForkServer, wish: Wish) -> ForkServer:
        name = wish.name
        try:
            result, line, control = await zygote.snapshot(
                wish.order, wish.count, seconds=wish.seconds, on_event=kept.tell
            )
        except Refused as error:
            if len(self._refusals) < _MOST_REFUSALS:
                self._refusals[name] = str(error)
            self._drop(name, kept)
            raise
        except BaseException:
            self._drop(name, kept)
            raise
        kept.line, kept.sources = line, json.loads(result.body)
        kept.server = ForkServer(control, on_idle=kept.end, on_hang=kept.end)
        loop = asyncio.get_running_loop()
        kept.expiry = loop.call_later(self._seconds, self._drop, name, kept)
        if self._kept.get(name) is not kept:  # it was retired meanwhile; whoever waits may use it still
            loop.call_later(_LOOK_SECONDS, kept.retire)
        return kept.server

    def _drop(self, name: str, kept: _Snapshot) -> None:
        if self._kept.get(name) is kept:
            del self._kept[name]
        if kept.server is not None:
            kept.retire()

    def _limit(self, newest: _Snapshot) -> None:
        older = [name for name, kept in self._kept.items() if kept.owner == newest.owner and kept is not newest]
        rest = [name for name in self._kept if name not in older]
        older += rest[: max(0, len(rest) - self._most)]
        for name in older:
            self._kept.pop(name).retire()
