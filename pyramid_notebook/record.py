"""What is written down about one running user server (pure).

The daemon writes the record (0600, beside its pid file) when it starts, and again when it listens; the door and the
command line read it. Whether that server is still alive is decided in :mod:`pyramid_notebook.processes`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from .names import SCRATCH_PREFIX

#: Header that carries the per-launch secret from the door to the user server.
SECRET_HEADER = "X-Pyramid-Notebook-Secret"  # noqa: S105 - the name of the header, not a secret
#: Header field in which the door names the token that let a request pass; absent for one of the site's session.
TOKEN_HEADER = "X-Pyramid-Notebook-Token"  # noqa: S105
#: Header field with the lease of a request that nginx passes on; absent where the site does that itself.
LEASE_HEADER = "X-Pyramid-Notebook-Lease"

#: Environment variable that every process of one user server inherits; its value is the record's ``launch_id``.
LAUNCH_VARIABLE = "PYRAMID_NOTEBOOK_LAUNCH"

_LAUNCH_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_launch_id(value: object) -> bool:
    return isinstance(value, str) and _LAUNCH_ID.fullmatch(value) is not None


def _is_url_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/") and value.endswith("/")


def _is_scratch(value: object) -> bool:
    if not isinstance(value, str):
        return False
    path = PurePosixPath(value)
    return not value or (path.is_absolute() and ".." not in path.parts and path.name.startswith(SCRATCH_PREFIX))


def _is_interface(value: object) -> bool:
    return value in ("notebook", "lab")


def _is_dictionary(value: object) -> bool:
    return isinstance(value, dict)


def _is_whole(least: int, most: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_moment(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1e12


_is_pid = _is_whole(1, 2**31 - 1)
_is_port = _is_whole(0, 65535)
_is_seconds = _is_whole(0, 10**9)


def _checked(check: Callable[[object], bool], **options: Any) -> Any:
    return field(metadata={"check": check}, **options)


def _values(kind: type, text: str, *, strict: bool) -> dict[str, Any]:
    """Return the checked fields in a JSON text; ValueError where one is wrong, or with `strict`, unknown."""
    try:
        given = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(given, dict):
        raise ValueError("not a JSON object")
    checks = {item.name: item.metadata["check"] for item in fields(kind)}
    unknown = given.keys() - checks.keys()
    if strict and unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    values = {name: value for name, value in given.items() if name in checks}
    for name, value in values.items():
        if not checks[name](value):
            raise ValueError(f"{name} cannot be {value!r:.100}")
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """One running user server.

    Attributes:
        pid: process id of the Jupyter server.
        identity: start time of that process, see :func:`pyramid_notebook.processes.identity`.
        launch_id: value of :data:`LAUNCH_VARIABLE` in all processes of this server, 32 hexadecimal digits.
        user: user name as the site knows it.
        base_url: URL path under which it serves, with a slash at both ends.
        socket: path of its unix socket, or empty.
        port: its loopback port, or 0.
        scratch: short folder of this launch for sockets, removed when the server ends.
        secret: what the door must send in :data:`SECRET_HEADER`.
        started: seconds since the epoch.
        kill_timeout: seconds without activity after which it ends, 0 for never.
        max_lifetime: seconds after which it ends in any case, 0 for never.
        socket_group: UNIX group that may connect to its socket as well, and whose leases it keeps; empty for none.
    """

    pid: int = _checked(_is_pid)
    identity: str = _checked(_is_name)
    launch_id: str = _checked(_is_launch_id)
    user: str = _checked(_is_text, default="")
    base_url: str = _checked(_is_url_path, default="/")
    socket: str = _checked(_is_text, default="")
    port: int = _checked(_is_port, default=0)
    scratch: str = _checked(_is_scratch, default="")
    secret: str = _checked(_is_text, default="", repr=False)
    started: float = _checked(_is_moment, default=0.0)
    kill_timeout: int = _checked(_is_seconds, default=0)
    max_lifetime: int = _checked(_is_seconds, default=0)
    socket_group: str = _checked(_is_text, default="")

    @property
    def listening(self) -> bool:
        """Whether it accepts connections; a server that is being loaded has no address yet."""
        return bool(self.socket or self.port)

    @property
    def address(self) -> str:
        """Where it listens, for people: ``unix:/path`` or ``127.0.0.1:port``."""
        if not self.listening:
            return "no address yet"
        return f"unix:{self.socket}" if self.socket else f"127.0.0.1:{self.port}"

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ServerRecord | None:
        """Return the record, or None where the text does not name a process or a field has a wrong value.

        What another version left out has its default, and what it added is not looked at.
        """
        return _parsed(text)


@lru_cache(maxsize=256)  # each request reads its user's
def _parsed(text: str) -> ServerRecord | None:
    try:
        return ServerRecord(**_values(ServerRecord, text, strict=False))
    except (ValueError, TypeError):  # TypeError: a field without a default is missing
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What the daemon must know beyond its command line; the manager writes it (``runtime/context.json``, 0600).

    Attributes:
        user: user name as the site knows it.
        base_url: URL path under which the server is reached, with a slash at both ends.
        ui: ``notebook`` or ``lab``.
        home_url: where *Back to site* leads.
        home_title: its text.
        max_lifetime: seconds after which the server ends in any case, 0 for never.
        socket_group: UNIX group that may connect to its socket as well; empty for none.
        context: the notebook context of the launch, as a dictionary.
        functions: limits of calls of notebooks, see :class:`~pyramid_notebook.functions.options.FunctionOptions`.
    """

    user: str = _checked(_is_text, default="")
    base_url: str = _checked(_is_url_path, default="/")
    ui: str = _checked(_is_interface, default="notebook")
    home_url: str = _checked(_is_text, default="/")
    home_title: str = _checked(_is_text, default="Back to site")
    max_lifetime: int = _checked(_is_seconds, default=0)
    socket_group: str = _checked(_is_text, default="")
    context: dict[str, Any] = _checked(_is_dictionary, default_factory=dict)
    functions: dict[str, Any] = _checked(_is_dictionary, default_factory=dict)

    def to_json(self) -> str:
        """Return the options as JSON text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ServerOptions:
        """Return the options.

        Raises:
            ValueError: the text is not the JSON of options of this version.
        """
        return cls(**_values(cls, text, strict=True))
