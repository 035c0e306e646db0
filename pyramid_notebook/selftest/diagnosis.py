"""From what the browser saw and what the door saw: which hop is set up wrong, and by which setting (pure).

The browser sees no more of a websocket that failed than that it failed, and the door nothing of what never came. So
both sides write down what they saw, and the differences are read here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from ..proxy.headers import same_origin, tokens

#: Parts of a streamed answer, and milliseconds between them.
PARTS, PAUSE = 5, 250
#: Milliseconds between the first part and the last one below which somebody has held them back.
LEAST_SPREAD = (PARTS - 1) * PAUSE // 2
#: Bytes of the upload.
UPLOAD_BYTES = 16 * 1024 * 1024
_LONGEST = 8000
_NGINX_BUFFERING = "proxy_buffering off;"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What came to the door of a websocket's handshake.

    Attributes:
        upgrade: the field ``Upgrade``; empty where it is missing.
        connection: the field ``Connection``.
        protocol: version of HTTP.
        origin: the field ``Origin``.
        outcome: what the door answered; empty where it agreed.
    """

    upgrade: str = ""
    connection: str = ""
    protocol: str = ""
    origin: str = ""
    outcome: str = ""

    def to_json(self) -> str:
        """Return it as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Handshake:
        """Read such a text.

        Raises:
            ValueError: it is something else.
        """
        return cls(**_texts(cls, json.loads(text)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the door sees of a request.

    Attributes:
        scheme: ``http`` or ``https``, as the site sees it.
        host: host and port that it was asked for.
        client: address of the client.
        peer: address of who really connected, such as a proxy.
        protocol: version of HTTP in which the request came.
        server: name of the web server that runs the site.
        said: what proxies say in ``X-Forwarded-*`` and ``Forwarded``, whether it is believed or not.
        websockets: why websockets cannot work on this web server; empty where they can.
    """

    scheme: str
    host: str
    client: str = ""
    peer: str = ""
    protocol: str = "HTTP/1.1"
    server: str = ""
    said: dict[str, str] = field(default_factory=dict)
    websockets: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the browser has seen; None stands for what was not tried.

    Attributes:
        origin: of the page, such as ``https://example.com``.
        server: the field ``Server`` of an answer: who the browser talks to.
        stream: milliseconds between the first and the last part of a streamed answer.
        marked: the same for an answer that asks not to be buffered (``X-Accel-Buffering``).
        upload: status of the answer to a large upload; 0 where there was none.
        uploaded: bytes of it that the door got.
        uploader: the field ``Server`` of that answer.
        opened: whether the websocket opened.
        echoed: whether all came back that was sent over it.
    """

    origin: str = ""
    server: str = ""
    stream: int | None = None
    marked: int | None = None
    upload: int | None = None
    uploaded: int = 0
    uploader: str = ""
    opened: bool | None = None
    echoed: bool = False

    @classmethod
    def from_json(cls, text: str) -> Seen:
        """Read what a page or a script sends.

        Raises:
            ValueError: it is something else.
        """
        try:
            given = json.loads(text) if len(text) <= _LONGEST else None
        except RecursionError:
            given = None
        if not isinstance(given, dict):
            raise ValueError("not a JSON object")
        values = _texts(cls, given)
        for names, kind in ((("stream", "marked", "upload", "uploaded"), int), (("opened", "echoed"), bool)):
            values |= {name: given[name] for name in names if type(given.get(name)) is kind}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not get through.

    Attributes:
        name: one word for programs.
        hop: who is set up wrong.
        setting: what to set there.
        text: what goes wrong, in a sentence.
    """

    name: str
    hop: str
    setting: str
    text: str


def hops(facts: Facts, seen: Seen) -> list[str]:
    """Return the names of all who are known to be on the way, from the browser to the site."""
    front = [f"{seen.server} (in front)"] if is_proxied(facts, seen) else []
    return ["browser", *front, f"{facts.server or 'web server'} (runs the site)"]


def is_proxied(facts: Facts, seen: Seen) -> bool:
    """Tell whether the browser is known to talk to another program than the one that runs the site."""
    return bool(seen.server) and _product(seen.server) != _product(facts.server)


def diagnose(facts: Facts, seen: Seen, handshake: Handshake | None = None) -> list[Fault]:
    """Return all that is wrong, what others follow from first.

    Args:
        facts: what the door sees.
        seen: what the browser has seen.
        handshake: what the door saw of the browser's websocket; None where nothing came.
    """
    proxy = seen.server if is_proxied(facts, seen) else "the proxy in front"
    found = [*_address(facts, seen, proxy), *_versions(facts, proxy)]
    blocked = any(fault.name in ("host", "scheme", "trust") for fault in found)
    if seen.opened is not None or facts.websockets:
        found += _websocket(facts, seen, handshake, proxy, blocked=blocked)
    found += _buffering(seen, proxy)
    found += _upload(seen, proxy, blocked=blocked)
    return [_for_others(fault) for fault in found]


def _for_others(fault: Fault) -> Fault:
    """Say of whose settings the words are, where they are not those of the one who has to be set up."""
    if _product(fault.hop) in ("nginx", "the") or not fault.setting.startswith("proxy_"):
        return fault
    return replace(fault, setting=f"what nginx calls {fault.setting}")


def _address(facts: Facts, seen: Seen, proxy: str) -> Iterator[Fault]:
    scheme, _, host = seen.origin.partition("://")
    if not host:
        return
    if not same_origin(f"{scheme}://{host}", f"{scheme}://{facts.host}"):
        yield Fault(
            "host",
            proxy,
            "proxy_set_header Host $http_host;",
            f"Your browser asks for {host}, and the site is told {facts.host}. So it takes its own pages for foreign "
            "ones, and refuses every change and every websocket.",
        )
    if scheme == facts.scheme:
        return
    what = f"Your browser comes by {scheme}, and the site believes that it is {facts.scheme}. So it takes its own pages"
    what += " for foreign ones, and refuses every change and every websocket."
    if _said_scheme(facts.said) == scheme:
        place = facts.peer if facts.peer[:1].isdigit() or ":" in facts.peer else "unix"
        believe = f"pyramid_notebook.trusted_proxies = {place}"
        yield Fault("trust", "the site", believe, f"{what} The proxy at {place} says it, but is not believed.")
    else:
        more = "; and the site has to believe it: pyramid_notebook.trusted_proxies"
        if _product(facts.server) == "waitress":
            more += ", with clear_untrusted_proxy_headers = false for waitress"
        yield Fault("scheme", proxy, f"proxy_set_header X-Forwarded-Proto $scheme;{more}", what)


def _said_scheme(said: dict[str, str]) -> str:
    last = said.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
    return {"wss": "https", "ws": "http"}.get(last, last)


def _versions(facts: Facts, proxy: str) -> Iterator[Fault]:
    if facts.protocol == "HTTP/1.0":
        yield Fault(
            "http10",
            proxy,
            "proxy_http_version 1.1;",
            "Requests come to the site in HTTP/1.0, which knows no websockets, and no streams that can be told from "
            "answers that broke off.",
        )


def _websocket(facts: Facts, seen: Seen, handshake: Handshake | None, proxy: str, *, blocked: bool) -> Iterator[Fault]:
    if facts.websockets:
        yield Fault("adaptor", facts.server or "the web server", "pyramid_notebook.websocket_proxy", facts.websockets)
    if seen.opened is None or (seen.opened and seen.echoed):
        return
    if seen.opened:
        text = "The websocket opens, but what is sent over it does not come back."
        yield Fault("frames", proxy, "proxy_read_timeout 1h; and nothing that looks into websockets", text)
    elif handshake is None:
        text = "The websocket's handshake did not get to the site at all; other requests did."
        yield Fault("unreached", proxy, "let GET requests with the field Upgrade pass", text)
    elif missing := _missing(handshake):
        text = "The websocket's handshake comes to the site as an ordinary request, without " + " and ".join(missing)
        yield Fault("upgrade", proxy, " ".join(missing.values()), f"{text}.")
    elif not handshake.outcome:
        text = "The site agreed to the websocket, but the browser did not get that answer (101 Switching Protocols)."
        yield Fault("switch", proxy, "pass 101 answers on", text)
    elif not (facts.websockets or blocked):
        yield Fault("websocket", proxy, f"Origin came as {handshake.origin!r}", handshake.outcome)


def _missing(handshake: Handshake) -> dict[str, str]:
    missing = {}
    if "websocket" not in tokens(handshake.upgrade):
        missing["Upgrade"] = "proxy_set_header Upgrade $http_upgrade;"
    if "upgrade" not in tokens(handshake.connection):
        missing["Connection"] = "proxy_set_header Connection $connection_upgrade;"
    return missing


def _buffering(seen: Seen, proxy: str) -> Iterator[Fault]:
    if seen.marked is not None and seen.marked < LEAST_SPREAD:
        yield Fault(
            "buffering",
            proxy,
            f"{_NGINX_BUFFERING} and no proxy_ignore_headers X-Accel-Buffering;",
            "Answers come all at once at their end, even those that ask not to be held back (X-Accel-Buffering: no): "
            "nobody sees how far a launch or a run has got.",
        )
    elif seen.stream is not None and seen.stream < LEAST_SPREAD:
        yield Fault(
            "buffering",
            proxy,
            _NGINX_BUFFERING,
            "Answers come all at once at their end, but for those that ask not to be held back (X-Accel-Buffering: "
            "no): streams of your own notebooks and their extensions stand still.",
        )


def _upload(seen: Seen, proxy: str, *, blocked: bool) -> Iterator[Fault]:
    size = f"{UPLOAD_BYTES >> 20} MB"
    is_whole = seen.upload == 200 and seen.uploaded == UPLOAD_BYTES
    if seen.upload is None or is_whole or (blocked and seen.upload == 403):
        return
    hop = seen.uploader or proxy
    limits = {"nginx": "client_max_body_size 10g;", "waitress": "max_request_body_size = 10737418240"}
    setting = limits.get(_product(hop), "its limit of a request's body")
    if seen.upload in (413, 0):
        yield Fault("upload", hop, setting, f"An upload of {size} is refused (413 Content Too Large) or broken off.")
    elif seen.upload == 200:
        text = f"Of an upload of {size} only {seen.uploaded} bytes came to the site."
        yield Fault("upload", hop, setting, text)
    else:
        yield Fault("upload", hop, setting, f"An upload of {size} was answered with status {seen.upload}.")


def _product(server: str) -> str:
    """Return the name of the first product of ``Server`` (RFC 9110 section 10.2.4), in lower case."""
    return server.partition(" ")[0].partition("/")[0].lower()


def _texts(kind: type, given: Any) -> dict[str, Any]:
    """Return those fields of a dataclass that are texts."""
    if not isinstance(given, dict):
        raise ValueError("not a JSON object")
    names = {item.name for item in fields(kind) if item.type == "str"}
    return {name: value for name, value in given.items() if name in names and isinstance(value, str)}
