"""Shows a long text page by page, with what the user has for that."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

from .screen import Screen

_USUAL = "less"
#: How less shows a text with colours, where the user says nothing else.
_LESS = "-R"


def page(text: str, screen: Screen) -> None:
    """Show a text: at once where it fits on the screen, else by ``$PAGER`` or less.

    Args:
        text: that cannot control the terminal but for its colours.
        screen: where.
    """
    _, rows = screen.size
    command = shlex.split(os.environ.get("PAGER", "")) or [_USUAL]
    if text.count("\n") + 3 < rows or not shutil.which(command[0]):
        screen.fresh_line()
        screen.write(text.rstrip("\n") + "\n")
        return
    with screen.held():
        environment = {"LESS": _LESS, **os.environ}
        subprocess.run(command, input=text.encode("utf-8", "replace"), env=environment, check=False)
