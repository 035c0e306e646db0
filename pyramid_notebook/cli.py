"""The command ``pyramid-notebook``.

It runs on a user's laptop too: this module and those that add commands load neither Pyramid nor a database before a
command needs them. A command's parser sets ``run``, a function that gets the options and returns the exit code.

Exit codes: 0 for what was done, 1 for what was not, 2 for a command line that cannot be understood or has parameters
that a notebook does not take, 3 for what was done but for conflicts, 4 where the code of a cell failed, 130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

from .errors import NotebookError
from .sync.client import commands as editor_commands

FAILED, INTERRUPTED = 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: what follows the name of the program; None for those of this process.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what a terminal cannot show must not be an error
            stream.reconfigure(errors="backslashreplace")
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser(next(iter(given), "")).parse_args(given)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except NotebookError as error:
        sys.stderr.write(f"pyramid-notebook: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has had enough; Python's own flush at exit must not complain of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (OSError, RuntimeError, UnicodeError) as error:  # a disk, a home folder, or a text that is none
        sys.stderr.write(f"pyramid-notebook: {error}\n")
        return FAILED
    return code


def _parser(command: str) -> argparse.ArgumentParser:
    """Return the parser of a command line that begins with a certain word.

    Editors wait for theirs at every save: no other command is loaded then.
    """
    name = "pyramid-notebook"
    parser = argparse.ArgumentParser(
        prog=name, description="Jupyter notebooks inside a Pyramid site.", formatter_class=editor_commands.Formatter
    )
    # with a name of its own argparse need not format the usage, for which it would load shutil
    shared: dict[str, Any] = {"required": True, "metavar": "COMMAND", "prog": name}
    if command == "call":
        from .functions.client import commands as call_commands

        call_commands.add_commands(parser.add_subparsers(**shared, parser_class=call_commands.Parser))
        return parser
    subparsers = parser.add_subparsers(**shared)
    if command == "console":
        from .console import commands as console_commands

        console_commands.add_commands(subparsers)
        return parser
    if command in editor_commands.COMMANDS:
        editor_commands.add_commands(subparsers, command)
        return parser
    from . import device_login, nginx_config
    from .console import commands as console_commands
    from .functions.client import commands as call_commands
    from .tokens import commands
    from .tunnel import commands as tunnel_commands

    editor_commands.add_commands(subparsers)
    call_commands.add_commands(subparsers)
    console_commands.add_commands(subparsers)
    commands.add_commands(subparsers)
    device_login.add_commands(subparsers)
    tunnel_commands.add_commands(subparsers)
    nginx_config.add_commands(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
