"""The parser of ``pyramid-notebook tunnel``; what it does is loaded when it runs."""

from __future__ import annotations

import argparse
import os
from typing import Any

#: What each command is for.
COMMANDS = {"tunnel": "run a program of Jupyter's for which the notebooks of a site are on this machine"}
_EPILOG = (
    "The program finds the address in JUPYTER_URL and JUPYTER_GATEWAY_URL. Examples: pyramid-notebook tunnel jupyter "
    "lab; pyramid-notebook tunnel jupyter konsole. Without a program the address is printed, and good until Ctrl-C."
)


def add_commands(subparsers: Any) -> None:
    """Add the command to those of ``pyramid-notebook``.

    Args:
        subparsers: what :meth:`argparse.ArgumentParser.add_subparsers` returns.
    """
    text = COMMANDS["tunnel"]
    parser = subparsers.add_parser("tunnel", help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=_EPILOG)
    add = parser.add_argument
    add("--site", default="", metavar="ADDRESS", help="a site that you are signed in to")
    add("--port", type=_port, default=0, metavar="NUMBER", help="port of this machine; any that is free by default")
    add("program", nargs=argparse.REMAINDER, metavar="PROGRAM ...", help="what is run, with its arguments")
    parser.set_defaults(run=_run)


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1
    if not 0 <= port < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a port: 1 to 65535")
    return port


def _run(options: argparse.Namespace) -> int:
    from ..sync.client.sites import choose
    from .running import run

    site = choose("", options.site, os.environ).site
    return run(site, options.program, options.port)
