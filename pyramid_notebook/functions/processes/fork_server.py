"""The engine's end of a process that forks others: of the zygote, or of a snapshot."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from ...errors import CallTimeout
from ..protocol import Event, Kind, Order, Result, frame
from .conversation import Conversation, died

_MESSAGE_BYTES = 64 * 1024
#: Calls one after the other that took too long before they had begun, and seconds that each has waited at least.
_MOST_SILENT, _LEAST_SILENCE = 2, 1.0
#: Seconds within which a fork says something; a process that makes none in that time is stopped, or hangs.
_BEGIN_SECONDS = 10.0
_NOTICE_SECONDS = 1.0
_FULL_SECONDS = 0.002


class Gone(Exception):
    """The process that should have forked ended before the call had begun: it may be tried again."""


class ForkServer:
    """Has calls made by one process, and knows how they ended.

    Args:
        control: our end of its control socket.
        on_message: takes what it says that is not about a call.
        on_idle: is called when it was retired, and nothing runs any more.

    Attributes:
        is_gone: whether the process has ended.
    """

    def __init__(
        self,
        control: socket.socket,
        *,
        on_message: Callable[[Mapping[str, Any]], None] = lambda message: None,
        on_idle: Callable[[], None] = lambda: None,
        on_hang: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._control = control
        self._on_message, self._on_idle, self._on_hang = on_message, on_idle, on_hang
        self._numbers = count(1)
        self._notices: dict[int, asyncio.Future[Mapping[str, Any] | None]] = {}
        self._silent = 0
        self._active = 0
        self._is_retired = False
        self.is_gone = False
        control.setblocking(False)
        self._loop.add_reader(control, self._receive)

    async def call(self, order: Order, *, seconds: float, on_event: Callable[[Event], None], skip: int = 0) -> Result:
        """Have an order run by a new process.

        Args:
            order: what to run.
            seconds: that it may take.
            on_event: is told what happens.
            skip: how many of its cells have run there already.

        Raises:
            CallError: it did not return anything.
            Gone: the call has not begun, because its process or the one that forks has ended.
        """
        conversation = self._conversation(order, on_event)
        try:
            number = await self._ask({"seconds": seconds, "skip": skip}, *conversation.others)
        except BaseException:
            conversation.close()
            raise
        late = CallTimeout(f"The call took longer than {seconds:g} seconds, and was ended.")
        timer = self._loop.call_later(seconds, conversation.fail, late)
        return await self._outcome(conversation, number, seconds, timer)

    async def snapshot(
        self, order: Order, count: int, *, seconds: float, on_event: Callable[[Event], None]
    ) -> tuple[Result, Conversation, socket.socket]:
        """Have the first cells of an order run by a new process, which can then be forked.

        Returns:
            What it says, what keeps it alive until it is closed, and our end of its control socket.

        Raises:
            CallError: a cell failed.
            Refused: it must not be forked.
            Gone: the process that forks has ended.
        """
        control, their_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        conversation = self._conversation(order, on_event)
        kept = False
        try:
            with their_control:
                number = await self._ask({"skip": count}, *conversation.others, their_control.fileno())
            late = CallTimeout(f"The cells before the tag snapshot took longer than {seconds:g} seconds.")
            timer = self._loop.call_later(seconds, conversation.fail, late)
            result = await self._outcome(conversation, number, seconds, timer, keep=True)
            kept = True
            return result, conversation, control
        finally:
            if not kept:
                control.close()
                conversation.close()

    def retire(self) -> None:
        """Let the process end when what runs in it has ended."""
        self._is_retired = True
        self._look()

    def close(self) -> None:
        """Let the process end now, with all that runs in it."""
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control)
            self._control.close()
        self._lost()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message without descriptors."""
        with suppress(OSError):
            self._control.send(json.dumps(message).encode())

    def _conversation(self, order: Order, on_event: Callable[[Event], None]) -> Conversation:
        payload = frame(Kind.ORDER, order.to_bytes())
        return Conversation(payload, most_bytes=order.most_bytes, on_event=on_event)

    async def _ask(self, message: Mapping[str, Any], *descriptors: int) -> int:
        number = next(self._numbers)
        text = json.dumps({"id": number, **message}).encode()
        end = self._loop.time() + _BEGIN_SECONDS
        self._active += 1
        try:
            while not self._is_sent(text, descriptors):
                if self._loop.time() > end:
                    self._on_hang()
                # several wait for the same descriptor, which can have one callback only
                await asyncio.sleep(_FULL_SECONDS)
        except BaseException:
            self._active -= 1
            self._look()
            raise
        self._notices[number] = self._loop.create_future()
        return number

    def _is_sent(self, text: bytes, descriptors: Sequence[int]) -> bool:
        if self.is_gone:
            raise Gone
        try:
            socket.send_fds(self._control, [text], descriptors)
        except BlockingIOError:  # it has a lot to do, or is stopped
            return False
        except OSError as error:
            if isinstance(error, ConnectionError):  # the loop has not heard of it yet
                self._lost()
            raise Gone from error
        return True

    async def _outcome(
        self,
        conversation: Conversation,
        number: int,
        seconds: float,
        timer: asyncio.TimerHandle,
        *,
        keep: bool = False,
    ) -> Result:
        conversation.listen()
        watch = self._loop.call_later(_BEGIN_SECONDS, self._has_begun, conversation)
        kept = False
        try:
            result = await conversation.outcome
            if result is None:
                raise await self._end(conversation, number, seconds)
            kept = keep
            self._silent = 0
            return result
        except CallTimeout:
            self._note_silence(conversation, seconds)
            raise
        finally:
            timer.cancel()
            watch.cancel()
            self._notices.pop(number).cancel()
            if not kept:
                conversation.close()
            self._active -= 1
            self._look()

    def _note_silence(self, conversation: Conversation, seconds: float) -> None:
        """Note a call that took too long; several that had not even begun show that nothing is forked any more."""
        self._silent = self._silent + 1 if not conversation.has_begun and seconds >= _LEAST_SILENCE else 0
        if self._silent >= _MOST_SILENT:
            self._on_hang()

    def _has_begun(self, conversation: Conversation) -> None:
        if not conversation.has_begun:
            self._on_hang()

    async def _end(self, conversation: Conversation, number: int, seconds: float) -> Exception:
        notice = self._notices[number]
        try:
            told = await asyncio.wait_for(asyncio.shield(notice), _NOTICE_SECONDS)
        except TimeoutError:
            told = None
        has_ended = told is not None or self.is_gone
        if has_ended and not conversation.has_begun and not (told or {}).get("late") and "error" not in (told or {}):
            return Gone()
        if told is not None and told.get("output"):
            conversation.tell({"event": "stream", "name": "stderr", "text": str(told["output"])})
        return died(told, seconds)

    def _receive(self) -> None:
        try:
            text = self._control.recv(_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            text = b""
        if not text:
            self._loop.remove_reader(self._control)
            self._lost()
            return
        message = json.loads(text)
        notice = self._notices.get(message.get("id"))
        if "id" not in message:
            self._on_message(message)
        elif notice is not None and not notice.done():
            notice.set_result(message)

    def _lost(self) -> None:
        if self.is_gone:
            return
        self.is_gone = True
        for notice in self._notices.values():
            if not notice.done():
                notice.set_result(None)
        self._on_message({"gone": True})

    def _look(self) -> None:
        if self._is_retired and not self._active:
            self._on_idle()
