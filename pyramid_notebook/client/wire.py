"""One websocket to a user's notebooks (RFC 6455): ws4py reads and writes frames, the standard library dials.

So certificates, proxies and refusals are those of the other programs of a user's machine.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ws4py.exc import WebSocketException
from ws4py.messaging import TextMessage
from ws4py.websocket import WebSocket

from ..errors import SiteError, SiteUnreachable
from ..site_client import trouble
from ..sync.client.dialling import dial
from ..sync.client.refusals import refusal
from ..sync.client.sites import Site
from .messages import values_of
from .posting import SCOPE
from .sockets import SharedSocket
from .text_frames import TextStream

#: Seconds until a site that says nothing is asked whether it is still there, and then those that it has to answer.
SILENCE_SECONDS = 20.0
_DIAL_SECONDS = 30.0
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_LONGEST_REFUSAL = 1 << 16


class _Frames(WebSocket):  # type: ignore[misc]
    """The client's end of a websocket; what comes is put into a queue."""

    def __init__(self, connection: SharedSocket) -> None:
        super().__init__(connection)
        self.stream = TextStream(always_mask=True, expect_masking=False)  # RFC 6455 section 5.3
        self.messages: deque[bytes] = deque()

    def received_message(self, message: Any) -> None:
        """Keep a message until it is asked for."""
        if isinstance(message, TextMessage):
            self.messages.append(message.data)

    def unhandled_error(self, error: Exception) -> None:
        """Raise what ws4py would only log."""
        raise error


class Wire:
    """A websocket that is open.

    Args:
        site: where.
        path: below the address of the user's notebooks.

    Raises:
        Refusal: the site does not let it pass.
        SiteUnreachable: there is no answer.
        SiteError: the answer is no websocket.
    """

    def __init__(self, site: Site, path: str) -> None:
        self._site = site
        self._asked = False
        self._frames, self._held = _opened(site, path)

    def send(self, text: str) -> None:
        """Send a message; several threads may.

        Raises:
            SiteUnreachable: the connection has broken off.
        """
        try:
            self._frames.send(text)
        except (OSError, RuntimeError, AttributeError) as error:
            raise self._gone(error) from None

    def messages(self) -> Iterator[bytes]:
        """Yield what the other side sends, as it comes.

        Raises:
            SiteUnreachable: in the end, for whatever reason.
        """
        frames = self._frames
        try:
            frames.buf += self._held
            is_open = True
            while is_open:
                try:
                    is_open = frames.once()
                except TimeoutError:
                    self._ask_whether_there()
                    continue
                self._asked = False
                while frames.messages:
                    yield frames.messages.popleft()
        except (OSError, RuntimeError, AttributeError, WebSocketException) as error:
            raise self._gone(error) from None
        raise self._gone(ConnectionError("it was closed"))

    def close(self) -> None:
        """Say goodbye, and close the connection; whoever waits for messages is woken."""
        connection = self._frames.sock
        if connection is not None:
            connection.settimeout(1.0)
            self._frames.close(1000)
        self._frames.close_connection()

    def break_off(self) -> None:
        """Close the connection without a word."""
        self._frames.close_connection()

    def _ask_whether_there(self) -> None:
        if self._asked:
            raise TimeoutError
        self._asked = True
        self._frames.ping("")

    def _gone(self, error: Exception) -> SiteError:
        self.break_off()
        if isinstance(error, (OSError, http.client.HTTPException)):
            return trouble(self._site.notebooks, error, seconds=SILENCE_SECONDS)
        return SiteUnreachable(f"The connection to {urlsplit(self._site.notebooks).netloc} has broken off.")


def _opened(site: Site, path: str) -> tuple[_Frames, bytes]:
    """Return a websocket, and what has come on it already."""
    connection = dial(site.notebooks, seconds=_DIAL_SECONDS)
    key = base64.b64encode(os.urandom(16)).decode("ascii")
    headers = {
        "Authorization": f"Bearer {site.token}",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        "Upgrade": "websocket",
        "User-Agent": "pyramid-notebook",
    }
    try:
        connection.request("GET", urlsplit(site.notebooks).path + path, headers=headers)
        response = connection.getresponse()
        if response.status != 101:
            body = response.read(_LONGEST_REFUSAL)
            location = response.headers.get("Location") or ""
            raise refusal(site, site.notebooks + path, response.status, values_of(body), location=location, scope=SCOPE)
        if response.headers.get("Sec-WebSocket-Accept", "") != _accepted(key):
            raise SiteError(f"{site.notebooks}{path} answers with something else than a websocket.")
        held = _held(response, connection.sock)
        return _Frames(SharedSocket(connection.sock, SILENCE_SECONDS)), held
    except BaseException as error:
        connection.close()
        if isinstance(error, (OSError, http.client.HTTPException)):
            raise trouble(site.notebooks, error, seconds=_DIAL_SECONDS) from None
        raise


def _held(response: http.client.HTTPResponse, connection: Any) -> bytes:
    """Return what the reader of the answer's head has read beyond it."""
    connection.settimeout(0)
    try:
        held: bytes = response.fp.peek()
    except OSError:  # nothing, says a connection with TLS
        held = b""
    return held


def _accepted(key: str) -> str:
    digest = hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")
