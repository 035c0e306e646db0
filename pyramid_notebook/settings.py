"""The settings of a site, ``pyramid_notebook.*``, as one table (pure).

The fields of :class:`Settings` are the table: name, type, default and the sentence that the reference page shows.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from .errors import SettingsError
from .functions.options import FunctionOptions
from .proxy.forwarded import TrustedProxies
from .proxy.headers import same_origin

PREFIX = "pyramid_notebook."
_SWITCHES = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


def _text(value: str) -> str:
    return value.strip()


def _folder(value: str) -> str:
    text = value.strip()
    if not text.startswith("/"):
        raise ValueError("must be an absolute path, for example %(here)s/var/notebooks")
    return text.rstrip("/") or "/"


def _path_prefix(value: str) -> str:
    text = value.strip().rstrip("/")
    if not text.startswith("/") or "//" in text or "{" in text:
        raise ValueError("must be a URL path such as /notebook")
    return text


def _seconds(value: str) -> int:
    number = int(value)
    if number < 0:
        raise ValueError("must be 0 or more")
    return number


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError("must be 1 or more")
    return number


def _up_to_two(value: str) -> int:
    number = int(value)
    if not 0 <= number <= 2:
        raise ValueError("must be 0, 1 or 2")
    return number


def _one_of(*choices: str) -> Callable[[str], str]:
    def coerce(value: str) -> str:
        text = value.strip()
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return coerce


def _database(value: str) -> str:
    text = value.strip()
    if text and not text.startswith(("sqlite:////", "postgresql://", "postgresql+psycopg://")):
        raise ValueError("must be a URL such as postgresql://user@host/name or sqlite:////absolute/path, or empty")
    return text


def _switch(value: str) -> bool:
    text = value.strip().lower()
    if text not in _SWITCHES:
        raise ValueError("must be on or off")
    return _SWITCHES[text]


def _proxies(value: str) -> str:
    TrustedProxies.parse(value, "")
    return " ".join(value.replace(",", " ").split())


def _proxy_headers(value: str) -> str:
    TrustedProxies.parse("", value)
    return " ".join(value.replace(",", " ").lower().split())


def _modules(value: str) -> str:
    names = value.replace(",", " ").split()
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        raise ValueError("must be names of modules, such as numpy pandas")
    return " ".join(names)


def _hosts(value: str) -> str:
    names = value.replace(",", " ").lower().split()
    if any(set("/@?#") & set(name) for name in names):
        raise ValueError("must be hosts such as hooks.example.com, without a scheme")
    return " ".join(names)


def _origin(value: str) -> str:
    text = value.strip().rstrip("/").lower()
    if text and not same_origin(text, text):
        raise ValueError("must be a scheme and a host, such as https://notebooks.example.com, or empty")
    return text


def _setting(coerce: Callable[[str], Any], doc: str, **more: Any) -> Any:
    return field(metadata={"coerce": coerce, "doc": doc}, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Checked settings. Make them with :meth:`from_mapping`."""

    notebook_folder: str = _setting(
        _folder, "Folder for everything that user servers keep; each user gets a subfolder. Required."
    )
    route_prefix: str = _setting(_path_prefix, "URL path under which notebooks live.", default="/notebook")
    permission: str = _setting(
        _text,
        "Permission that a signed-in user needs. Your security policy grants it; nobody has it by default.",
        default="shell",
    )
    admin_permission: str = _setting(
        _text,
        "Permission for the pages that are about the site as a whole, such as the self-test.",
        default="notebook_admin",
    )
    config_file: str = _setting(
        _text,
        "Your site's INI file; with it the default notebook context sets up `app`, `request`, `root` and "
        "`registry`. Usually `%(__file__)s`.",
        default="",
    )
    ui: str = _setting(
        _one_of("notebook", "lab"),
        "What opens: `notebook` (Jupyter Notebook 7) or `lab` (JupyterLab).",
        default="notebook",
    )
    context_change: str = _setting(
        _one_of("keep", "restart"),
        "What a launch with another context does to a running server: `keep` adds one more kernel and notebook, "
        "`restart` shuts it down and starts anew.",
        default="keep",
    )
    kill_timeout: int = _setting(
        _seconds, "Seconds without activity after which a user server ends; 0 for never.", default=3600
    )
    max_lifetime: int = _setting(
        _seconds, "Seconds after which a user server ends in any case, busy or not; 0 for never.", default=0
    )
    start_timeout: int = _setting(_positive, "Seconds that a user server may take until it answers.", default=60)
    stop_timeout: int = _setting(_positive, "Seconds between asking a user server to end and killing it.", default=10)
    max_servers: int = _setting(_positive, "How many user servers may run at once.", default=10)
    proxy_timeout: int = _setting(
        _positive, "Seconds of silence after which the door gives up on an answer of a user server.", default=120
    )
    user_requests: int = _setting(
        _positive,
        "How many requests of one user may wait for their notebook server at once in one web worker. Give the worker "
        "more threads than that: then a notebook server that hangs does not hold up the others.",
        default=6,
    )
    user_websockets: int = _setting(
        _positive, "How many websockets one user may have open in one web worker.", default=100
    )
    decision_seconds: int = _setting(
        _up_to_two,
        "For how many seconds, 2 at most, what the door has decided about a request that only reads holds for others "
        "with the same credentials; 0 for never. It does so under ASGI, where nginx passes requests on, and for "
        "Jupyter's static files everywhere. A view or tween of your site that lets a user see some addresses of their "
        "notebook server only, and others not, needs 0.",
        default=2,
    )
    websocket_proxy: str = _setting(
        _text,
        "Dotted name of the websocket adaptor for your web server; empty finds it from the server that runs.",
        default="",
    )
    require_https: bool = _setting(
        _switch,
        "`on` answers everything about notebooks with 403 that came over plain HTTP. A browser on your own machine "
        "needs plain HTTP; a site that others reach should have it `on`.",
        default=False,
    )
    trusted_proxies: str = _setting(
        _proxies,
        "Addresses and networks of the proxies in front of your site, such as `127.0.0.1 10.0.0.0/8`, and `unix` for "
        "one that comes by a unix socket. What they say of client, scheme and host counts, for the whole site. Empty "
        "believes nobody: then your web server says it.",
        default="",
    )
    trusted_proxy_headers: str = _setting(
        _proxy_headers,
        "Header fields that these proxies write themselves: `x-forwarded-for`, `x-forwarded-proto`, "
        "`x-forwarded-host`, `x-forwarded-port`; or `forwarded` alone. Name none that they pass on as it came.",
        default="x-forwarded-for x-forwarded-proto",
    )
    socket_group: str = _setting(
        _text,
        "UNIX group of nginx's workers, where nginx is to pass requests on by itself: it may connect to the sockets of "
        "user servers, which ask for a secret all the same. The site's UNIX user must be a member. Empty keeps the "
        "sockets to that user.",
        default="",
    )
    alternative_domain: str = _setting(
        _origin,
        "A second host for notebooks, such as `https://notebooks.example.com`, which your web server answers like the "
        "site's own. What notebooks show is JavaScript in its origin; there it finds no session of the site. Empty "
        "serves them on the site's own host.",
        default="",
    )
    site_domain: str = _setting(
        _origin, "Where the site itself is, such as `https://example.com`; `alternative_domain` needs it.", default=""
    )
    layout: str = _setting(
        _text,
        "Renderer of your site (for example `mysite:templates/notebook_page.jinja2`) for the pages we show; it gets "
        "`title` and `content`. Empty uses a plain page.",
        default="",
    )
    home_url: str = _setting(_text, "Where *Back to site* leads; empty for the root of the site.", default="")
    home_title: str = _setting(_text, "Text of the link back to the site.", default="Back to site")
    zygote: bool = _setting(
        _switch,
        "`on` keeps a process beside each web worker that has loaded Jupyter (about 60 MB) and forks user servers: "
        "they start in a tenth of the time and share that memory. A user server whose notebooks are called as "
        "functions has one of its own, and each call is a fork of that. `off` saves both; a call then starts a kernel.",
        default=True,
    )
    database_url: str = _setting(
        _database,
        "Database that keeps the tokens of programs: `postgresql://user@host/name` or `sqlite:////absolute/path`. "
        "Empty for a SQLite file in `notebook_folder`.",
        default="",
        repr=False,  # it may hold a password
    )
    token_lifetime: int = _setting(
        _positive, "Seconds that a token is valid for unless its user says otherwise; 90 days.", default=7776000
    )
    token_max_lifetime: int = _setting(
        _positive, "Seconds that a token can be valid for at most; one year.", default=31536000
    )
    token_failures_per_minute: int = _setting(
        _positive,
        "How many requests with a bad token an address, and a user, may send in a minute; more are not looked at.",
        default=30,
    )
    preload: str = _setting(
        _modules,
        "Modules that every call of a notebook as a function finds loaded, such as `numpy pandas`. They must start no "
        "thread and open no connection while they are imported; which one does is told in the user server's log.",
        default="",
    )
    function_timeout: int = _setting(
        _positive, "Seconds that a call of a notebook may take while its caller waits.", default=60
    )
    function_long_timeout: int = _setting(
        _positive, "Seconds that a call may take whose caller does not wait (`Prefer: respond-async`).", default=3600
    )
    function_memory: int = _setting(
        _seconds, "Megabytes of address space that the process of a call may have; 0 for no limit.", default=0
    )
    function_calls: int = _setting(_positive, "How many calls of one user's notebooks may run at once.", default=4)
    function_queue: int = _setting(
        _positive, "How many more may wait for their turn; of one notebook half of that.", default=32
    )
    function_result_bytes: int = _setting(_positive, "Bytes that the result of a call may have.", default=10_000_000)
    function_result_seconds: int = _setting(
        _positive, "Seconds for which the result of a call is kept that its caller did not wait for.", default=3600
    )
    function_webhooks: str = _setting(
        _hosts,
        "Hosts, such as `hooks.example.com`, that may be told when such a call has ended. Empty for none.",
        default="",
    )
    python: str = _setting(
        _text,
        "Python interpreter that runs user servers and kernels; empty for the one that runs the site.",
        default="",
    )

    @property
    def proxies(self) -> TrustedProxies:
        """Whom the site believes what others say of a request, and what."""
        return TrustedProxies.parse(self.trusted_proxies, self.trusted_proxy_headers)

    @property
    def functions(self) -> dict[str, Any]:
        """What user servers must know to call notebooks as functions."""
        return FunctionOptions(
            zygote=self.zygote,
            preload=tuple(self.preload.split()),
            timeout=self.function_timeout,
            long_timeout=self.function_long_timeout,
            memory=self.function_memory << 20,
            at_once=self.function_calls,
            queue=self.function_queue,
            result_bytes=self.function_result_bytes,
            keep_seconds=self.function_result_seconds,
            webhook_hosts=tuple(self.function_webhooks.split()),
        ).to_dict()

    @property
    def usual_token_lifetime(self) -> int:
        """Seconds that a token is valid for whose user does not say."""
        return min(self.token_lifetime, self.token_max_lifetime)

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Settings:
        """Read the ``pyramid_notebook.*`` keys of a site's settings.

        Args:
            settings: all settings of the site; keys of others are not looked at.

        Raises:
            SettingsError: a key is unknown (the nearest known one is named), a value cannot be used, or a
                required one is missing.
        """
        table = {item.name: item for item in fields(cls)}
        given = {key.removeprefix(PREFIX): value for key, value in settings.items() if key.startswith(PREFIX)}
        values = {name: _coerce(table, name, value) for name, value in given.items()}
        for name, item in table.items():
            if name not in values and item.default is MISSING:
                raise SettingsError(f"Setting missing: {PREFIX}{name}. {item.metadata['doc']}")
        made = cls(**values)
        made._check_domains()
        return made

    def _check_domains(self) -> None:
        if not self.alternative_domain:
            return
        if not self.site_domain:
            raise SettingsError(f"Setting missing: {PREFIX}site_domain. {PREFIX}alternative_domain needs it.")
        if urlsplit(self.site_domain).hostname == urlsplit(self.alternative_domain).hostname:
            # cookies know hosts and no ports (RFC 6265 section 8.5)
            raise SettingsError(f"Setting {PREFIX}alternative_domain must be another host than that of the site.")


def _coerce(table: dict[str, Field[Any]], name: str, value: Any) -> Any:
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1, cutoff=0.5)
        hint = f" Did you mean {PREFIX}{near[0]}?" if near else f" Known: {', '.join(sorted(table))}."
        raise SettingsError(f"Unknown setting {PREFIX}{name}.{hint}")
    try:
        return table[name].metadata["coerce"](str(value))
    except ValueError as error:
        reason = "must be a whole number" if "invalid literal" in str(error) else str(error)
        shown = repr(value) if table[name].repr else "(not shown)"
        raise SettingsError(f"Setting {PREFIX}{name} = {shown}: {reason}.") from None
