"""HTTP to a user's notebooks: one connection, kept for the next request; no redirects, certificates checked."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from ...errors import NotebookError, SiteError, SiteUnreachable
from ...site_client import trouble
from .dialling import dial, is_stale
from .patience import Patience, pause_of
from .refusals import refusal
from .sites import Site

if TYPE_CHECKING:
    from .events import Event

#: Seconds without any byte of an answer; a server that starts and a long stream without output stay below.
SILENCE_SECONDS = 60
#: Bytes of a request (the site takes no more), and of an answer.
LONGEST_REQUEST, LONGEST_ANSWER = 8_000_000, 1 << 26
_STREAM = "text/event-stream"
_CHUNK = 1 << 16
#: What may be done twice: the second time, nothing is left to do.
_REPEATABLE = ("sync", "sync/pull")


class Connection:
    """Asks one site.

    Args:
        site: which.
        patience: with a server that is being started.
    """

    def __init__(self, site: Site, patience: Patience | None = None) -> None:
        self.site = site
        self._patience = patience or Patience()
        self._connection: http.client.HTTPConnection | None = None
        self.is_asking = False  # a request was sent, and its answer has not ended

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def post(self, verb: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request, and return the answer's JSON object.

        Args:
            verb: what is to be done: what follows ``sync/``; empty for a sync.
            fields: what to send.

        Raises:
            Refusal: the site answers with an error.
            SiteUnreachable: there is no answer.
            SiteError: the request is too large, or the answer cannot be understood.
        """
        return self._json("POST", f"sync/{verb}".rstrip("/"), self._body(fields))

    def status(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the state of a notebook; raises as :meth:`post`."""
        return self._json("GET", f"sync/status?{urlencode(query, quote_via=quote)}", None)

    def events(self, verb: str, fields: Mapping[str, Any]) -> Iterator[Event]:
        """Send a request, and yield what the answer streams, until it ends; raises as :meth:`post`."""
        from .events import EventReader

        path = f"sync/{verb}"
        response = self._response("POST", path, self._body(fields), _STREAM)
        reader = EventReader()
        try:
            if response.headers.get_content_type() != _STREAM:
                raise SiteError(f"{self._url(path)} answers with something else than a stream of events.")
            while chunk := response.read1(_CHUNK):
                yield from reader.feed(chunk)
        except (OSError, http.client.HTTPException) as error:
            raise self._trouble(error) from None
        finally:
            self.close()  # nobody knows whether more would have come

    def _url(self, path: str) -> str:
        return self.site.notebooks + path.partition("?")[0]

    def _trouble(self, error: Exception) -> SiteError:
        return trouble(self.site.notebooks, error, seconds=SILENCE_SECONDS)

    def _body(self, fields: Mapping[str, Any]) -> bytes:
        try:
            body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:
            raise SiteError("The name of the file is not UTF-8, so that no site can be told it.") from None
        if len(body) > LONGEST_REQUEST:
            raise SiteError(f"The file is too large: the site takes {LONGEST_REQUEST // 1_000_000} MB at most.")
        return body

    def _json(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        response = self._response(method, path, body, "application/json")
        values = self._values(response)
        if values is None:
            raise SiteError(f"{self._url(path)} answers with something that cannot be understood.")
        return values

    def _response(self, method: str, path: str, body: bytes | None, accept: str) -> http.client.HTTPResponse:
        """Return an answer that is a success; one that says to come back soon is waited for."""
        end = self._patience.end()
        while True:
            response = self._exchange(method, path, body, accept)
            if 200 <= response.status < 300:
                return response
            values = self._values(response) or {}
            self.is_asking = False
            if response.status != 503 or not self._patience.waits(pause_of(response), end):
                location = response.headers.get("Location") or ""
                raise refusal(self.site, self._url(path), response.status, values, location=location)

    def _exchange(self, method: str, path: str, body: bytes | None, accept: str) -> http.client.HTTPResponse:
        headers = {
            "Accept": accept,
            "Authorization": f"Bearer {self.site.token}",
            "User-Agent": "pyramid-notebook",
            **({"Content-Type": "application/json"} if body is not None else {}),
        }
        if self._connection and is_stale(self._connection):
            self.close()
        was_open = self._connection is not None
        try:
            return self._send(method, path, body, headers)
        except BaseException as error:
            self.close()
            # the site may close a connection just when the next request is on its way
            if was_open and isinstance(error, ConnectionError) and (method == "GET" or path in _REPEATABLE):
                return self._exchange(method, path, body, accept)
            if isinstance(error, (OSError, http.client.HTTPException)):
                raise self._trouble(error) from None
            raise

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = dial(self.site.notebooks, seconds=SILENCE_SECONDS)
            self._connection.connect()
        self.is_asking = True
        self._connection.request(method, urlsplit(self.site.notebooks).path + path, body, headers)
        return self._connection.getresponse()

    def _values(self, response: http.client.HTTPResponse) -> dict[str, Any] | None:
        """Return the JSON object of an answer, None where it holds something else."""
        try:
            body = response.read(LONGEST_ANSWER + 1)
            if response.length and len(body) <= LONGEST_ANSWER:
                raise http.client.IncompleteRead(body, response.length)
        except BaseException as error:
            self.close()
            if isinstance(error, (OSError, http.client.HTTPException)):
                raise self._trouble(error) from None
            raise
        if len(body) > LONGEST_ANSWER or response.will_close:
            self.close()
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            return None
        return values if isinstance(values, dict) else None


def is_passing(error: NotebookError) -> bool:
    """Tell whether an error may pass by itself: the site, or the way to it, is in trouble."""
    return isinstance(error, SiteUnreachable) or bool(getattr(error, "is_passing", False))
