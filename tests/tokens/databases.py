"""Real databases for the tests of the tokens: SQLite files, and a private PostgreSQL server."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg

from tests.running import wait_until

_NUMBERS = count(1)


def _program(name: str) -> str:
    """Return the path of a program of the newest PostgreSQL; Debian keeps them out of the way."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    path = str(found[-1]) if found else shutil.which(name)
    assert path, "The tests of the tokens need PostgreSQL. Type: apt-get install postgresql"
    return path


@dataclass
class PostgreSQL:
    """A server that listens on a socket in its own folder only, and that nothing outside of the tests knows.

    Attributes:
        folder: short path of the folder that holds its data, its log, and its socket.
        user: the UNIX user that it runs as; it refuses to be run by root.
    """

    folder: Path
    user: str
    process: subprocess.Popen[bytes] | None = None

    def initialise(self) -> None:
        subprocess.run(
            [
                *(*self._prefix(), _program("initdb"), "-D", str(self.folder / "data")),
                *("-A", "trust", "-U", "test", "--no-sync", "-E", "UTF8", "--locale=C"),
            ],
            cwd=self.folder,
            check=True,
            capture_output=True,
            timeout=120,
        )

    def start(self) -> None:
        options = ("listen_addresses=", f"unix_socket_directories={self.folder}", "fsync=off", "max_connections=50")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(*self._prefix(), _program("postgres"), "-D", str(self.folder / "data")),
                    *(part for option in options for part in ("-c", option)),
                ],
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, "PostgreSQL answers")

    def stop(self) -> None:
        """End it as its manual says (fast shutdown), through its own program: runuser hands no signal on."""
        subprocess.run(
            [*self._prefix(), _program("pg_ctl"), "-D", str(self.folder / "data"), "-m", "fast", "-w", "stop"],
            cwd=self.folder,
            check=True,
            capture_output=True,
            timeout=60,
        )
        assert self.process
        self.process.wait(20)

    def new_database(self) -> str:
        """Make an empty database, and return its URL."""
        name = f"test{next(_NUMBERS)}"
        with psycopg.connect(host=str(self.folder), user="test", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://test@/{name}?host={self.folder}"

    def _prefix(self) -> list[str]:
        return [] if self.user == pwd.getpwuid(os.geteuid()).pw_name else ["runuser", "-u", self.user, "--"]

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            psycopg.connect(host=str(self.folder), user="test", dbname="postgres").close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """Run a PostgreSQL server of our own, and leave nothing of it."""
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with tempfile.TemporaryDirectory(prefix="pnb-pg-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        server = PostgreSQL(folder, user)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()
