"""jchannel's exceptions and streams, under jchannel's names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import ChannelClosed, NoChannel, NoPage, PageError, PageGone
from ..streams import Stream

#: Bytes from the page: ``async for``, ``join()``, ``by_limit()``, ``by_separator()``.
MetaGenerator = Stream


class StateError(Exception):
    """Something cannot be done now: the server does not run, no page is connected, or it went."""


class FrontendError(Exception):
    """The function in the page threw an exception; the text is that exception's, its stack is in the cause."""


@contextmanager
def in_jchannels_words() -> Iterator[None]:
    """Raise our errors as jchannel's.

    Raises:
        FrontendError: for what a function of the page threw.
        StateError: where there is nobody to ask.
    """
    try:
        yield
    except PageError as error:
        raise FrontendError(str(error.args[0])) from error
    except PageGone as error:
        raise StateError(f"Server has disconnected: {error}") from error
    except NoPage as error:
        raise StateError(f"Server not connected: {error}") from error
    except ChannelClosed as error:
        raise StateError("Channel was closed") from error
    except NoChannel as error:
        raise StateError(f"Server not prepared: {error}") from error
