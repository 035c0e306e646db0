"""What is written down about one running user server (pure).

The daemon writes the record (``runtime/server.json``, 0600) when it starts to listen; the door and the command line
read it. Whether the server that it speaks of is still alive is decided in :mod:`pyramid_notebook.processes`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields

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
        secret: what the door must send in :data:`SECRET_HEADER`.
        started: seconds since the epoch.
        kill_timeout: seconds without activity after which it ends, 0 for never.
        max_lifetime: seconds after which it ends in any case, 0 for never.
    """

    pid: int
    identity: str
    launch_id: str
    user: str
    base_url: str
    socket: str
    port: int
    secret: str = field(repr=False)
    started: float
    kill_timeout: int
    max_lifetime: int

    @property
    def address(self) -> str:
        """Where it listens, for people: ``unix:/path`` or ``127.0.0.1:port``."""
        return f"unix:{self.socket}" if self.socket else f"127.0.0.1:{self.port}"

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ServerRecord | None:
        """Return the record, or None where the text is not a whole record of this version."""
        try:
            values = json.loads(text)
            return cls(**{item.name: values[item.name] for item in fields(cls)})
        except (ValueError, KeyError, TypeError):
            return None
