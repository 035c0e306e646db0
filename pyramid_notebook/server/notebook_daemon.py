#!/usr/bin/env python
"""Starts and stops a user server as a UNIX daemon.

usage: notebook_daemon.py start|restart|fg PIDFILE FOLDER PORT KILL_TIMEOUT [extra...]
       notebook_daemon.py stop|status PIDFILE [FOLDER PORT KILL_TIMEOUT]

PIDFILE       file with the daemon's process id; what it writes down about itself lies beside it
FOLDER        folder of the user: notebooks in work/, logs in notebook.stdout.log and notebook.stderr.log
PORT          loopback port to listen on, 0 for a unix socket that only this UNIX user can reach
KILL_TIMEOUT  seconds without activity after which the server ends by itself, 0 for never
extra         more arguments for Jupyter Server, such as --debug

Exit codes: 0 done; 2 wrong arguments; 3 not running; 4 already running; 5 the pid file was stale;
6 the pid file names somebody else's process; 7 the folder cannot be used; 8 the port is busy;
9 the server did not start; 10 processes could not be ended; 66 fg: ended by the dead-man switch.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import IO

if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
    del sys.path[0]  # run as a script: the modules beside us must not pass for top-level ones

from pyramid_notebook import pidfile, processes
from pyramid_notebook.errors import StopError, UnsafePath
from pyramid_notebook.files import group_id, make_scratch, private_folder, read_private, tail, try_lock, write_private
from pyramid_notebook.layout import UserFolder, daemon_lock_file
from pyramid_notebook.pidfile import Examined, State
from pyramid_notebook.record import LAUNCH_VARIABLE, ServerOptions, ServerRecord

_DYING_SECONDS = 2.0
STOP_SECONDS = 10.0
_LOG_LIMIT = 1_000_000
_READY = b"ready"


class Exit(IntEnum):
    """Exit codes, as the usage tells them."""

    OK = 0
    USAGE = 2
    NOT_RUNNING = 3
    ALREADY_RUNNING = 4
    STALE = 5
    FOREIGN = 6
    FOLDER = 7
    PORT = 8
    FAILED = 9
    NOT_STOPPED = 10


class Failure(Exception):
    """Ends the command: one line for people, one code for programs."""

    def __init__(self, code: Exit, line: str) -> None:
        super().__init__(line)
        self.code = code


@dataclass(frozen=True, slots=True)
class Arguments:
    """The command line, checked."""

    action: str
    pid_file: Path
    folder: UserFolder
    port: int
    kill_timeout: int
    extra: tuple[str, ...]


def parse(argv: Sequence[str]) -> Arguments:
    """Return the checked command line.

    Raises:
        Failure: something is missing or no number.
    """
    actions = {"start": 5, "restart": 5, "fg": 5, "stop": 2, "status": 2}
    if not argv or argv[0] not in actions or len(argv) < actions[argv[0]]:
        raise Failure(Exit.USAGE, (__doc__ or "").partition("\n\n")[2].rstrip())
    action, pid_file, *rest = argv
    folder, port, kill_timeout, *extra = [*rest, *(str(Path(pid_file).parent), "0", "0")[len(rest) :]]
    for name, value, maximum in (("PORT", port, 65535), ("KILL_TIMEOUT", kill_timeout, 10**9)):
        if not (value.isascii() and value.isdecimal() and int(value) <= maximum):
            raise Failure(Exit.USAGE, f"{name} must be a whole number from 0 to {maximum}, not {value!r}.")
    user_folder = UserFolder(Path(folder).absolute())
    return Arguments(action, Path(pid_file).absolute(), user_folder, int(port), int(kill_timeout), tuple(extra))


def prepare(arguments: Arguments) -> int:
    """Check everything that can be checked before a start.

    Returns:
        Descriptor of the lock that the daemon holds as long as it lives.

    Raises:
        Failure: it runs already, or cannot run; the code tells which.
        UnsafePath: its socket cannot be given to the group that the options name.
    """
    folder = arguments.folder
    try:
        for path in (folder.path, folder.work, folder.runtime):
            private_folder(path)
            if not os.access(path, os.W_OK | os.X_OK):
                raise UnsafePath(f"The folder {path} cannot be written to.")
        lock, found = _lock(arguments)
    except (UnsafePath, OSError) as error:
        raise Failure(Exit.FOLDER, f"Cannot use the folder: {error}") from error
    if found.state is State.RUNNING and found.record:
        raise Failure(Exit.ALREADY_RUNNING, f"Already running: pid {found.pid} at {found.record.address}.")
    if lock is None:
        raise Failure(Exit.ALREADY_RUNNING, f"Already being started: {arguments.pid_file} is locked.")
    if found.state is State.FOREIGN:
        raise Failure(
            Exit.FOREIGN,
            f"{arguments.pid_file} names process {found.pid}, which is no notebook daemon. "
            "Remove the file if that is right.",
        )
    if found.state is State.STALE:
        say(f"Removed a stale pid file: {_gone(found)}.")
        pidfile.stop(arguments.pid_file, timeout=STOP_SECONDS)
    _check_group(arguments)
    if arguments.port and not _port_is_free(arguments.port):
        raise Failure(Exit.PORT, f"Port {arguments.port} is busy. Choose another one, or 0 for a unix socket.")
    try:
        pidfile.hold(lock, _this_process())  # from now on it can be found and ended, whatever becomes of our caller
    except OSError as error:
        raise Failure(Exit.FOLDER, f"Cannot use the folder: {error}") from error
    return lock


def _lock(arguments: Arguments) -> tuple[int | None, Examined]:
    """Take the lock, if nobody has it, and return what the pid file says.

    That of a process that was killed is waited for: its threads, and so its descriptors, end a moment later.
    """
    lock, found = try_lock(daemon_lock_file(arguments.pid_file)), pidfile.examine(arguments.pid_file)
    deadline = time.monotonic() + _DYING_SECONDS
    while lock is None and found.state is State.STALE and time.monotonic() < deadline:
        time.sleep(0.01)  # flock(2) has no timeout
        lock = try_lock(daemon_lock_file(arguments.pid_file))
    return lock, found


def _check_group(arguments: Arguments) -> None:
    with suppress(ValueError):  # options that cannot be read are told of by `serve`
        group = _options(arguments).socket_group
        if group and not arguments.port:
            group_id(group)


def _options(arguments: Arguments) -> ServerOptions:
    text = read_private(arguments.folder.options_file)
    return ServerOptions(user=arguments.folder.path.name) if text is None else ServerOptions.from_json(text)


def _this_process() -> ServerRecord:
    identity = processes.identity(os.getpid()) or ""
    return ServerRecord(pid=os.getpid(), identity=identity, launch_id=secrets.token_hex(16), started=time.time())


def _gone(found: Examined) -> str:
    return "it names no process" if found.pid is None else f"process {found.pid} is gone"


def start(arguments: Arguments) -> int:
    """Start the daemon and wait until it listens."""
    lock = prepare(arguments)
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        _become_daemon(arguments, lock, writing)
    os.close(writing)
    os.close(lock)
    with os.fdopen(reading, "rb") as pipe:
        ready = pipe.read() == _READY  # the end of the pipe is the end of the daemon
    record = pidfile.running(arguments.pid_file)
    if not ready or record is None:
        log = tail(arguments.folder.stderr_log)
        raise Failure(Exit.FAILED, f"The server did not start. The end of {arguments.folder.stderr_log}:\n{log}")
    say(f"Started: pid {record.pid} at {record.address}.")
    return Exit.OK


def _become_daemon(arguments: Arguments, lock: int, writing: int) -> None:
    from daemon import DaemonContext

    with _log(arguments.folder.stdout_log) as stdout, _log(arguments.folder.stderr_log) as stderr:
        context = DaemonContext(
            working_directory=str(arguments.folder.runtime),
            umask=0o077,
            detach_process=True,
            files_preserve=[lock, writing],
            stdout=stdout,
            stderr=stderr,
        )
        context.open()

        def ready() -> None:
            os.write(writing, _READY)
            os.close(writing)

        code = serve(arguments, lock, ready)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # the caller's exit handlers are not ours


def serve(arguments: Arguments, lock: int, ready: Callable[[], None]) -> int:
    """Run the server in this process until it ends; returns the exit code."""
    this = _this_process()
    os.environ[LAUNCH_VARIABLE] = this.launch_id
    options = _options(arguments)
    group = "" if arguments.port else options.socket_group
    record = replace(
        this,
        user=options.user,
        base_url=options.base_url,
        scratch=str(make_scratch(group)),
        secret=secrets.token_urlsafe(32),
        kill_timeout=arguments.kill_timeout,
        max_lifetime=options.max_lifetime,
        socket_group=group,
    )

    def listening(whole: ServerRecord) -> None:
        nonlocal record
        record = whole
        pidfile.remember(arguments.pid_file, record)
        ready()

    try:
        pidfile.hold(lock, record)
        pidfile.remember(arguments.pid_file, record)
        write_private(arguments.pid_file, f"{record.pid}\n")
        _skip_slow_import()
        from pyramid_notebook.server.application import run

        return run(arguments.folder, options, record, port=arguments.port, extra=arguments.extra, ready=listening)
    finally:
        pidfile.forget(arguments.pid_file, record)


def foreground(arguments: Arguments) -> int:
    """Run the server in the foreground, with its log on the terminal."""
    lock = prepare(arguments)
    os.umask(0o077)
    os.chdir(arguments.folder.runtime)
    return serve(arguments, lock, lambda: say(f"Serving: pid {os.getpid()}. Press Ctrl-C twice to end."))


def stop(arguments: Arguments) -> int:
    """End the daemon and all that it started."""
    found = pidfile.examine(arguments.pid_file)
    if found.state is State.FOREIGN:
        raise Failure(
            Exit.FOREIGN, f"{arguments.pid_file} names process {found.pid}, which is no notebook daemon: left alone."
        )
    if found.state is State.ABSENT:
        raise Failure(Exit.NOT_RUNNING, f"Not running: there is no {arguments.pid_file}.")
    pidfile.stop(arguments.pid_file, timeout=STOP_SECONDS)
    if found.state is State.STALE:
        raise Failure(Exit.STALE, f"It was not running; the stale {arguments.pid_file} was removed.")
    say(f"Stopped: pid {found.pid}.")
    return Exit.OK


def restart(arguments: Arguments) -> int:
    """Stop the daemon if it runs, and start it."""
    if pidfile.examine(arguments.pid_file).state in (State.RUNNING, State.STALE):
        pidfile.stop(arguments.pid_file, timeout=STOP_SECONDS)
    return start(arguments)


def status(arguments: Arguments) -> int:
    """Tell how the daemon is doing."""
    found = pidfile.examine(arguments.pid_file)
    if found.state is State.ABSENT:
        raise Failure(Exit.NOT_RUNNING, "Not running.")
    if found.state is State.STALE:
        raise Failure(Exit.STALE, f"Not running, but {arguments.pid_file} is there: {_gone(found)}.")
    if found.state is State.FOREIGN or found.record is None:
        raise Failure(Exit.FOREIGN, f"{arguments.pid_file} names process {found.pid}, which is no notebook daemon.")
    record = found.record
    say(f"pid:     {record.pid}")
    say(f"address: {record.address}")
    say(f"uptime:  {processes.age(record):.0f} s")
    say(f"idle:    {_idle(record)}")
    say(f"memory:  {processes.memory(record) / 1e6:.0f} MB")
    return Exit.OK


def _idle(record: ServerRecord) -> str:
    from pyramid_notebook.errors import UpstreamError
    from pyramid_notebook.proxy.upstream import ask

    try:
        code, answer = ask(record, "GET", f"{record.base_url}-/status", timeout=5)
    except UpstreamError:
        return "unknown: the server does not answer"
    return f"{answer['idle']:.0f} s{' (busy)' if answer['busy'] else ''}" if code == 200 else f"unknown: status {code}"


@contextmanager
def _log(path: Path) -> Iterator[IO[str]]:
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.replace(path.with_name(path.name + ".old"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        yield file


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def say(line: str) -> None:
    """Print a line for the person at the terminal."""
    print(line, flush=True)  # noqa: T201 - a command line tool


def _skip_slow_import() -> None:
    # jsonschema imports it for formats that Jupyter's schemas do not use; building its grammar takes a second
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def zygote(descriptor: int) -> int:
    """Run commands in forks of this process, as the site asks over a socket."""
    _skip_slow_import()
    from pyramid_notebook.server.zygote import serve as fork_for

    with socket.socket(fileno=descriptor) as control:
        return fork_for(control, main)


def main(argv: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    if len(argv) == 2 and argv[0] == "zygote":  # for the site's own use
        return zygote(int(argv[1]))
    commands = {"start": start, "stop": stop, "restart": restart, "status": status, "fg": foreground}
    try:
        arguments = parse(argv)
        return commands[arguments.action](arguments)
    except Failure as failure:
        return fail(failure.code, failure)
    except UnsafePath as error:
        return fail(Exit.FOLDER, error)
    except StopError as error:
        return fail(Exit.NOT_STOPPED, error)


def fail(code: Exit, reason: Exception) -> Exit:
    """Print why the command failed, and return its exit code."""
    print(reason, file=sys.stderr)  # noqa: T201 - a command line tool
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
