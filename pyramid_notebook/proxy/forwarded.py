"""What trusted proxies say of a request: who its client is, and by which scheme and host they asked (pure).

Anybody can send these fields, so they count only where the connection itself comes from a proxy that the site names,
and only those fields that the site says its proxy writes: one that the proxy passes on as it came is the client's word.

Sources: RFC 7239 (``Forwarded``); ``X-Forwarded-*`` are customs, read from the right, since each proxy adds its own
word at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

#: All fields that a site can say its proxies write.
FIELDS = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "forwarded")
#: Stands for the proxy at the other end of a unix socket, which has no address.
UNIX = "unix"
#: Key in the environ of what was said, believed or not, and by whom; for the page that tests itself.
SAID, PEER = "pyramid_notebook.forwarded", "pyramid_notebook.peer"

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_NODE = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[0-9.]+))(?::[0-9]{1,5})?")
_PAIR = re.compile(
    r"""[ \t]*(?:(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s",;]+)))?"""
    r"""[ \t]*(?P<end>[,;]|\Z)"""
)
_Network = IPv4Network | IPv6Network
Element = dict[str, str]


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Whom a site believes, and what.

    Attributes:
        networks: where its proxies are.
        over_unix: whether one of them comes by a unix socket.
        fields: names of the fields that they write, in lower case.
    """

    networks: tuple[_Network, ...] = ()
    over_unix: bool = False
    fields: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, proxies: str, fields: str) -> TrustedProxies:
        """Read two settings.

        Args:
            proxies: addresses and networks such as ``10.0.0.0/8``, and ``unix``, with spaces or commas between them.
            fields: some of :data:`FIELDS`, likewise.

        Raises:
            ValueError: one of them is something else, or they contradict each other.
        """
        places, names = _words(proxies), [name.lower() for name in _words(fields)]
        for name in names:
            if name not in FIELDS:
                raise ValueError(f"must be some of {', '.join(FIELDS)}")
        if "forwarded" in names and len(names) > 1:
            # nobody writes both; the other one would be the client's
            raise ValueError("must be either forwarded alone, or some of x-forwarded-*")
        networks = tuple(_network(place) for place in places if place != UNIX)
        return cls(networks, UNIX in places, frozenset(names))

    def covers(self, address: str) -> bool:
        """Tell whether an address is that of a proxy; a text that is none stands for a unix socket."""
        parsed = _parsed(address)
        if parsed is None:
            return self.over_unix
        return any(parsed in network for network in self.networks)

    def read(self, environ: MutableMapping[str, Any]) -> None:
        """Make a request look as its client sent it to the first trusted proxy; it may be called twice.

        The fields are taken out, so that nobody believes them who knows less.

        Args:
            environ: WSGI environ (PEP 3333); ``REMOTE_ADDR``, ``wsgi.url_scheme`` and ``HTTP_HOST`` may change.
        """
        if not (self.networks or self.over_unix):
            return
        said = {name: str(environ.pop(_key(name))) for name in FIELDS if _key(name) in environ}
        peer = str(environ.get("REMOTE_ADDR") or "")
        environ.setdefault(SAID, said)
        environ.setdefault(PEER, peer)
        if not self.covers(peer):
            return
        counting = {name: value for name, value in said.items() if name in self.fields}
        seen = self._of_elements(counting) if "forwarded" in counting else self._of_lists(counting, peer)
        _apply(environ, seen)

    def _of_lists(self, said: dict[str, str], peer: str) -> Element:
        client = peer
        for item in reversed(said.get("x-forwarded-for", "").split(",")):
            address = _address(item)
            if not address:
                break
            client = address
            if not self.covers(client):
                break
        last = {name: value.rpartition(",")[2].strip() for name, value in said.items()}
        return {
            "for": client,
            "proto": last.get("x-forwarded-proto", ""),
            "host": last.get("x-forwarded-host", ""),
            "port": last.get("x-forwarded-port", ""),
        }

    def _of_elements(self, said: dict[str, str]) -> Element:
        seen: Element = {}
        for element in reversed(elements(said["forwarded"])):
            client = _address(element.get("for", ""))
            seen |= {name: element[name] for name in ("proto", "host") if name in element}
            if client:
                seen["for"] = client
            if not client or not self.covers(client):
                break
        return seen


def elements(text: str) -> list[Element]:
    """Return the elements of ``Forwarded`` (RFC 7239 section 4), names in lower case; none where it cannot be read."""
    found: list[Element] = [{}]
    for match in _pairs(text):
        if match is None:
            return []
        if match["name"]:
            quoted = match["quoted"]
            value = match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][match["name"].lower()] = value
        if match["end"] == ",":
            found.append({})
    return [element for element in found if element]


def _pairs(text: str) -> Iterator[re.Match[str] | None]:
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        yield match
        if match is None:
            return
        position = match.end()


def _apply(environ: MutableMapping[str, Any], seen: Element) -> None:
    client = seen.get("for", "")
    if client and client != environ.get("REMOTE_ADDR"):
        environ["REMOTE_ADDR"] = client
        environ.pop("REMOTE_PORT", None)
        if "REMOTE_HOST" in environ:
            environ["REMOTE_HOST"] = client
    scheme = _SCHEMES.get(seen.get("proto", "").lower())
    if scheme:
        environ["wsgi.url_scheme"] = scheme
    host = seen.get("host", "")
    if _HOST.fullmatch(host):
        environ["HTTP_HOST"] = host
    port, current = seen.get("port", ""), _HOST.fullmatch(str(environ.get("HTTP_HOST", "")))
    if current and not current["port"] and _PORT.fullmatch(port):
        is_default = _DEFAULT_PORTS.get(str(environ.get("wsgi.url_scheme"))) == port
        environ["HTTP_HOST"] = current["name"] if is_default else f"{current['name']}:{port}"


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _key(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


def _network(text: str) -> _Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError("must be IP addresses, networks such as 10.0.0.0/8, or the word unix") from None


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed


def _address(node: str) -> str:
    """Return the IP address in a node (RFC 7239 section 6), which may have a port; nothing where it has none."""
    text = node.strip()
    match = _NODE.fullmatch(text)
    parsed = _parsed((match["six"] or match["four"] or "") if match else text)
    return str(parsed) if parsed else ""
