"""What the console is measured beside: a kernel alone, jupyter_console, and jupyter_kernel_client through the door.

The last two do what they do for everybody: jupyter_console is asked as its own prompt asks it, and prints into memory.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from typing import Any

from .console_site import ConsoleSite

#: Nothing but the kernel and its sockets, which everything else here comes on top of.
FLOOR = "jupyter_client, local kernel"
JUPYTER_CONSOLE, KERNEL_CLIENT = "jupyter_console, local kernel", "jupyter_kernel_client, through the door"
_MODULES = {FLOOR: "jupyter_client", JUPYTER_CONSOLE: "jupyter_console", KERNEL_CLIENT: "jupyter_kernel_client"}
_SECONDS = 60.0
#: After so long it does not hear of an end any more, because the message was dropped.
_LOST_SECONDS = 10.0


class Peer:
    """One way to a kernel.

    Args:
        run: runs code and returns what it prints.
        complete: returns the completions at the end of some code.
    """

    def __init__(self, run: Any, complete: Any) -> None:
        self._run, self._complete = run, complete

    def execute(self, code: str) -> tuple[float, str]:
        """Return how many seconds it takes until all of a cell is there, and what it prints."""
        begun = time.perf_counter()
        text = self._run(code)
        return time.perf_counter() - begun, text

    def complete(self, code: str) -> float:
        """Return how many seconds completions take, of which there must be some."""
        begun = time.perf_counter()
        found = self._complete(code)
        taken = time.perf_counter() - begun
        assert len(found) > 100, found
        return taken


def missing(peer: str) -> str:
    """Return why a peer cannot take part, or nothing."""
    return "" if find_spec(_MODULES[peer]) else f"{peer} is left out: make bench-tools"


@contextmanager
def local_kernel(_site: ConsoleSite) -> Iterator[Peer]:
    """Start a kernel of this machine, and speak to it without anything between."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()

    def run(code: str) -> str:
        asked, texts = client.execute(code), []
        while True:
            message = client.get_iopub_msg(timeout=_SECONDS)
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["msg_type"] == "stream":
                texts.append(message["content"]["text"])
            elif message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        client.get_shell_msg(timeout=_SECONDS)
        return "".join(texts)

    def complete(code: str) -> list[str]:
        found: list[str] = client.complete(code, len(code), reply=True, timeout=_SECONDS)["content"]["matches"]
        return found

    try:
        yield Peer(run, complete)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@contextmanager
def jupyter_console(_site: ConsoleSite) -> Iterator[Peer]:
    """Start a kernel of this machine, and a console without a terminal."""
    os.environ["JUPYTER_CONSOLE_TEST"] = "1"  # it reads no terminal then
    from jupyter_client.manager import start_new_kernel
    from jupyter_console.ptshell import ZMQTerminalInteractiveShell

    manager, client = start_new_kernel()
    try:
        with redirect_stdout(io.StringIO()):
            shell = ZMQTerminalInteractiveShell(manager=manager, client=client, simple_prompt=True)

        def run(code: str) -> str:
            with redirect_stdout(io.StringIO()) as printed:
                shell.run_cell(code)
            return printed.getvalue()

        yield Peer(run, lambda code: shell.Completer.complete_request(code, len(code))["matches"])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@contextmanager
def kernel_client(site: ConsoleSite) -> Iterator[Peer]:
    """Use a kernel of the site, with the token in a header field."""
    from jupyter_kernel_client import JupyterKernelClient

    fields = {"Authorization": f"Bearer {site.token}"}
    with JupyterKernelClient(server_url=site.notebooks.rstrip("/"), token=None, headers=fields) as kernel:

        def run(code: str) -> str:
            try:
                reply = kernel.execute(code, timeout=_LOST_SECONDS)
            except TimeoutError:
                return ""
            return "".join(output.get("text", "") for output in reply["outputs"])

        client = kernel._manager.client

        def complete(code: str) -> list[str]:
            asked = client.complete(code, len(code))
            while (reply := client.shell_channel.get_msg(timeout=_SECONDS))["parent_header"].get("msg_id") != asked:
                pass
            found: list[str] = reply["content"]["matches"]
            return found

        yield Peer(run, complete)


#: How to start each peer.
PEERS = {FLOOR: local_kernel, JUPYTER_CONSOLE: jupyter_console, KERNEL_CLIENT: kernel_client}
#: The command of the one that has a prompt.
CONSOLE_COMMAND = [sys.executable, "-m", "jupyter_console"]
