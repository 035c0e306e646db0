"""``pyramid-notebook nginx-config``: the configuration with which nginx passes requests on to user servers by itself.

It is made from the site's settings, and from the tables by which the door itself passes requests on, so that both do
the same.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import SettingsError
from .record import LEASE_HEADER, SECRET_HEADER, TOKEN_HEADER
from .settings import Settings

Lines = list[tuple[str, str]]

#: What nginx tells user servers, as the door does.
_OURS = (SECRET_HEADER, TOKEN_HEADER, LEASE_HEADER)

_CACHE, _UPSTREAM = "/run/pyramid_notebook", "http://127.0.0.1:6543"
_LEAST_SECONDS = 75  # two and a half pings of Jupyter, so that no idle websocket is cut
_UPSTREAMS = re.compile(r"http://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}|http://unix:/[A-Za-z0-9/._+-]+")
_MOUNT = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_WORDS = re.compile(r"""[^;{}"'\\$#\n]+""")
_SAFE_FILE = re.compile(r"""/[^"\\$\n]*""")

#: What may stand in a plain path and its query: nothing that could mean something else when it is decoded. Of UTF-8
#: (RFC 3629) it is what no table of exceptions is needed for: most letters of most languages.
_UTF8 = r"%(?:[Cc][2-9A-Fa-f]|[Dd][0-9A-Fa-f]|[Ee][1-9A-Ca-cEeFf]%[89ABab][0-9A-Fa-f])%[89ABab][0-9A-Fa-f]"
_PATH, _QUERY = rf"(?:[A-Za-z0-9._~!&()*+,:=@/-]|%20|{_UTF8})*", r"(?:\?[A-Za-z0-9._~!&()*+,:=@/?-]*)?"
#: What makes an address one of its own: dot segments, the door's own addresses, something that looks like a token.
_ODD = r"^[^?]*/(?:-|\.{1,2})(?:[/?]|$)|pnb_"
_VALUE = r"[!#-+\--:<-\[\]-~]*"
#: A cookie with a path, or several, all below the base; and without a domain (RFC 6265 section 5.2).
_KEPT_COOKIE = (
    r"^(?<pnb_e>/[^|]*)/\|(?<pnb_cookie>"
    r"(?!.*;[ \t]*(?i:domain)[ \t]*(?:[=;]|$))"
    r"(?=.*;[ \t]*(?i:path)[ \t]*=)(?!.*;[ \t]*(?i:path)[ \t]*(?:;|$))"
    r"(?!.*;[ \t]*(?i:path)[ \t]*=(?![ \t]*\k<pnb_e>(?:/|[ \t]*(?:;|$))))"
    r"[^\s;=]+=.*)$"
)
#: An ``Accept-Encoding`` that names a coding with a weight above 0, as :func:`.proxy.variants.accepted_codings` has it.
_CODING = r"(?=(?:.*,)?[ \t]*%s[ \t]*(?:;[ \t]*q=(?:1(?:\.0*)?%s)[ \t]*)?(?:,|$))"
_LESS = r"|0?\.0*[1-9][0-9]*"
_BROTLI_MOST, _BROTLI, _GZIP = _CODING % ("br", ""), _CODING % ("br", _LESS), _CODING % ("(?:x-)?gzip", _LESS)
#: What the site is told for it; where both are named and brotli weighs less than 1, the site compares.
_ENCODINGS: Lines = [
    (f"^{_BROTLI_MOST}{_GZIP}", '"br, gzip"'),
    (f"^{_BROTLI}{_GZIP}[A-Za-z0-9*;=., \t-]{{1,64}}$", "$http_accept_encoding"),
    (f"^{_GZIP}", "gzip"),
    (f"^{_BROTLI}", "br"),
]
#: What the site may answer that is no file; and 418, by which nginx itself says that the site has to answer.
_REFUSALS = (301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 418, 429, 500, 501, 503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What is not in the site's settings.

    Attributes:
        upstream: where the site listens, ``http://host:port`` or ``http://unix:/path``.
        mount: URL path that the site is mounted at, without a slash at its end.
        listens: what stands behind ``listen`` in nginx's configuration.
        server_name: names of the site.
        cache: folder for what nginx keeps of the door's answers.
    """

    upstream: str = _UPSTREAM
    mount: str = ""
    listens: Sequence[str] = ("80",)
    server_name: str = "_"
    cache: str = _CACHE

    def check(self) -> None:
        """Check that nginx will understand it.

        Raises:
            SettingsError: it will not.
        """
        for name, value, pattern in (
            ("--upstream", self.upstream, _UPSTREAMS),
            ("--mount", self.mount, _MOUNT),
            ("--server-name", self.server_name, _WORDS),
            ("--cache", self.cache, re.compile(r"/[A-Za-z0-9/._+-]+")),
            *(("--listen", listen, _WORDS) for listen in self.listens),
        ):
            if not pattern.fullmatch(value):
                raise SettingsError(f"nginx would not understand {name} {value!r}.")


def configuration(settings: Settings, server: Server) -> str:
    """Return the configuration as text.

    Args:
        settings: of the site.
        server: what is not in them.

    Raises:
        SettingsError: the setting ``socket_group`` is missing, or nginx would not understand something.
    """
    from pathlib import Path

    from jinja2 import Environment, PackageLoader, StrictUndefined

    from .addresses import TABLE
    from .proxy import nginx

    server.check()
    if not settings.socket_group:
        raise SettingsError("Set pyramid_notebook.socket_group to the UNIX group of nginx's workers first.")
    prefix = server.mount + settings.route_prefix
    gate = str(nginx.Gate(Path(settings.notebook_folder)).file)
    if not _MOUNT.fullmatch(prefix) or not _SAFE_FILE.fullmatch(gate):
        raise SettingsError(f"nginx would not understand {prefix!r} or {gate!r}.")
    environment = Environment(  # noqa: S701 - no HTML
        loader=PackageLoader("pyramid_notebook"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("nginx.conf.jinja2").render(
        site=server.upstream.removeprefix("http://"),
        cache=server.cache,
        listens=server.listens,
        server_name=server.server_name,
        prefix=prefix,
        pattern=re.escape(prefix).replace(r"\-", "-") + "/",
        gate=gate,
        timeout=max(settings.proxy_timeout, _LEAST_SECONDS),
        odd=_ODD,
        plain=_PATH + _QUERY,
        named=[row.segment for row in TABLE if row.names_notebook],
        segments=[row.segment for row in TABLE if row.segment and not row.names_notebook],
        cookie_value=f"^{_VALUE}$",
        kept_cookie=_KEPT_COOKIE,
        encodings=_ENCODINGS,
        refusals=" ".join(map(str, _REFUSALS)),
        key_fields=[name.replace("-", "_") for name in nginx.KEY_FIELDS],
        **_fields(),
    )


def _fields() -> dict[str, Any]:
    """Return what becomes of header fields, in each place."""
    from .proxy import nginx
    from .proxy.headers import HOP_BY_HOP, NOT_TO_CLIENT

    variables = {name: _variable(name) for name in nginx.ANSWERING}
    to_site = dict(_to_site())
    asking = {
        **dict.fromkeys(nginx.ASKING, '""'),
        nginx.METHOD_HEADER: "$request_method",
        nginx.TARGET_HEADER: "$request_uri",
        nginx.UPGRADE_HEADER: "$http_upgrade",
        nginx.CONNECTION_HEADER: "$http_connection",
        nginx.BODY_HEADER: '"$http_content_length$http_transfer_encoding"',
    }
    quiet = {"Upgrade": '""', "Connection": '""', "Content-Length": '""', "Transfer-Encoding": '""'}
    said = {name: value for name, value in {**to_site, **quiet}.items() if name != nginx.GATE_HEADER}
    question = {**said, **{name: value for name, value in asking.items() if name != nginx.GATE_HEADER}}
    for_file = {"Accept-Encoding": "$pnb_encoding", nginx.FILE_HEADER: "$pnb_file"}
    return {
        "to_site": list(to_site.items()),
        "asking": list(question.items()),
        "asking_for_file": list({**said, **for_file}.items()),
        "failing": list({**question, nginx.FAILURE_HEADER: "$pnb_failure"}.items()),
        "answering": [(variable, name.lower().replace("-", "_")) for name, variable in variables.items()],
        "site_cookies": [variables[name] for name in nginx.COOKIE_HEADERS],
        "of_browsers": list(_of_browsers()),
        "to_server": _to_server(),
        "hidden": sorted({*NOT_TO_CLIENT, *HOP_BY_HOP, "set-cookie", *map(str.lower, _OURS)} - _HANDLED),
    }


#: nginx handles these itself.
_HANDLED = frozenset(("connection", "transfer-encoding"))


def _to_site() -> Iterator[tuple[str, str]]:
    from .proxy.nginx import FORWARDED_FIELDS, GATE_HEADER

    yield "Host", "$pnb_host"
    yield "Upgrade", "$pnb_websocket"
    yield "Connection", "$pnb_connection_to_site"
    yield "X-Forwarded-For", "$remote_addr"
    yield "X-Forwarded-Proto", "$scheme"
    for name in FORWARDED_FIELDS:
        if name not in ("x-forwarded-for", "x-forwarded-proto"):
            yield name.title(), '""'
    yield "Forwarded", '""'
    yield GATE_HEADER, '""'


def _of_browsers() -> Iterator[tuple[str, str, str]]:
    """Yield the fields with which pages identify themselves, the variables for them, and where those come from."""
    from .proxy.headers import OF_BROWSERS

    for name in sorted(OF_BROWSERS):
        plain = name.replace("-", "_")
        yield name.title(), f"$pnb_{plain}_to_server", "$pnb_xsrf" if name == "cookie" else f"$http_{plain}"


def _to_server() -> Lines:
    from .proxy import nginx
    from .proxy.headers import HOP_BY_HOP, NOT_UPSTREAM

    dropped = {*HOP_BY_HOP, *NOT_UPSTREAM, *nginx.FORWARDED_FIELDS, *nginx.CLAIMS, nginx.GATE_HEADER.lower()}
    dropped -= {"transfer-encoding", "content-length"}  # nginx frames the body anew
    said = {
        "host": "$pnb_host",
        "upgrade": "$pnb_websocket",
        "connection": "$pnb_connection_to_server",
        "x-forwarded-for": _variable(nginx.CLIENT_HEADER),
        "x-forwarded-proto": _variable(nginx.SCHEME_HEADER),
        **{name.lower(): variable for name, variable, _source in _of_browsers()},
        **{name.lower(): _variable(name) for name in _OURS},
    }
    return [(name.title(), value) for name, value in {**dict.fromkeys(sorted(dropped), '""'), **said}.items()]


def _variable(name: str) -> str:
    return "$pnb_" + name.lower().removeprefix("x-pyramid-notebook-").replace("-", "_")


def add_commands(subparsers: Any) -> None:
    """Add the command ``nginx-config`` to those of ``pyramid-notebook``.

    Args:
        subparsers: what :meth:`argparse.ArgumentParser.add_subparsers` returns.
    """
    from .tokens.commands import add_site

    text = "print the configuration with which nginx passes requests on to notebook servers by itself"
    parser = subparsers.add_parser("nginx-config", help=text, description=f"{text.capitalize()}.")
    add_site(parser)
    text = "where the site listens: http://host:port or http://unix:/path"
    parser.add_argument("--upstream", default=_UPSTREAM, metavar="URL", help=f"{text}; {_UPSTREAM} by default")
    parser.add_argument("--mount", default="", metavar="PATH", help="where the site is mounted, such as /app")
    parser.add_argument("--listen", action="append", metavar="WHAT", help="what nginx listens on; 80 by default")
    parser.add_argument("--server-name", default="_", metavar="NAMES", help="names of the site")
    parser.add_argument("--cache", default=_CACHE, metavar="FOLDER", help="folder in memory, made by nginx for itself")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pathlib import Path

    from .proxy.nginx import Gate
    from .tokens.commands import settings_of

    settings = settings_of(options)
    server = Server(
        upstream=options.upstream,
        mount=options.mount.rstrip("/"),
        listens=options.listen or ("80",),
        server_name=options.server_name,
        cache=options.cache,
    )
    text = configuration(settings, server)
    Gate(Path(settings.notebook_folder)).make()
    sys.stdout.write(text)
    return 0
