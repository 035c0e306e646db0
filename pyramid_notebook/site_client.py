"""Asks a site, from a user's own machine; nothing but the standard library is needed there.

Certificates are checked, redirects are not followed (a token must not go where nobody meant it to), and plain HTTP is
for sites on the same machine only.
"""

from __future__ import annotations

import http.client
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from .errors import SiteError, SiteUnreachable

if TYPE_CHECKING:
    import urllib.request
    from email.message import Message

TIMEOUT_SECONDS = 30
_LONGEST_ANSWER = 1 << 16
_METADATA = "/-/device/.well-known/oauth-authorization-server"
_USUAL_PREFIX = "/notebook"
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.ASCII)
_PATH_MARKS = "/%:@!$&'()*+,;="
_PORTS = {"http": 80, "https": 443}


class SiteAnswer(NamedTuple):
    """What a site has answered.

    Attributes:
        status: HTTP status.
        values: its JSON object; empty where it is something else.
        location: where it sends us, if it does.
    """

    status: int
    values: dict[str, Any]
    location: str = ""

    def __repr__(self) -> str:
        """Return what may be shown: the values may hold a token."""
        return f"SiteAnswer(status={self.status}, location={self.location!r})"

    def text(self, name: str) -> str:
        """Return one of the values, which must be a text.

        Raises:
            SiteError: it is not there, or something else.
        """
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            raise SiteError(f"The site's answer cannot be understood: it has no {name}.")
        return value

    def seconds(self, name: str, default: int, *, most: int) -> int:
        """Return one of the values, a whole number of seconds, as something between 1 and the most that makes sense."""
        value = self.values.get(name)
        return max(1, min(value, most)) if isinstance(value, int) else default

    @property
    def problem(self) -> str:
        """What it says is wrong, for people."""
        told = self.values.get("error_description") or self.values.get("message") or self.values.get("error")
        return shown(told) if isinstance(told, str) else f"HTTP status {self.status}"


class Endpoints(NamedTuple):
    """Where a site is asked.

    Attributes:
        site: address under which its notebooks live, without a slash at its end.
        device_code: where a device login begins.
        token: where its token is fetched.
        revoke: where a token is revoked.
    """

    site: str
    device_code: str
    token: str
    revoke: str


def shown(text: str) -> str:
    """Return a site's text in a form that cannot control a terminal, 500 characters at most."""
    return "".join(character if character.isprintable() else "?" for character in text[:500])


def site_address(text: str) -> str:
    """Return the address of a site in the one form in which it is compared and kept.

    Args:
        text: as a person types it; a name alone means ``https``.

    Raises:
        SiteError: it is not the address of a site, or one without encryption that is not on this machine.
    """
    typed = text.strip()
    if "://" not in typed:
        typed = f"{'http' if is_local(_host(f'//{typed}')) else 'https'}://{typed}"
    host = _host(typed)
    scheme = typed.partition(":")[0].lower()
    if scheme not in _PORTS or not host or shown(typed) != typed or any(mark in typed for mark in ' \\"<>'):
        raise SiteError(f"{shown(text)!r} is not the address of a site. Type one such as https://example.com/")
    parts = urlsplit(typed)
    if "@" in parts.netloc:
        raise SiteError("The address must not hold a user name or password.")
    if scheme == "http" and not is_local(host):
        raise SiteError(f"{shown(host)} is not on this machine, so its address must begin with https://")
    name = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port not in (None, _PORTS[scheme]) else ""
    return f"{scheme}://{name}{port}{quote(parts.path.rstrip('/'), safe=_PATH_MARKS)}"


def candidates(address: str) -> tuple[str, ...]:
    """Return where the notebooks of a site may live whose address somebody typed, see :func:`site_address`."""
    if not urlsplit(address).path:
        return (address + _USUAL_PREFIX,)
    return (address, address + _USUAL_PREFIX)


def at_origin(site: str, url: str) -> str:
    """Return the address at a site of what the site calls by another.

    A site behind a proxy may not know by which scheme and name it is reached; and no site may send us to another.

    Args:
        site: any address of the site.
        url: what the site says.

    Raises:
        SiteError: that is not the address of a page.
    """
    try:
        own, parts = urlsplit(site), urlsplit(url)
    except ValueError:
        raise SiteError("The site's answer cannot be understood: it names an address that is none.") from None
    query = f"?{parts.query}" if parts.query else ""
    address = f"{own.scheme}://{own.netloc}{parts.path}{query}"
    if not parts.path.startswith("/") or not address.isascii() or not address.isprintable() or " " in address:
        raise SiteError("The site's answer cannot be understood: it names an address that is none.")
    return address


def discover(text: str) -> Endpoints:
    """Find out where a site is asked, by its metadata (RFC 8414).

    Args:
        text: its address as a person types it: that of the whole site, or that of its notebooks.

    Raises:
        SiteError: it is not an address, or there is nothing that programs can sign in to.
        SiteUnreachable: the site does not answer.
    """
    address = site_address(text)
    elsewhere = ""
    for site in candidates(address):
        answer = ask("GET", site + _METADATA)
        if answer.status == 200 and "device_authorization_endpoint" in answer.values:
            return Endpoints(
                site=site,
                device_code=at_origin(site, answer.text("device_authorization_endpoint")),
                token=at_origin(site, answer.text("token_endpoint")),
                revoke=at_origin(site, answer.text("revocation_endpoint")),
            )
        if answer.status >= 500:
            raise SiteUnreachable(f"{address} has trouble just now ({answer.problem}).")
        elsewhere = elsewhere or answer.location
    hint = f" It sends you on to {shown(elsewhere)}" if elsewhere else ""
    raise SiteError(
        f"No notebooks were found at {address}. If the site keeps them under another path than {_USUAL_PREFIX}, type "
        f"that address.{hint}"
    )


def ask(method: str, url: str, fields: dict[str, str] | None = None, *, token: str = "") -> SiteAnswer:
    """Send one request, and return the answer whatever its status.

    Args:
        method: ``GET`` or ``POST``.
        url: an address at a site, see :func:`at_origin`.
        fields: the form to send.
        token: goes into ``Authorization: Bearer``.

    Raises:
        SiteUnreachable: there was no answer.
        SiteError: the site's certificate is not trusted.
    """
    import platform
    import urllib.request

    headers = {"Accept": "application/json", "User-Agent": f"pyramid-notebook ({platform.system()})"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    body = urlencode(fields or {}).encode() if method == "POST" else None
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - at_origin lets http and https pass
    try:
        with _opener(url).open(request, timeout=TIMEOUT_SECONDS) as response:
            body = response.read(_LONGEST_ANSWER)
            if response.length and len(body) < _LONGEST_ANSWER:
                raise http.client.IncompleteRead(body, response.length)
            return _read(response.status, response.headers, body)
    except (OSError, http.client.HTTPException) as error:
        raise trouble(url, error) from None
    except ValueError:  # http.client sends no control characters
        raise SiteError(f"What is to be sent to {urlsplit(url).netloc} cannot stand in a request.") from None


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Return what takes every answer as it is: it knows no redirects, and no status is an error."""
    import urllib.request

    opener = urllib.request.OpenerDirector()
    if not is_local(urlsplit(url).hostname or ""):
        opener.add_handler(urllib.request.ProxyHandler())
    opener.add_handler(urllib.request.HTTPHandler())
    opener.add_handler(urllib.request.HTTPSHandler())
    return opener


def _read(status: int, headers: Message, body: bytes) -> SiteAnswer:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = None
    return SiteAnswer(status, values if isinstance(values, dict) else {}, headers.get("Location") or "")


def trouble(url: str, error: Exception, *, seconds: float = TIMEOUT_SECONDS) -> SiteError:
    """Return what to tell of an error that the standard library raised.

    Args:
        url: the address that was asked.
        error: what was raised.
        seconds: how long was waited.
    """
    import ssl

    # that of urllib.error.URLError
    reason = getattr(error, "reason", None)
    reason = reason if isinstance(reason, Exception) else error
    host = urlsplit(url).netloc
    if isinstance(reason, ssl.SSLCertVerificationError):
        return SiteError(f"The certificate of {host} is not trusted: {shown(str(reason))}")
    if isinstance(reason, TimeoutError):
        return SiteUnreachable(f"{host} does not answer within {seconds:g} seconds.")
    return SiteUnreachable(f"{host} cannot be reached: {shown(str(reason)) or type(reason).__name__}")


def _host(url: str) -> str:
    """Return the host of an address in lower case and ASCII; nothing where there is none."""
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            return ""
        host = parts.hostname or ""
        if ":" in host:
            import ipaddress

            return str(ipaddress.IPv6Address(host))
        # IDNA turns other dots, and letters of other widths, into those of ASCII
        host = host.encode("idna").decode("ascii").lower().rstrip(".")
        return host if _NAME.fullmatch(host) else ""
    except ValueError:  # also UnicodeError
        return ""


def is_local(host: str) -> bool:
    """Tell whether a host is this machine, by its name or address alone."""
    if host == "localhost":
        return True
    if host[-1:].isalpha() and ":" not in host:  # no number
        return False
    import ipaddress  # most hosts have names

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
