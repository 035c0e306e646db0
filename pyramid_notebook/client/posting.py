"""Single calls over HTTP POST, for which no websocket has to be open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import SiteError
from ..site_client import is_local, trouble
from ..sync.client.refusals import refusal
from ..sync.client.sites import Site
from .messages import Answer, read, request, values_of

if TYPE_CHECKING:
    import requests

#: What the scope of a token must be.
SCOPE = "console"
PATH = "rpc"
#: Seconds without any byte of an answer.
SILENCE_SECONDS = 60.0


class Poster:
    """Calls methods one by one.

    Args:
        site: where.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._url = f"{site.notebooks}{PATH}"
        self._session: requests.Session | None = None

    def call(self, method: str, params: dict[str, Any], *, seconds: float = SILENCE_SECONDS) -> Any:
        """Return the result of a method.

        Args:
            method: its name.
            params: its parameters.
            seconds: how long to wait without any byte.

        Raises:
            RpcRefused: the server answers with an error.
            Refusal: the site does not let it pass.
            SiteUnreachable: there is no answer.
            SiteError: the answer cannot be understood.
        """
        body = self._send("POST", request(1, method, params), seconds)
        answer = next((message for message in read(body) if isinstance(message, Answer)), None)
        if answer is None:
            raise SiteError("The server's answer cannot be understood: it answers nothing.")
        if answer.error:
            raise answer.error
        return answer.result

    def document(self) -> dict[str, Any]:
        """Return the OpenRPC document of the server; raises as :meth:`call`."""
        return values_of(self._send("GET", None, SILENCE_SECONDS))

    def close(self) -> None:
        """Close the connection."""
        if self._session:
            self._session.close()

    def _send(self, http_method: str, body: str | None, seconds: float) -> bytes:
        import requests

        session = self._session = self._session or self._opened()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            response = session.request(
                http_method, self._url, data=body, headers=headers, timeout=seconds, allow_redirects=False
            )
        except requests.RequestException as error:
            cause = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
            reason = getattr(cause, "reason", None)
            told = reason if isinstance(reason, Exception) else cause
            raise trouble(self._url, _as_os_error(error, told), seconds=seconds) from None
        content = response.content
        values = values_of(content)
        if response.status_code == 200 or "jsonrpc" in values:
            return content
        location = response.headers.get("Location", "")
        raise refusal(self._site, self._url, response.status_code, values, location=location, scope=SCOPE)

    def _opened(self) -> requests.Session:
        import requests

        session = requests.Session()
        session.trust_env = not is_local(urlsplit(self._url).hostname or "")
        session.headers.update({"Accept": "application/json", "User-Agent": "pyramid-notebook"})
        session.auth = self._sign  # else requests would look for a password in a file of the user's
        return session

    def _sign(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["Authorization"] = f"Bearer {self._site.token}"
        return prepared


def _as_os_error(error: Exception, told: Exception) -> Exception:
    import requests

    return TimeoutError() if isinstance(error, requests.Timeout) else told
