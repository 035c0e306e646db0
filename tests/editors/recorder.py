"""What an editor calls in these tests, and what the real client makes of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from pyramid_notebook import cli

from . import recording_program

#: Names that a shell, or an editor's own command line, would read as something else.
ODD_NAMES = (
    "plain.sync.py",
    "two words.sync.py",
    "it's.sync.py",
    'say "hi".sync.py',
    "two\nlines.sync.py",
    "100%.sync.py",
    "%:p.sync.py",
    "#1 #.sync.py",
    "$(touch stolen)`touch stolen`.sync.py",
    "; touch stolen;.sync.py",
    "back\\slash.sync.py",
    "*[a]?{b}.sync.py",
    "-dash.sync.py",
    "<cword>~!&|.sync.py",
    "zażółć ✓.sync.py",
    "$FilePath$ ${file} %{cursor_line}.sync.py",
)


class Recorder:
    """A program ``pyramid-notebook`` that writes down how it was called.

    Attributes:
        program: path of the program.
        folder: where it looks for what to do, and writes what happened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "recorded"
        self.folder.mkdir(parents=True)
        self.program = folder / "pyramid-notebook"
        source = Path(recording_program.__file__).read_text()
        self.program.write_text(f"#!{sys.executable} -SE\n{source}")
        self.program.chmod(0o755)

    def answer(
        self, command: str, *, out: str = "", err: str = "", code: int = 0, write: dict[str, str] | None = None
    ) -> None:
        """Say what a command prints, ends with and writes to files; ``sync.2`` is the second sync only."""
        text = json.dumps({"out": out, "err": err, "code": code, "write": write or {}})
        (self.folder / f"{command}.json").write_text(text)

    def hold(self, command: str) -> Path:
        """Let a call, such as ``sync.1``, wait until something is written to the pipe that is returned."""
        gate = self.folder / f"{command}.gate"
        os.mkfifo(gate)
        return gate

    @property
    def calls(self) -> list[list[str]]:
        return self._read("calls")

    @property
    def ended(self) -> list[list[str]]:
        return self._read("ended")

    def _read(self, name: str) -> list[list[str]]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def environment(self, **more: str) -> dict[str, str]:
        """Return an environment in which the program is the first that is found."""
        path = f"{self.program.parent}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "LANG": "C.UTF-8", **more}


def is_understood(arguments: Sequence[str], folder: Path) -> bool:
    """Return whether the real client understands its arguments.

    Args:
        arguments: of ``pyramid-notebook``; they must name no file that is there.
        folder: an empty one: nobody is signed in there, so that the client goes no further.
    """
    places = {"XDG_CONFIG_HOME": str(folder), "XDG_STATE_HOME": str(folder)}
    left_out = ("PYRAMID_NOTEBOOK_URL", "PYRAMID_NOTEBOOK_TOKEN")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    try:
        with patch.dict(os.environ, kept | places, clear=True):
            code = cli.main(arguments)
    except SystemExit:
        return False
    assert code == 1, code
    return True
