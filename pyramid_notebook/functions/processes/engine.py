"""Runs orders in processes that are forked from the zygote, one for each call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ...errors import CallCancelled, CallDied, SettingsError
from ..protocol import Event, Order, Result
from .conversation import Refused
from .fork_server import ForkServer, Gone
from .snapshots import Snapshots, Wish
from .zygote_process import ZygoteProcess, clean_environment

_ATTEMPTS = 3
#: Seconds for which a zygote that refused to be forked is not tried again.
_REFUSED_SECONDS = 30.0


class ZygoteEngine:
    """Runs each order in a process of its own; belongs to one event loop.

    Args:
        preload: names of modules that are loaded once for all calls.
        snapshots: how many snapshots are kept at most, 0 for none; each has the memory of what its cells made.
        snapshot_seconds: after which a snapshot is made anew.
        environment: what calls find in their environment; by default what of this process's is no secret.
    """

    def __init__(
        self,
        preload: Sequence[str] = (),
        *,
        snapshots: int = 4,
        snapshot_seconds: float = 3600.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._preload = tuple(preload)
        self._environment = clean_environment(os.environ) if environment is None else dict(environment)
        self._snapshots = Snapshots(snapshots, snapshot_seconds) if snapshots else None
        self._current: ZygoteProcess | None = None
        self._old: list[ZygoteProcess] = []
        self._starting: asyncio.Task[ZygoteProcess] | None = None
        self._refused: tuple[float, SettingsError] | None = None
        self._is_closed = False

    async def start(self) -> None:
        """Start the zygote, if there is none; a call does so, too, but has to wait for it then.

        Raises:
            SettingsError: a module of `preload` cannot be loaded, or leaves something that must not be forked.
            CallDied: the process did not start.
        """
        await self._zygote()

    async def close(self) -> None:
        """End all calls, and all processes; what waits for one gets :class:`CallCancelled`."""
        self._is_closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._snapshots is not None:
            self._snapshots.clear()
        zygotes = [*self._old, *([self._current] if self._current else [])]
        self._current = None
        await asyncio.gather(*(zygote.ended() for zygote in zygotes))

    async def run(
        self,
        order: Order,
        *,
        timeout: float,  # noqa: ASYNC109 - the process is ended by whoever has forked it
        on_event: Callable[[Event], None],
        snapshot: int = 0,
        key: str = "",
    ) -> Result:
        """Run an order in a new process, and return what it returned; when this is cancelled, the process is killed.

        Args:
            order: what to run.
            timeout: seconds that its process may take; those for a zygote that has to be started come before.
            on_event: is told what happens; beside what :data:`~.protocol.Event` says, ``{"event": "note", "text": …}``
                where the snapshot could not be used.
            snapshot: how many of its cells may be run once for many calls.
            key: what beside these cells, the folder and the limit of memory a snapshot depends on.

        Raises:
            NotebookFailed: a cell failed.
            BadResult: what it returned cannot be told, or is too large.
            CallTimeout: it took too long.
            CallDied: its process ended before it returned anything.
            CallCancelled: the engine was closed.
            SettingsError: see :meth:`start`.
        """
        for _attempt in range(_ATTEMPTS):
            zygote = await self._zygote()
            server, skip = zygote.server, 0
            try:
                if snapshot and self._snapshots is not None:
                    wish = Wish(replace(order, outputs=True, values={}), snapshot, key, timeout)
                    server, skip = await self._snapshot(self._snapshots, server, wish, _fitting(order, on_event))
                return await server.call(order, seconds=timeout, on_event=on_event, skip=skip)
            except Gone:  # not one cell had begun
                continue
            except CallDied:
                if self._is_closed:
                    raise CallCancelled("The notebook server ends, and with it this call.") from None
                raise
        raise CallDied("The process for calls has ended several times.")

    async def _snapshot(
        self, snapshots: Snapshots, zygote: ForkServer, wish: Wish, on_event: Callable[[Event], None]
    ) -> tuple[ForkServer, int]:
        try:
            return await snapshots.find(zygote, wish, on_event), wish.count
        except Refused as error:
            on_event({"event": "note", "text": str(error)})
            return zygote, 0

    async def _zygote(self) -> ZygoteProcess:
        if self._is_closed:
            raise CallCancelled("The notebook server ends.")
        current = self._current
        if current is not None and current.is_usable:
            return current
        if self._starting is None or self._starting.done():
            self._starting = asyncio.ensure_future(self._start())
            self._starting.add_done_callback(lambda made: made.cancelled() or made.exception())
        try:
            return await asyncio.shield(self._starting)
        except asyncio.CancelledError:
            if self._is_closed:
                raise CallCancelled("The notebook server ends.") from None
            raise

    async def _start(self) -> ZygoteProcess:
        now = asyncio.get_running_loop().time()
        if self._refused is not None and now - self._refused[0] < _REFUSED_SECONDS:
            raise self._refused[1]
        old, self._current = self._current, None
        if old is not None:
            if self._snapshots is not None:
                self._snapshots.clear()
            self._old = [*(zygote for zygote in self._old if not zygote.server.is_gone), old]
            old.server.retire()
        try:
            self._current = await ZygoteProcess.start(self._preload, self._environment)
        except SettingsError as error:
            self._refused = now, error
            raise
        return self._current


def _fitting(order: Order, on_event: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return what takes the events of a snapshot for a call, which may have been made for another one."""

    def take(event: Event) -> None:
        if event["event"] == "cell":
            on_event({**event, "of": len(order.cells)})
        elif order.outputs or event["event"] not in ("output", "clear"):
            on_event(event)

    return take
