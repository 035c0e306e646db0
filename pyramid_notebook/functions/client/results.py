"""Where a result goes: to a file, to a program, or to a terminal."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from ...errors import SiteError
from ...site_client import shown
from ...sync.client.safe_text import safe
from ...sync.client.source import FileTrouble
from .asking import Answer

STDOUT = "-"


def check_output(path: str) -> None:
    """Find out before a call whether its result can be written.

    Raises:
        FileTrouble: it cannot.
    """
    if path == STDOUT:
        return
    folder = os.path.dirname(os.path.realpath(path))  # noqa: PTH120
    if os.path.isdir(path):  # noqa: PTH112
        raise FileTrouble(f"{path} is a folder.")
    if not os.path.isdir(folder):  # noqa: PTH112
        raise FileTrouble(f"The folder {folder} does not exist.")
    if not os.access(folder, os.W_OK):
        raise FileTrouble(f"The folder {folder} cannot be written to.")


def write(answer: Answer, path: str) -> None:
    """Write what a notebook has returned.

    Args:
        answer: its body is read here.
        path: of a file that is replaced in one step, or ``-``. What a terminal gets is made readable, and cannot
            control it; a program gets the bytes as they came.

    Raises:
        SiteError: the answer breaks off, or is nothing that a terminal can show.
        FileTrouble: the file cannot be written.
    """
    if path != STDOUT:
        with _replaced(path) as file:
            file.writelines(answer.chunks())
    elif sys.stdout.isatty():
        _show(answer)
    else:
        sys.stdout.flush()
        for chunk in answer.chunks():
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def _show(answer: Answer) -> None:
    body = answer.read()
    is_json = answer.type == "application/json" or answer.type.endswith("+json")
    if not body:
        return
    if not is_json and not answer.type.startswith("text/"):
        raise SiteError(f"The result is {shown(answer.type)}, {len(body)} bytes: name a file for it with -o.")
    text = body.decode("utf-8", "replace")
    if is_json:
        with suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    shown_text = safe(text, colours=False)
    sys.stdout.write(shown_text if shown_text.endswith("\n") else f"{shown_text}\n")


@contextmanager
def _replaced(path: str) -> Iterator[BinaryIO]:
    """Give a file that takes the place of another one when all is written; pipes and devices are written to."""
    real = os.path.realpath(path)
    try:
        status = os.stat(real) if os.path.exists(real) else None  # noqa: PTH110, PTH116
        if status and not stat.S_ISREG(status.st_mode):
            with open(real, "wb") as file:  # noqa: PTH123
                yield file
            return
        folder, name = os.path.split(real)
        temporary = os.path.join(folder, f".{name[:100]}.{os.urandom(8).hex()}")  # noqa: PTH118
        try:
            with open(temporary, "xb") as file:  # noqa: PTH123
                if status:
                    os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
                yield file
            os.replace(temporary, real)  # noqa: PTH105
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108
    except OSError as error:
        raise FileTrouble(f"{path} cannot be written: {error.strerror or error}.") from None
