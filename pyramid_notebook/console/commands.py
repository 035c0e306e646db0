"""The parser of ``pyramid-notebook console``; what it does is loaded when it runs."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import SettingsError

#: What each command is for.
COMMANDS = {"console": "type into a kernel of a site, as into IPython"}
#: What the extra brings, as modules.
_PACKAGES = ("requests", "ws4py", "prompt_toolkit", "pygments", "rich", "PIL")
IMAGES = ("auto", "kitty", "iterm2", "sixel", "link")
_EPILOG = (
    "Where standard input is no terminal, its cells run one after another. Exit codes: 0, 1 where a cell failed or the "
    "site does not do what it is asked for, 2 for a command line that cannot be understood, 130 for Ctrl-C."
)


def add_commands(subparsers: Any) -> None:
    """Add the command to those of ``pyramid-notebook``.

    Args:
        subparsers: what :meth:`argparse.ArgumentParser.add_subparsers` returns.
    """
    text = COMMANDS["console"]
    parser = subparsers.add_parser("console", help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=_EPILOG)
    add = parser.add_argument
    add("url", nargs="?", default="", metavar="URL", help="address of the site, or of your notebooks or one of them")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--notebook", default="", metavar="PATH", help="add cells to this notebook, and use its kernel")
    which.add_argument("--kernel", default="", metavar="ID", help="use a kernel that runs")
    add("--new", action="store_true", help="make the notebook that --notebook names; alone, what is done anyway")
    add("--kernel-name", default="", metavar="NAME", help="which kernel to start, such as python3")
    add("--name", default="console", metavar="NAME", help="what others see beside what you run")
    add("--images", default="auto", choices=IMAGES, help="how images are shown, where it is not found out by itself")
    add("--json", action="store_true", help="print what happens as JSON, one event in each line")
    add("--no-browser", action="store_true", help="when signing in, do not open a browser")
    parser.set_defaults(run=_run, parser=parser)


def _run(options: argparse.Namespace) -> int:
    if options.new and options.kernel:
        options.parser.error("--new starts a kernel, and --kernel uses one that runs: give one of both")
    from importlib.util import find_spec

    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        names = ", ".join("pillow" if name == "PIL" else name for name in missing)
        raise SettingsError(f'The console needs {names}. Type: pip install "pyramid_notebook[console]"')
    from .starting import start

    return start(options)
