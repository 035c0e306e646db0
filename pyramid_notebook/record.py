"""What is written down about one running user server (pure).

The daemon writes the record (0600, beside its pid file) when it starts, and again when it listens; the door and the
command line read it. Whether that server is still alive is decided in :mod:`pyramid_notebook.processes`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

#: Header that carries the per-launch secret from the door to the user server.
SECRET_HEADER = "X-Pyramid-Notebook-Secret"  # noqa: S105 - the name of the header, not a secret

#: Environment variable that every process of one user server inherits; its value is the record's ``launch_id``.
LAUNCH_VARIABLE = "PYRAMID_NOTEBOOK_LAUNCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """One running user server.

    Attributes:
        pid: process id of the Jupyter server.
        identity: start time of that process, see :func:`pyramid_notebook.processes.identity`.
        launch_id: value of :data:`LAUNCH_VARIABLE` in all processes of this server.
        user: user name as the site knows it.
        base_url: URL path under which it serves, with a slash at both ends.
        socket: path of its unix socket, or empty.
        port: its loopback port, or 0.
        scratch: short folder of this launch for sockets, removed when the server ends.
        secret: what the door must send in :data:`SECRET_HEADER`.
        started: seconds since the epoch.
        kill_timeout: seconds without activity after which it ends, 0 for never.
        max_lifetime: seconds after which it ends in any case, 0 for never.
    """

    pid: int
    identity: str
    launch_id: str
    user: str = ""
    base_url: str = "/"
    socket: str = ""
    port: int = 0
    scratch: str = ""
    secret: str = field(default="", repr=False)
    started: float = 0.0
    kill_timeout: int = 0
    max_lifetime: int = 0

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
        """Return the record, or None where the text does not name a process.

        What another version left out has its default, and what it added is not looked at.
        """
        try:
            values = json.loads(text)
            return cls(**{item.name: values[item.name] for item in fields(cls) if item.name in values})
        except (ValueError, TypeError):
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
        context: the notebook context of the launch, as a dictionary.
    """

    user: str = ""
    base_url: str = "/"
    ui: str = "notebook"
    home_url: str = "/"
    home_title: str = "Back to site"
    max_lifetime: int = 0
    context: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the options as JSON text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ServerOptions:
        """Return the options.

        Raises:
            ValueError: the text is not the JSON of options of this version.
        """
        try:
            return cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(str(error)) from None
