"""HTTP to the functions of a site: what is asked, and which error an answer tells."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ...errors import NotebookError, SiteError, TooManyCalls
from ...site_client import shown, trouble
from ...sync.client.dialling import dial
from ...sync.client.patience import Patience, pause_of
from ...sync.client.refusals import refusal
from ...sync.client.sites import Site
from ..problems import is_problem, raised

#: Seconds without any byte of an answer, where nobody says how many; the site gives up before.
SILENCE_SECONDS = 600.0
_LONGEST_TEXT = 1 << 26
_CHUNK = 1 << 16
#: What a site says that has not begun to run anything, and may do so in a moment.
_NOT_YET = ("not-started", "busy")


class Answer:
    """An answer that is a success, with its body still to be read.

    Args:
        site: who answers.
        connection: of this answer alone.
        seconds: how long is waited, each time.
    """

    def __init__(self, site: Site, connection: http.client.HTTPConnection, seconds: float) -> None:
        self._site = site
        self._connection = connection
        self._seconds = seconds
        self._response = connection.getresponse()
        self.status = self._response.status
        self.type = self._response.headers.get_content_type()
        self.location = self._response.headers.get("Location") or ""
        self.pause = pause_of(self._response)

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection: nobody knows whether more would have come."""
        self._connection.close()

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes.

        Raises:
            SiteUnreachable: it breaks off.
        """
        while chunk := self._chunk():
            yield chunk

    def read(self) -> bytes:
        """Return the whole body; raises as :meth:`chunks`, and SiteError where it is too long."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > _LONGEST_TEXT:
                raise SiteError(f"The answer has more than {_LONGEST_TEXT >> 20} MB: name a file for it with -o.")
        return bytes(body)

    def values(self) -> dict[str, Any]:
        """Return the body's JSON object; an empty one where it is something else."""
        return _object(self.read())

    def _chunk(self) -> bytes:
        try:
            chunk = self._response.read1(_CHUNK)
            if not chunk and self._response.length:
                raise http.client.IncompleteRead(b"", self._response.length)
        except (OSError, http.client.HTTPException) as error:
            raise trouble(self._site.notebooks, error, seconds=self._seconds) from None
        return chunk


class Asker:
    """Asks one site.

    Args:
        site: which.
        patience: with a server that is being started, or has no room.
    """

    def __init__(self, site: Site, patience: Patience | None = None) -> None:
        self.site = site
        self.patience = patience or Patience()

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        fields: Mapping[str, str] | None = None,
        seconds: float = SILENCE_SECONDS,
    ) -> Answer:
        """Send a request, and return the answer if it is a success.

        Args:
            method: HTTP method.
            path: below the address of the user's notebooks, with a query.
            body: JSON to send.
            fields: more header fields.
            seconds: how long to wait for the site, each time.

        Raises:
            Refusal: the site does not let it pass, or cannot.
            NotebookError: the user's server answers with an error.
            SiteUnreachable: there is no answer, or it breaks off.
        """
        end = self.patience.end()
        while True:
            answer = self._send(method, path, body, fields or {}, seconds)
            if 200 <= answer.status < 300:
                return answer
            with answer:
                content = answer.read()
            error = self._error(path, answer, content)
            has_begun = not isinstance(error, TooManyCalls) and _object(content).get("error") not in _NOT_YET
            if has_begun or not self.patience.waits(answer.pause, end):
                raise error

    def _send(self, method: str, path: str, body: bytes | None, fields: Mapping[str, str], seconds: float) -> Answer:
        headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {self.site.token}",
            "User-Agent": "pyramid-notebook",
            **({"Content-Type": "application/json"} if body is not None else {}),
            **fields,
        }
        connection = dial(self.site.notebooks, seconds=seconds)
        try:
            connection.request(method, urlsplit(self.site.notebooks).path + path, body, headers)
            return Answer(self.site, connection, seconds)
        except BaseException as error:
            connection.close()
            if isinstance(error, (OSError, http.client.HTTPException)):
                raise trouble(self.site.notebooks, error, seconds=seconds) from None
            raise

    def _error(self, path: str, answer: Answer, content: bytes) -> NotebookError:
        values = _object(content)
        if is_problem(values):
            return raised(values)
        is_of_site = "error" in values or "message" in values or answer.status < 400
        if is_of_site or answer.type not in ("text/plain", "application/json"):
            url = self.site.notebooks + path.partition("?")[0]
            return refusal(self.site, url, answer.status, values, location=answer.location, scope="run")
        text = shown(" ".join(content[:2000].decode("utf-8", "replace").split()))
        return SiteError(f"The answer has the HTTP status {answer.status}: {text}")


def _object(content: bytes) -> dict[str, Any]:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
