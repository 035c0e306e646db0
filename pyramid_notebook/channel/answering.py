"""One page's calls to the kernel; all of it on the channel's loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine, Mapping
from typing import Any

from ..errors import BadFrame
from .asking import Opened
from .exposed import Exposed, Runner, told
from .flows import Flows
from .protocol import Packed, pack, unpack
from .sources import in_turns, is_stream, pieces_of
from .streams import Stream
from .threads import Workers
from .wire import Wire

#: Calls of one page that may be unanswered.
MOST_CALLS = 1000
_CANCELLED = {"name": "CancelledError", "message": "The call was cancelled.", "trace": "", "kind": "cancelled"}
_TOO_MANY = {
    "name": "TooManyCalls",
    "message": f"{MOST_CALLS:,} calls of this page are not answered yet. Wait for some of them before you call again.",
    "trace": "",
    "kind": "too-many",
}


class _NotExposed(LookupError):
    """A page asked for what is not on the list."""


class Answering:
    """Runs functions for a page.

    Args:
        wire: to the page.
        flows: its streams.
        channels: all that are open, by name.
        runner: runs the functions.
        readers: threads that read what functions return as streams.
    """

    def __init__(
        self, wire: Wire, flows: Flows, channels: Mapping[str, Opened], runner: Runner, readers: Workers
    ) -> None:
        self._wire = wire
        self._flows = flows
        self._channels = channels
        self._runner = runner
        self._readers = readers
        self._running: dict[int, asyncio.Task[None]] = {}

    def on_call(self, header: dict[str, Any], payload: bytes | memoryview) -> Coroutine[Any, Any, None] | None:
        """Begin a call; one too many is refused by what this returns, and nothing else is taken from the page before.

        Raises:
            BadFrame: it has no number of its own.
        """
        number = header.get("id")
        if not isinstance(number, int) or number in self._running:
            raise BadFrame("A call has a number of its own.")
        stream = self._flows.announced(header)
        if len(self._running) >= MOST_CALLS:
            if stream is not None:
                stream.close()
            return self._wire.reply({"type": "error", "id": number, "error": _TOO_MANY})
        task = self._running[number] = asyncio.create_task(self._answered(number, header, payload, stream))
        task.add_done_callback(lambda _: self._running.pop(number, None))
        return None

    def on_cancel(self, header: dict[str, Any], _: bytes | memoryview) -> None:
        """Cancel a call, unless it is over."""
        number = header.get("id")
        if isinstance(number, int) and number in self._running:
            self._running[number].cancel()

    def give_up(self) -> None:
        """Cancel all calls: the page is gone."""
        for task in list(self._running.values()):
            task.cancel()

    async def _answered(
        self, number: int, header: dict[str, Any], payload: bytes | memoryview, stream: Stream | None
    ) -> None:
        more = b""
        try:
            arguments = unpack(header.get("args"), header.get("buffers"), payload)
            if not isinstance(arguments, list):
                raise BadFrame("The arguments of a call are a list.")
            if stream is not None:
                arguments = [stream, *arguments]  # not in the header, which lives until the next message
            exposed = self._exposed(header)
            made = await self._runner.run(exposed, arguments, _sendable)
            answer = {"type": "result", **self._fields(made, exposed)}
            more = made.payload if isinstance(made, Packed) else b""
        except asyncio.CancelledError:
            answer = {"type": "error", "error": _CANCELLED}
        except _NotExposed as error:
            answer = {"type": "error", "error": {**told(error), "name": "NotExposed", "kind": "not-exposed"}}
        except BaseException as error:  # SystemExit of a handler ends neither the kernel nor the channel
            answer = {"type": "error", "error": told(error)}
        if stream is not None and answer["type"] == "error":
            stream.close()
        await self._wire.reply({**answer, "id": number}, more)

    def _fields(self, made: Any, exposed: Exposed) -> dict[str, Any]:
        if isinstance(made, Packed):
            return made.fields("value")
        is_own = exposed.where == "own" or isinstance(made, Stream)  # the page's own stream may be read anywhere
        source = made if is_own or not inspect.isgenerator(made) else in_turns(made)
        pieces = pieces_of(source, self._readers, None if is_own else self._runner.main)
        return {"stream": {"ticket": self._flows.offer(pieces)}}

    def _exposed(self, header: dict[str, Any]) -> Exposed:
        channel, name = header.get("channel"), header.get("name")
        opened = self._channels.get(channel) if isinstance(channel, str) else None
        if opened is None:
            raise _NotExposed(f"The kernel has no channel {channel!r}.")
        found = opened.exposed.get(name) if isinstance(name, str) else None
        if found is None:
            raise _NotExposed(f"The kernel exposes no function {name!r} on channel {channel!r}.")
        return found


def _sendable(value: Any) -> Any:
    return value if is_stream(value) else pack(value)
