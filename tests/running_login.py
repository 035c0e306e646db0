"""Runs the real command ``pyramid-notebook`` as a process of its own, with an empty home."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyramid_notebook.credentials import CredentialFile

from .running import COMMAND, ROOT

_DESKTOP = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "XDG_CONFIG_HOME")


@dataclass
class Login:
    """A command that runs."""

    process: subprocess.Popen[str]

    def read_until(self, pattern: str) -> re.Match[str]:
        """Return the first match of a pattern in a line that it prints."""
        assert self.process.stdout
        seen = ""
        for line in self.process.stdout:
            seen += line
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{seen}{self.process.stderr.read() if self.process.stderr else ''}")

    def code(self) -> str:
        """Return the code that it shows."""
        return self.read_until(r"\b[A-Z]{4}-[A-Z]{4}\b")[0]

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str, str]:
        """Return its exit code, and what it printed since and complained of."""
        output, errors = self.process.communicate(timeout=60)
        return self.process.returncode, output, errors


@dataclass(frozen=True)
class Laptop:
    """A user's own machine: a home folder, and commands that run there, with the standard library and us alone."""

    home: Path

    @property
    def credentials(self) -> CredentialFile:
        return CredentialFile(self.home / ".config" / "pyramid-notebook" / "credentials.json")

    @contextmanager
    def start(self, *arguments: str, **environment: str) -> Iterator[Login]:
        inherited = {name: value for name, value in os.environ.items() if name not in _DESKTOP}
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", COMMAND, *arguments],
            env={**inherited, "HOME": str(self.home), "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
        )
        try:
            yield Login(process)
        finally:
            process.kill()
            process.communicate()

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Return exit code, output and complaints of a command."""
        with self.start(*arguments, **environment) as command:
            return command.end()
