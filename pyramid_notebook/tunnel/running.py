"""Runs one program for which the notebooks of a site are at an address of this machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ..sync.client.sites import TOKEN_VARIABLE, URL_VARIABLE
from .forwarding import forwarding

if TYPE_CHECKING:
    from ..sync.client.sites import Site

_CONFIG_PATH = "JUPYTER_CONFIG_PATH"
_CANNOT_BE_RUN = 127  # as shells say it
#: Some of Jupyter's clients want a token before they begin; none is checked, for the address has a secret.
_ANY_TOKEN = "tunnel"  # noqa: S105 - it opens nothing


def variables(environment: Mapping[str, str], address: str, folder: str) -> dict[str, str]:
    """Return the environment of a program.

    ``JUPYTER_URL`` and ``JUPYTER_TOKEN`` are what jupyter-mcp-server reads, and what a program of one's own may read;
    ``JUPYTER_GATEWAY_URL`` is for JupyterLab and all others that run on jupyter_server; ``jupyter konsole`` has its
    address from a file only.

    Args:
        environment: that of this process; variables with a token of ours are left out.
        address: where the notebooks are, with a slash at its end.
        folder: an empty one, for files that the program's Jupyter reads its configuration from.
    """
    kept = {name: value for name, value in environment.items() if name not in (TOKEN_VARIABLE, URL_VARIABLE)}
    plain = address.rstrip("/")
    konsole = {"KonsoleApp": {"server_url": plain, "token": _ANY_TOKEN}}
    Path(folder, "jupyter_konsole_config.json").write_text(json.dumps(konsole))
    found = kept.get(_CONFIG_PATH)
    return {
        **kept,
        "JUPYTER_URL": plain,
        "JUPYTER_TOKEN": _ANY_TOKEN,
        "JUPYTER_GATEWAY_URL": plain,
        _CONFIG_PATH: f"{folder}{os.pathsep}{found}" if found else folder,
    }


def run(site: Site, command: Sequence[str], port: int) -> int:
    """Run a program, or none, until it ends; returns its exit code.

    Args:
        site: what the tunnel leads to.
        command: the program and its arguments; empty to print the address and wait for Ctrl-C.
        port: of this machine; 0 for any that is free.

    Raises:
        OSError: somebody else listens at that port.
    """
    return asyncio.run(_run(site, command, port))


async def _run(site: Site, command: Sequence[str], port: int) -> int:
    async with forwarding(site, port) as address:
        if not command:
            sys.stdout.write(f"{address}\n")
            sys.stdout.flush()
            await asyncio.Event().wait()
        with ExitStack() as held:
            folder = held.enter_context(tempfile.TemporaryDirectory(prefix="pnb-tunnel-"))
            loop = asyncio.get_running_loop()
            # Ctrl-C goes to the program as well, and it is the program's to end of it
            loop.add_signal_handler(signal.SIGINT, lambda: None)
            try:
                process = await asyncio.create_subprocess_exec(*command, env=variables(os.environ, address, folder))
            except OSError as error:
                sys.stderr.write(f"pyramid-notebook: {command[0]} cannot be run: {error.strerror}\n")
                return _CANNOT_BE_RUN
            loop.add_signal_handler(signal.SIGTERM, process.terminate)
            code = await process.wait()
            return code if code >= 0 else 128 - code
