"""Parts of cells' outputs that pages bring to life by the channel.

A part is an element of HTML with the id of the part and what is to be read where nothing runs. Each page that shows it
asks the kernel what it is about, and fills it; so a page that is loaded anew, or another tab, shows it as well.
"""

from __future__ import annotations

import asyncio
import html
import secrets
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..exposed import Where
from ..kernel import Channel, open_channel
from ..streams import Stream

_FOLDER = Path(__file__).parent
_MOST = 100  # parts of a kind that are held; older ones do not answer any more
_TICK_SECONDS = 0.2  # a loop that awaits notices an interrupt when it wakes (ipykernel issue 881)


class Parts:
    """All parts of one kind in this kernel.

    Args:
        kind: of them; ``{kind}.js`` beside this module fills them.
        thread: on which what pages tell is heard.
    """

    def __init__(self, kind: str, thread: Where = "own") -> None:
        self.kind = kind
        self.held: dict[str, Part] = {}
        self._thread = thread

    def channel(self) -> Channel:
        """Return their channel; nothing is displayed.

        Raises:
            NoChannel: this is no kernel of a user server.
        """
        channel = open_channel(f"use.{self.kind}", script(self.kind), show=False)
        if "about" not in channel.exposed:
            channel.expose(self._about, name="about", thread="own")
            channel.expose(self._tell, name="tell", thread=self._thread)
            channel.expose(self._send, name="send", thread=self._thread)
        return channel

    def show(self, about: dict[str, Any], hear: Callable[..., Any], text: str, *, markup: str = "") -> Part:
        """Display a part in the cell that runs.

        Args:
            about: what the script gets.
            hear: called with what a page tells of it.
            text: what is to be read where nothing runs.
            markup: the same as HTML, where it is more than a text.

        Raises:
            NoChannel: this is no kernel of a user server.
        """
        part = Part(self, about, hear, self.channel())
        while len(self.held) >= _MOST:
            del self.held[next(iter(self.held))]
        self.held[part.id] = part
        part.show(text, markup or _paragraph(text))
        return part

    def _about(self, part: str) -> dict[str, Any] | None:
        found = self.held.get(part)
        return found.about if found else None

    def _tell(self, part: str, *values: Any) -> Any:
        if part not in self.held:
            raise LookupError("Nobody waits for this any more. Run the cell again.")
        return self.held[part].hear(*values)

    def _send(self, stream: Stream, part: str, *values: Any) -> Any:
        return self._tell(part, stream, *values)


class Part:
    """One part.

    Attributes:
        id: of it.
        about: what its script gets.
        hear: called with what a page tells of it.
        answer: what somebody waits for.
    """

    def __init__(self, parts: Parts, about: dict[str, Any], hear: Callable[..., Any], channel: Channel) -> None:
        self.id = secrets.token_hex(8)
        self.about = about
        self.hear = hear
        self.answer: Future[Any] = Future()
        self._parts = parts
        self._channel = channel
        self._shown: Any = None

    def show(self, text: str, markup: str) -> None:
        """Display it."""
        from IPython.display import display

        connects = self._channel._repr_mimebundle_()["text/html"]
        element = f'<div data-notebook-use="{self._parts.kind}" data-part="{self.id}">{markup}</div>'
        self._shown = display(  # type: ignore[no-untyped-call]
            {"text/html": element + connects, "text/plain": text}, raw=True, display_id=True
        )

    def finish(self, text: str, markup: str = "") -> None:
        """Show what became of it, in all pages and in the file; nothing is heard any more."""
        if self._parts.held.pop(self.id, None) is not None and self._shown is not None:
            self._shown.update({"text/html": markup or _paragraph(text), "text/plain": text}, raw=True)

    def settle(self, value: Any) -> bool:
        """Give whoever waits a value; tell whether it was the first one."""
        with suppress(InvalidStateError, CancelledError):
            self.answer.set_result(value)
            return True
        return False

    def wait(self, seconds: float | None, gone: str) -> Any:
        """Return the answer, in a cell that does not await.

        Args:
            seconds: to wait; None for as long as it takes.
            gone: what is shown when nobody waits any more.

        Raises:
            NoPage: no page is connected that could answer.
            TimeoutError: there was no answer in time.
        """
        try:
            self._channel.call_sync("ready")
            return self.answer.result(seconds)
        except BaseException:
            self._give_up(gone)
            raise

    async def awaited(self, seconds: float | None, gone: str) -> Any:
        """Return the answer, in a cell that awaits; arguments and errors as those of :meth:`wait`."""
        try:
            await self._channel.call("ready")
            waiting = asyncio.wrap_future(self.answer)
            async with asyncio.timeout(seconds):
                while not waiting.done():
                    await asyncio.wait((waiting,), timeout=_TICK_SECONDS)
            return waiting.result()
        except BaseException:
            self._give_up(gone)
            raise

    def _give_up(self, text: str) -> None:
        self.answer.cancel()
        self.finish(text)


def script(kind: str) -> str:
    """Return the code of a kind's channel."""
    common, own = ((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in ("parts", kind))
    return f"(channel) => (\n{common})(channel, {kind!r},\n{own})"


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"
