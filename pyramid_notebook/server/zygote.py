"""The zygote: a process with everything loaded, from which daemons are forked.

Loading Jupyter is most of the time that a user server needs to start, and most of its memory. Here it is done once;
each daemon is a fork that shares what was loaded. The zygote never runs a thread, an event loop or a server itself:
none of these would survive a fork. Nor does it make a shared document: all forks would write to theirs under one
client id, which pycrdt draws from a generator that a fork copies. It lives as long as the other end of its socket is
open.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import sys
from collections.abc import Callable, Sequence

from setproctitle import getproctitle, setproctitle

_REQUEST_BYTES = 64 * 1024
_ACKNOWLEDGED = b"\x06"  # ASCII: acknowledge
#: What a user server loads, beside what these load.
_PRELOADED = (
    "pyramid_notebook.server.application",
    "daemon",
    "notebook.app",
    "jupyter_server_fileid.extension",
    "jupyter_server_terminals.app",
    "jupyter_server_ydoc.app",
    "nbconvert.exporters",  # each page asks for their list while it opens
    "tornado.platform.asyncio",
    "anyio._backends._asyncio",  # the first copy of a file asks for it
    "IPython.paths",  # so does the first kernel
)


def serve(control: socket.socket, command: Callable[[Sequence[str]], int]) -> int:
    """Fork a process for each request until the other end of the socket is closed.

    A request is one message: a JSON list of arguments, with a descriptor that gets what the command prints and then,
    after a zero byte, its exit code in decimal. Before all that, and before the fork, it gets one byte,
    ASCII's ACK: without it the request is not served any more once this process has ended.

    Args:
        control: a ``SOCK_SEQPACKET`` socket.
        command: runs the arguments and returns the exit code.

    Returns:
        Exit code of the zygote.
    """
    for name in _PRELOADED:
        importlib.import_module(name)
    _compile_schema()
    gc.collect()
    gc.freeze()  # a collection would write to, and so copy, what the forks share
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, _REQUEST_BYTES, 1)
        if not message:
            return 0
        try:
            os.write(descriptors[0], _ACKNOWLEDGED)
        except OSError:  # whoever asked does not wait any more
            os.close(descriptors[0])
            continue
        child = os.fork()
        if child == 0:
            if os.fork():  # the grandchild is init's to reap
                os._exit(0)
            control.close()
            _run(json.loads(message), descriptors[0], command)
        os.waitpid(child, 0)
        os.close(descriptors[0])


def _compile_schema() -> None:
    """Compile the schema of notebooks, for which the first one that is saved would hold up its server's event loop."""
    import nbformat
    from nbformat.v4 import new_notebook

    validate: Callable[[object], None] = nbformat.validate
    validate(new_notebook())  # type: ignore[no-untyped-call]


def _run(arguments: Sequence[str], output: int, command: Callable[[Sequence[str]], int]) -> None:
    try:
        setproctitle(f"{getproctitle().partition(' zygote ')[0]} {' '.join(arguments)}")  # for ps and pgrep
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = int(command(arguments))
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(output, b"\0%d" % code)
    finally:
        os._exit(0)  # what the zygote does at its end is not ours
