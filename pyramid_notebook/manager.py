"""Finds, launches, stops and sweeps user servers.

The manager keeps nothing in memory: what runs is read from the users' folders. So several web workers see the same,
and a restarted site finds the servers that still run.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from . import pidfile, processes
from .context import NotebookContext
from .errors import (
    LaunchError,
    LaunchTimeout,
    NotAnswering,
    NotebookError,
    StopError,
    TooManyServers,
    UpstreamError,
    UpstreamGone,
)
from .files import locked, private_folder, read_private, tail, try_lock, write_private
from .functions import remote
from .layout import UserFolder, visits_folder
from .names import slug
from .pidfile import State
from .proxy.upstream import ask
from .record import ServerOptions, ServerRecord
from .settings import Settings
from .spawners.process import ProcessSpawner

_ANSWER_SECONDS = 10.0
_COUNT_SECONDS = 10.0
_NOT_ANSWERING = (
    "Your notebook server runs but does not answer. It may be busy: try again in a moment. If that does not help, shut "
    "it down and start it anew: files stay, variables are lost."
)

_log = logging.getLogger(__name__)
_Found = TypeVar("_Found")


class Stage(StrEnum):
    """What a launch is doing."""

    STARTING = "starting"
    LOADING = "loading"
    OPENING = "opening"


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a launch.

    Attributes:
        stage: what happens now.
        path: URL path of the notebook, with the last stage.
    """

    stage: Stage
    path: str = ""


class NotebookManager:
    """The user servers of one site.

    Args:
        settings: the site's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.root = Path(os.path.realpath(settings.notebook_folder))
        self.spawner = ProcessSpawner(
            python=settings.python, start_timeout=settings.start_timeout, stop_timeout=settings.stop_timeout
        )

    def warm_up(self) -> None:
        """Make launches by this process quicker, when the site wants that (setting ``zygote``)."""
        if self.settings.zygote:
            self.spawner.warm_up()

    def folder(self, username: str) -> UserFolder:
        """Return where a user's things lie; nothing is made."""
        return UserFolder(self.root / slug(username))

    def find(self, username: str) -> ServerRecord | None:
        """Return the record of a user's running server, or None."""
        return self.spawner.find(self.folder(username))

    def servers(self) -> list[ServerRecord]:
        """Return the records of all running servers."""
        return [record for _, record in self._each(self.spawner.find) if record]

    def launch(self, username: str, options: ServerOptions) -> str:
        """Bring a user's server up with a notebook context; see :meth:`launching`.

        Returns:
            URL path of the notebook.
        """
        path = ""
        for progress in self.launching(username, options):
            path = progress.path
        return path

    def launching(self, username: str, options: ServerOptions) -> Iterator[Progress]:
        """Bring a user's server up with a notebook context, step by step.

        However many do this at once, one server comes of it. A server that runs is kept, unless it is gone from its
        address, serves another URL path, or ``context_change`` is ``restart`` and the context is another one. One that
        is being loaded is waited for.

        Args:
            username: the user.
            options: base URL, context and the other things that the daemon must know.

        Yields:
            What happens now; the last one has the notebook's path.

        Raises:
            TooManyServers: ``max_servers`` are running.
            NotAnswering: it runs but is silent; stopping it and starting anew is the way out.
            LaunchTimeout: it took longer than ``start_timeout``.
            LaunchError: it did not come up; the end of its log comes along.
        """
        with _in_words(LaunchError, "started"):
            folder = self._prepare(username)
        yield Progress(Stage.STARTING)
        with _in_words(LaunchError, "started"):
            record = self._bring_up(folder, options)
        yield Progress(Stage.LOADING)
        path = self._install(record, options)
        yield Progress(Stage.OPENING, path)

    def call(self, username: str, path: str, params: Mapping[str, Any] | None = None, *, timeout: float = 60) -> Any:
        """Call a notebook of a user as a function, and return its value; their server is started if need be.

        Nobody is asked whether the caller may: that is what your view has to know. A server that has to be started
        gets what the user's last launch brought along.

        Args:
            username: whose notebook.
            path: of the notebook, below the user's folder.
            params: by name; what JSON can say, and dates, times, UUIDs and decimal numbers.
            timeout: seconds that the call may take; the setting ``function_timeout`` bounds it, too.

        Returns:
            The value; the bytes where the notebook answers with a ``Response`` of another type than JSON.

        Raises:
            BadParameters: they do not fit; all faults are told.
            NotebookFailed: a cell raised an exception.
            CallTimeout: it took too long, and was given up.
            CallError: it returned nothing for another reason; the class says which.
            NoNotebook: there is no such notebook.
            LaunchError: the server did not come up.
            UpstreamError: the server did not answer.
        """
        record = self.find(username)
        if record is None:
            options = self.last_options(username) or self._plain_options(username)
            with _in_words(LaunchError, "started"):  # no notebook is opened for it, so no kernel starts
                options = replace(options, functions=self.settings.functions)
                record = self._bring_up(self._prepare(username), options)
        return remote.call(record, path, params or {}, timeout=timeout)

    def check_place(self, username: str) -> None:
        """Check that this user may have a server now.

        Raises:
            TooManyServers: ``max_servers`` others are running or starting.
        """
        self._check_place(self.folder(username))

    def last_options(self, username: str) -> ServerOptions | None:
        """Return what the user's last launch brought along, or None."""
        text = read_private(self.folder(username).options_file)
        try:
            return ServerOptions.from_json(text) if text else None
        except ValueError:
            return None

    def stop(self, username: str) -> bool:
        """Stop a user's server and everything that it started; open documents are saved first.

        Returns:
            Whether one was running.

        Raises:
            LaunchTimeout: it is being started just now, and that did not end in time.
            StopError: a process is still there after KILL, or the user's folder cannot be used.
        """
        folder = self.folder(username)
        with _in_words(StopError, "stopped"):
            if not folder.runtime.is_dir():
                return False
            with self._locked(folder):
                return self.spawner.stop(folder)

    def sign_out(self, username: str) -> None:
        """End what a user has open in notebooks by sessions of the site, in all web workers and within seconds.

        Their notebook server runs on. A page of theirs that is still signed in, in another browser, connects again.

        Args:
            username: who signed out, or was signed out.
        """
        for file in self._signed_out_files(username):
            if file.parent.is_dir():
                write_private(file, repr(time.time()))

    def signed_out(self, username: str) -> float:
        """Return when a user signed out last, in seconds since the epoch; 0.0 for never."""
        try:
            return max(float(read_private(file) or 0) for file in self._signed_out_files(username))
        except ValueError:
            return 0.0

    def _signed_out_files(self, username: str) -> tuple[Path, Path]:
        """Return where it is written down: a user can have visits and no server yet, or the other way round."""
        return self.folder(username).signed_out_file, visits_folder(self.root, slug(username)) / "signed-out"

    def sweep(self) -> list[str]:
        """Remove what crashed servers left, and stop servers that are past ``max_lifetime``.

        Returns:
            The slugs of the users that it did something for.
        """
        return [folder.path.name for folder, swept in self._each(self._sweep_one) if swept]

    def _sweep_one(self, folder: UserFolder) -> bool:
        lock = try_lock(folder.lock_file)
        if lock is None:  # somebody is starting or stopping it
            return False
        try:
            found = pidfile.examine(folder.pid_file)
            overdue = found.state is State.RUNNING and found.record is not None and _is_overdue(found.record)
            if found.state is State.STALE or overdue:
                self.spawner.stop(folder)
                return True
            return False
        finally:
            os.close(lock)

    def _plain_options(self, username: str) -> ServerOptions:
        base_url = f"/{self.settings.route_prefix.strip('/')}/{slug(username)}/"
        return ServerOptions(
            user=username,
            base_url=base_url,
            ui=self.settings.ui,
            max_lifetime=self.settings.max_lifetime,
            socket_group=self.settings.socket_group,
            context=NotebookContext.from_mapping({"notebook_path": base_url}).to_dict(),
            functions=self.settings.functions,
        )

    def _check_place(self, mine: UserFolder) -> None:
        taken = sum(is_taken for folder, is_taken in self._each(_is_taken) if folder.path != mine.path)
        if taken >= self.settings.max_servers:
            raise TooManyServers(self.settings.max_servers)

    def _prepare(self, username: str) -> UserFolder:
        private_folder(self.root)
        folder = self.folder(username)
        for path in (folder.path, folder.work, folder.runtime):
            private_folder(path)
        return folder

    def _bring_up(self, folder: UserFolder, options: ServerOptions) -> ServerRecord:
        with self._locked(folder):
            record = self.spawner.loaded(folder)
            if record and self._may_stay(folder, record, options):
                write_private(folder.options_file, options.to_json())
                return record
            if record:
                self.spawner.stop(folder)
            context = NotebookContext.from_mapping(options.context)
            kill_timeout = self.settings.kill_timeout if context.kill_timeout is None else context.kill_timeout
            with self._place(folder):
                return self.spawner.start(folder, options, port=context.http_port, kill_timeout=kill_timeout)

    def _may_stay(self, folder: UserFolder, record: ServerRecord, options: ServerOptions) -> bool:
        if record.base_url != options.base_url:
            return False
        if self.settings.context_change == "restart":
            last = self.last_options(record.user)
            if last is None or last.context.get("context_hash") != options.context.get("context_hash"):
                return False
        try:
            ask(record, "GET", f"{record.base_url}-/status", timeout=_ANSWER_SECONDS)
        except UpstreamGone:
            return False
        except UpstreamError as error:  # slow is not gone: its kernels hold what the user calculated
            raise NotAnswering(_NOT_ANSWERING, log=self._log(record)) from error
        return True

    def _install(self, record: ServerRecord, options: ServerOptions) -> str:
        try:
            status, answer = ask(
                record,
                "POST",
                f"{record.base_url}-/context",
                json=options.context,
                timeout=self.settings.start_timeout,
            )
        except UpstreamGone as error:
            raise LaunchError(f"Your notebook server started and went away: {error}", log=self._log(record)) from error
        except UpstreamError as error:
            raise NotAnswering(_NOT_ANSWERING, log=self._log(record)) from error
        path = _path_in(answer)
        if status != 200 or path is None:
            message = f"Your notebook server could not load the notebook (status {status})."
            raise LaunchError(message, log=self._log(record))
        place = "lab/tree/" if options.ui == "lab" else "notebooks/"
        return f"{record.base_url}{place}{quote(path, errors='surrogatepass')}"

    def _log(self, record: ServerRecord) -> str:
        return tail(self.folder(record.user).stderr_log)

    @contextmanager
    def _locked(self, folder: UserFolder) -> Iterator[None]:
        patience = self.settings.start_timeout + self.settings.stop_timeout
        try:
            with locked(folder.lock_file, timeout=patience):
                yield
        except TimeoutError:
            raise LaunchTimeout("Your notebook server is being started or stopped, and that takes too long.") from None

    @contextmanager
    def _place(self, folder: UserFolder) -> Iterator[None]:
        """Hold one of the ``max_servers`` places until the server's own record stands for it."""
        try:
            with locked(self.root / ".count.lock", timeout=_COUNT_SECONDS):
                self._check_place(folder)
                write_private(folder.launching_file, f"{os.getpid()} {processes.identity(os.getpid())}")
        except TimeoutError:
            message = "Too many notebook servers are being started just now. Try again in a moment."
            raise LaunchTimeout(message) from None
        try:
            yield
        finally:
            folder.launching_file.unlink(missing_ok=True)

    def _each(self, look: Callable[[UserFolder], _Found]) -> Iterator[tuple[UserFolder, _Found]]:
        """Look at the folders of all users; one that cannot be used is told in the log and left out."""
        try:
            entries = sorted(self.root.iterdir())
        except OSError:
            return
        for folder in map(UserFolder, entries):
            try:
                if not folder.runtime.is_dir():
                    continue
                found = look(folder)
            except (NotebookError, OSError) as error:
                _log.warning("The user folder %s is left out: %s", folder.path, error)
            else:
                yield folder, found


@contextmanager
def _in_words(kind: type[LaunchError] | type[StopError], done: str) -> Iterator[None]:
    """Turn what a file system refuses into an error for the person who reads the page."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise kind(f"Your notebook server could not be {done}: its folder cannot be used ({reason}).") from error


def _path_in(answer: Any) -> str | None:
    path = answer.get("path") if isinstance(answer, dict) else None
    return path if isinstance(path, str) else None


def _is_taken(folder: UserFolder) -> bool:
    return pidfile.running(folder.pid_file) is not None or _is_launching(folder)


def _is_launching(folder: UserFolder) -> bool:
    pid, _, identity = (read_private(folder.launching_file) or "").partition(" ")
    return pid.isascii() and pid.isdecimal() and len(pid) <= 10 and processes.identity(int(pid)) == identity


def _is_overdue(record: ServerRecord) -> bool:
    return bool(record.max_lifetime) and processes.age(record) > record.max_lifetime + _ANSWER_SECONDS
