"""The command as a process of its own, for what only a process can show."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.running import COMMAND

from .editor_site import TOKEN, EditorSite


@dataclass
class Command:
    """A command that runs; what it prints is collected as it comes."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)
    readers: list[threading.Thread] = field(default_factory=list)

    def collect(self) -> None:
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                self.readers.append(threading.Thread(target=self._read, args=(stream,), daemon=True))
                self.readers[-1].start()

    def _read(self, stream: Any) -> None:
        for line in stream:
            with self.came:
                self.lines.append(line)
                self.came.notify_all()

    def wait_for(self, text: str, number: int = 1) -> str:
        """Wait for so many lines with a text, and return the last of them."""

        def found() -> list[str]:
            return [line for line in self.lines if text in line]

        with self.came:
            assert self.came.wait_for(lambda: len(found()) >= number, 30), (text, self.lines)
            return found()[number - 1]

    def interrupt(self) -> int:
        """Do what Ctrl-C does, and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> int:
        """Wait for its end."""
        code = self.process.wait(30)
        for reader in self.readers:
            reader.join(10)
        return code

    @property
    def output(self) -> str:
        return "".join(self.lines)


def environment(site: EditorSite, home: Path) -> dict[str, str]:
    return {**os.environ, "PYRAMID_NOTEBOOK_URL": site.url, "PYRAMID_NOTEBOOK_TOKEN": TOKEN, "HOME": str(home)}


@contextmanager
def command(site: EditorSite, home: Path, *arguments: str, **streams: Any) -> Iterator[Command]:
    """Run a command until the test is over."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", COMMAND, *arguments], cwd=home, env=environment(site, home), text=True, **streams
    )
    running = Command(process)
    running.collect()
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
