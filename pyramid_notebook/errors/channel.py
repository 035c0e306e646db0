"""What goes wrong when kernel and page call each other (pure)."""

from __future__ import annotations

from typing import Any

from .base import NotebookError


class ChannelError(NotebookError):
    """A call between kernel and page did not return a value; the text says why."""

    reason = "channel"


class NoChannel(ChannelError):
    """This process is no kernel of a user server, so no page can reach it."""

    status = 503
    reason = "no-channel"
    text = "This is no kernel of a notebook that is open in a page, so there is nobody to call."


class NoPage(ChannelError, ConnectionError):
    """No page is connected, or not the one that was asked for."""

    status = 503
    reason = "no-page"


class PageGone(ChannelError, ConnectionError):
    """The page was closed or loaded anew before it answered."""

    status = 503
    reason = "page-gone"
    text = "The page was closed or loaded anew before it answered."


class ChannelClosed(ChannelError):
    """The channel was closed; open it again."""

    status = 503
    reason = "channel-closed"
    text = "This channel is closed. Open it again with open_channel()."


class ChannelTimeout(ChannelError, TimeoutError):
    """The other side did not answer in time, and was told that nobody waits any more."""

    status = 504
    reason = "timeout"


class Unsendable(ChannelError, ValueError):
    """A value cannot be sent: it is no JSON, holds NaN, or is too large; nothing was sent."""

    status = 400
    reason = "unsendable"


class BadFrame(ChannelError, ValueError):
    """What came is no frame of the channel's protocol."""

    status = 400
    reason = "bad-frame"


class PageError(ChannelError):
    """The function that was called in the page threw an exception.

    Args:
        name: of the exception's class.
        message: its text.
        trace: its traceback or stack, as the other side writes it.
    """

    reason = "page"

    def __init__(self, name: str, message: str, trace: str = "") -> None:
        super().__init__(f"{name}: {message}" if message else name)
        self.name = name
        self.message = message
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        """Be copied and sent to other processes with all that it is made of."""
        return type(self), (self.name, self.message, self.trace)

    def __str__(self) -> str:
        """Return the exception as the other side told it, with its stack."""
        text = super().__str__()
        return f"{text}\n\n{self.trace}" if self.trace and self.trace != text else text


class NotExposed(PageError):
    """The page has no function of that name for us."""

    reason = "not-exposed"
