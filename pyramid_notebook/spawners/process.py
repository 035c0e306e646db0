"""User servers as daemons on this machine."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from .. import pidfile, processes
from ..errors import LaunchError, LaunchTimeout
from ..files import tail, write_private
from ..layout import UserFolder
from ..record import ServerOptions, ServerRecord
from .zygote import Zygote

_DAEMON = Path(__file__).parent.parent / "server" / "notebook_daemon.py"
_ALREADY_RUNNING = 4
_POLL_SECONDS = 0.05


class ProcessSpawner:
    """Starts and stops ``notebook_daemon.py``.

    Args:
        python: interpreter to run it with, empty for the one that runs us.
        start_timeout: seconds that a server may take until it listens.
        stop_timeout: seconds that a server has to end by itself.
    """

    def __init__(self, *, python: str, start_timeout: int, stop_timeout: int) -> None:
        self.python = python or _python()
        self.start_timeout = start_timeout
        self.stop_timeout = stop_timeout
        self._zygote = Zygote([self.python, "-P", _DAEMON])

    def warm_up(self) -> None:
        """Make later starts quicker; the manager calls it once, before the first start."""
        self._zygote.warm_up()

    def find(self, folder: UserFolder) -> ServerRecord | None:
        """Return the record of the server that runs and listens; the manager calls it for each request."""
        record = pidfile.running(folder.pid_file)
        return record if record and record.listening else None

    def loaded(self, folder: UserFolder) -> ServerRecord | None:
        """Return the record of the server that runs, when somebody else began to start it: wait until it listens.

        One that takes longer than ``start_timeout``, from its own start on, is stopped. The manager calls it with the
        user's lock held.

        Raises:
            StopError: it cannot be stopped.
        """
        deadline = None
        while (record := pidfile.running(folder.pid_file)) and not record.listening:
            if deadline is None:
                deadline = time.monotonic() + max(0.0, self.start_timeout - processes.age(record))
            if time.monotonic() >= deadline:
                self.stop(folder)
                return None
            time.sleep(_POLL_SECONDS)
        return record

    def start(self, folder: UserFolder, options: ServerOptions, *, port: int, kill_timeout: int) -> ServerRecord:
        """Start a server; the manager calls it with the user's lock held.

        Args:
            folder: the user's folder.
            options: written down for the daemon.
            port: loopback port, 0 for a unix socket.
            kill_timeout: seconds without activity until it ends, 0 for never.

        Returns:
            The record of the server, which listens.

        Raises:
            LaunchTimeout: it took too long; nothing is left running.
            LaunchError: it did not start; the end of its log comes along.
        """
        write_private(folder.options_file, options.to_json())
        arguments = ["start", str(folder.pid_file), str(folder.path), str(port), str(kill_timeout)]
        try:
            done = self._zygote.run(arguments, timeout=self.start_timeout) or self._run(arguments)
        except subprocess.TimeoutExpired:
            self.stop(folder)
            message = f"Your notebook server did not answer within {self.start_timeout} seconds."
            raise LaunchTimeout(message, log=tail(folder.stderr_log)) from None
        except OSError as error:
            raise LaunchError(f"The interpreter {self.python} cannot be run: {error.strerror}.") from error
        record = self.loaded(folder) if done.returncode in (0, _ALREADY_RUNNING) else None
        if record:
            return record
        reason = done.stderr.decode("utf-8", "replace").partition("\n")[0]
        raise LaunchError(
            f"Your notebook server did not start (exit code {done.returncode}). {reason}".rstrip(),
            log=tail(folder.stderr_log),
        )

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self.python, "-P", str(_DAEMON), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=self.start_timeout,
            check=False,
        )

    def stop(self, folder: UserFolder) -> bool:
        """Stop the server and all that it started; returns whether one was running.

        Raises:
            StopError: a process is still there after KILL.
        """
        return pidfile.stop(folder.pid_file, timeout=self.stop_timeout)


def _python() -> str:
    if "uwsgi" in sys.modules:  # then sys.executable is uWSGI itself, or a Python outside the virtual environment
        return str(Path(sys.prefix, "bin", "python"))
    return sys.executable
