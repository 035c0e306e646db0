"""Where things lie in a user's folder (pure path arithmetic)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class UserFolder:
    """The folder of one user, ``notebook_folder/{slug}``.

    Attributes:
        path: the folder itself, 0700.
    """

    path: Path

    @property
    def work(self) -> Path:
        """The user's notebooks."""
        return self.path / "work"

    @property
    def runtime(self) -> Path:
        """What the user server keeps for itself."""
        return self.path / "runtime"

    @property
    def pid_file(self) -> Path:
        """Pid file of the daemon that the manager starts."""
        return self.path / "notebook.pid"

    @property
    def options_file(self) -> Path:
        """:class:`~pyramid_notebook.record.ServerOptions` for the daemon."""
        return self.runtime / "context.json"

    @property
    def lock_file(self) -> Path:
        """Held by whoever starts or stops the server of this user."""
        return self.runtime / "launch.lock"

    @property
    def launching_file(self) -> Path:
        """Identity of the process that is starting a server just now."""
        return self.runtime / "launching"

    @property
    def signed_out_file(self) -> Path:
        """When the user last signed out of the site, in seconds since the epoch."""
        return self.runtime / "signed-out"

    @property
    def stdout_log(self) -> Path:
        """Standard output of the daemon."""
        return self.path / "notebook.stdout.log"

    @property
    def stderr_log(self) -> Path:
        """Standard error and log of the daemon."""
        return self.path / "notebook.stderr.log"


def record_file(pid_file: Path) -> Path:
    """Return where the daemon with this pid file keeps its :class:`~pyramid_notebook.record.ServerRecord`."""
    return pid_file.with_name(pid_file.name + ".json")


def daemon_lock_file(pid_file: Path) -> Path:
    """Return what the daemon with this pid file holds locked as long as it lives; its text names who has it."""
    return pid_file.with_name(pid_file.name + ".lock")


def visits_folder(root: Path, segment: str) -> Path:
    """Return where the notebooks' own host keeps what it knows of the visits of one user.

    Args:
        root: the notebook folder.
        segment: that stands for the user.
    """
    return root / ".handover" / "visits" / segment
