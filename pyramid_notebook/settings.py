"""The settings of a site, ``pyramid_notebook.*``, as one table (pure).

The fields of :class:`Settings` are the table: name, type, default and the sentence that the reference page shows.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from .errors import SettingsError

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


def _later(value: str) -> str:
    if value.strip():
        raise ValueError("is not supported yet; leave it empty")
    return ""


def _setting(coerce: Callable[[str], Any], doc: str, **more: Any) -> Any:
    return field(metadata={"coerce": coerce, "doc": doc}, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Checked settings. Make them with :meth:`from_mapping`."""

    notebook_folder: str = _setting(
        _folder, "Folder for everything that user servers keep; each user gets a subfolder. Required."
    )
    route_prefix: str = _setting(
        _path_prefix, "URL path under which notebooks live.", default="/notebook"
    )
    permission: str = _setting(
        _text, "Permission that a signed-in user needs. Your security policy grants it; nobody has it by default.",
        default="shell",
    )
    config_file: str = _setting(
        _text,
        "Your site's INI file; with it the default notebook context sets up `app`, `request`, `root` and "
        "`registry`. Usually `%(__file__)s`.",
        default="",
    )
    ui: str = _setting(
        _one_of("notebook", "lab"), "What opens: `notebook` (Jupyter Notebook 7) or `lab` (JupyterLab).",
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
    start_timeout: int = _setting(
        _positive, "Seconds that a user server may take until it answers.", default=60
    )
    stop_timeout: int = _setting(
        _positive, "Seconds between asking a user server to end and killing it.", default=10
    )
    max_servers: int = _setting(
        _positive, "How many user servers may run at once.", default=10
    )
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
    websocket_proxy: str = _setting(
        _text,
        "Dotted name of the websocket adaptor for your web server; empty finds it from the server that runs.",
        default="",
    )
    alternative_domain: str = _setting(
        _later, "Reserved: a second host name for notebooks. Must be empty in this version.", default=""
    )
    layout: str = _setting(
        _text,
        "Renderer of your site (for example `mysite:templates/notebook_page.jinja2`) for the pages we show; it gets "
        "`title` and `content`. Empty uses a plain page.",
        default="",
    )
    home_url: str = _setting(
        _text, "Where *Back to site* leads; empty for the root of the site.", default=""
    )
    home_title: str = _setting(_text, "Text of the link back to the site.", default="Back to site")
    zygote: bool = _setting(
        _switch,
        "`on` keeps a process beside each web worker that has loaded Jupyter (about 60 MB) and forks user servers: "
        "they start in a tenth of the time and share that memory. `off` saves it.",
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
    python: str = _setting(
        _text, "Python interpreter that runs user servers and kernels; empty for the one that runs the site.",
        default="",
    )

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
        return cls(**values)


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
