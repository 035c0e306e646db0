"""Real programs on a real terminal's screen, which can be typed into and drawn as HTML.

The terminal is Vim's own (``:help terminal``): one Vim without a screen holds them, and does what it is told over a
channel (``:help channel-commands``).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

_HOLDER = """
let g:channel = ch_open('127.0.0.1:{port}', {{'mode': 'json'}})
while ch_status(g:channel) ==# 'open'
  sleep 10m
endwhile
qall!
"""


class Terminal:
    """One terminal.

    Args:
        holder: connection to the Vim that holds it.
        number: of its buffer there.
        rows: of its screen.
    """

    def __init__(self, holder: Holder, number: int, rows: int) -> None:
        self._holder, self._number, self._rows = holder, number, rows
        self._attributes: dict[tuple[int, str], bool] = {}

    def type(self, keys: str) -> None:
        """Type, as on a keyboard; a line's end is a carriage return."""
        self._holder.call("term_sendkeys", self._number, keys)

    @property
    def text(self) -> str:
        """What is on the screen; a line that is too long for it goes on in the next."""
        return "\n".join("".join(cell["chars"] or " " for cell in row).rstrip() for row in self._cells())

    def html(self) -> str:
        """Return the screen as a ``pre`` with its colours."""
        cursor_row, cursor_column, cursor = self._holder.call("term_getcursor", self._number)
        lines = []
        for number, row in enumerate(self._cells(), 1):
            spans = []
            for column, cell in enumerate(row, 1):
                is_cursor = cursor["visible"] and (number, column) == (cursor_row, cursor_column)
                front, back = (cell["bg"], cell["fg"]) if is_cursor else (cell["fg"], cell["bg"])
                if self._is(cell, "reverse"):
                    front, back = back, front
                weight = "bold" if self._is(cell, "bold") else "normal"
                style = f"color:{front};background:{back};font-weight:{weight}"
                spans.append(f'<span style="{style}">{escape(cell["chars"] or " ")}</span>')
            lines.append("".join(spans))
        return "<pre>{}</pre>".format("\n".join(lines))

    def _is(self, cell: Mapping[str, Any], what: str) -> bool:
        key = (int(cell["attr"]), what)
        if key not in self._attributes:
            self._attributes[key] = bool(self._holder.call("term_getattr", *key))
        return self._attributes[key]

    def _cells(self) -> list[list[dict[str, Any]]]:
        rows = (self._holder.call("term_scrape", self._number, row) for row in range(1, self._rows + 1))
        return [row or [{"chars": " ", "fg": "#000000", "bg": "#ffffff", "attr": 0}] for row in rows]


class Holder:
    """The Vim that holds terminals.

    Args:
        connection: over which it does what it is told.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = ""
        self._number = 0

    def start(
        self, command: Sequence[str], folder: Path, *, rows: int, columns: int, environment: Mapping[str, str]
    ) -> Terminal:
        """Start a program on a terminal of its own.

        Args:
            command: program and arguments.
            folder: where it runs.
            rows: height of the screen.
            columns: width of the screen.
            environment: variables that it has beside those of this process.
        """
        options = {
            "hidden": 1,
            "term_rows": rows,
            "term_cols": columns,
            "term_kill": "kill",
            "cwd": str(folder),
            "env": {"TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
        }
        return Terminal(self, self.call("term_start", list(command), options), rows)

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of Vim's."""
        self._number -= 1
        self._connection.sendall(json.dumps(["call", function, list(arguments), self._number]).encode())
        while True:
            try:
                answer, end = json.JSONDecoder().raw_decode(self._received)
            except ValueError:
                part = self._connection.recv(1 << 16)
                if not part:
                    raise ConnectionError("Vim has ended") from None
                self._received = (self._received + part.decode()).lstrip()
                continue
            self._received = self._received[end:].lstrip()
            if answer[0] == self._number:
                return answer[1]


@contextmanager
def terminals(folder: Path, environment: Mapping[str, str]) -> Iterator[Holder]:
    """Run a Vim that holds terminals; what runs there ends with it.

    Args:
        folder: for its script.
        environment: all variables that it has.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        script = folder / "holder.vim"
        script.write_text(_HOLDER.format(port=server.getsockname()[1]))
        vim = subprocess.Popen(
            ["vim", "-N", "-u", "NONE", "-i", "NONE", "-n", "-es", "-S", str(script)],
            env={**environment, "TERM": "xterm-256color", "LANG": "C.UTF-8", "SHELL": "/bin/sh"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            process_group=0,
        )
        try:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(20)
                yield Holder(connection)
        finally:
            try:
                vim.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(vim.pid, 9)
                vim.wait()
