"""What the commands print: answers to standard output, what went wrong to standard error, one line each."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


def say(line: str) -> None:
    """Print a line to standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say_json(values: Mapping[str, Any]) -> None:
    """Print an object as one line of JSON, at once; it is ASCII, so that nothing in it controls a terminal."""
    say(json.dumps(values))


def complain(line: str) -> None:
    """Print a line to standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
