"""The API of jupyter-jchannel 0.3, on our channel: notebooks that use it run unchanged but for the import.

::

    from pyramid_notebook.channel import jchannel

    server = await jchannel.start()
    channel = await server.open("(channel) => { channel.handler = {double: (x) => 2 * x}; }")
    await channel.call("double", 21)

No port is opened: host, port and URL are checked and then not used. What is different is told in
``docs/how-to/from-jchannel.md``.
"""

from __future__ import annotations

from .channel import Channel
from .server import Server
from .types import FrontendError, MetaGenerator, StateError

__all__ = ["Channel", "FrontendError", "MetaGenerator", "Server", "StateError", "start"]


def start(host: str = "localhost", port: int = 8889, url: str | None = None, heartbeat: int = 30) -> Server:
    """Return a server; await it, or use it in ``async with``, and it is started.

    Args:
        host: name of a host.
        port: number of a port.
        url: address that starts with ``http://`` or ``https://``.
        heartbeat: seconds.

    Raises:
        TypeError: an argument is of another type.
        ValueError: an argument has a value that jchannel does not take.
    """
    return Server(host, port, url, heartbeat)
