"""Files and folders that only we may touch.

Files are written to a temporary file beside them and renamed, so that a reader sees the old text or the new one.
They are 0600 whatever the umask. Nothing is read, written or removed through a link, or in a folder of somebody else.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import UnsafePath
from .names import SCRATCH_PREFIX

_RETRY_SECONDS = 0.02
_SHORT_TEMPORARY_FOLDER = "/tmp"  # noqa: S108 - mkdtemp makes it safe


def private_folder(path: Path) -> Path:
    """Make a folder that only we can enter, or check and tighten one that exists.

    Args:
        path: the folder; missing parents are made as well, 0700.

    Returns:
        The same path.

    Raises:
        UnsafePath: the path is a link, not a folder, not ours, or cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        status = path.lstat()
    except OSError as error:
        raise UnsafePath(f"The folder {path} cannot be made: {error.strerror}.") from error
    if not stat.S_ISDIR(status.st_mode):
        raise UnsafePath(f"{path} is not a folder (links are not followed).")
    if status.st_uid != os.geteuid():
        raise UnsafePath(f"The folder {path} belongs to another user.")
    if stat.S_IMODE(status.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> None:
    """Replace a file's text in one step; the file is 0600.

    Args:
        path: a file in a folder of ours.
        text: its new text, written as UTF-8.
    """
    # as tempfile does it, which takes a while to load, and editors wait for us
    temporary = path.with_name(f".{path.name[:100]}.{os.urandom(8).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
            os.fchmod(descriptor, 0o600)
            file.write(text)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_private(path: Path) -> str | None:
    """Return the text of a file that is ours, or None where there is none.

    What is not UTF-8 was not written by us: it counts as an empty text.

    Raises:
        UnsafePath: the path is a link, not a regular file, or belongs to another user.
    """
    try:
        # O_NONBLOCK: a pipe put in the file's place must not block us
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnsafePath(f"{path} cannot be read: {error.strerror}.") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        os.close(descriptor)
        raise UnsafePath(f"{path} is not a file of ours.")
    with os.fdopen(descriptor, encoding="utf-8", errors="surrogatepass", newline="") as file:
        try:
            return file.read()
        except UnicodeDecodeError:
            return ""


def try_lock(path: Path) -> int | None:
    """Take the lock that a file stands for, if nobody has it.

    Returns:
        A descriptor; closing it, or the end of the process, gives the lock back. None where somebody has it.

    Raises:
        UnsafePath: the path is a link.
        OSError: the file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnsafePath(f"{path} is a link (links are not followed).") from error
        raise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise
    return descriptor


def write_locked(descriptor: int, text: str) -> None:
    """Replace the text of a lock file that we hold; readers look at it without the lock.

    Args:
        descriptor: from :func:`try_lock`.
        text: its new text; up to 4 KB are written in one step.
    """
    data = text.encode()
    os.pwrite(descriptor, data.ljust(os.fstat(descriptor).st_size), 0)  # never shorter, so never half old, half new
    os.ftruncate(descriptor, len(data))


@contextmanager
def locked(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold the lock that a file stands for, across threads and processes.

    Args:
        path: the lock file; it is made when missing and stays.
        timeout: seconds to wait for it.

    Raises:
        TimeoutError: somebody else held it all the time.
    """
    deadline = time.monotonic() + timeout
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path.name} is held by somebody else")
        time.sleep(_RETRY_SECONDS)  # flock(2) has no timeout
    try:
        yield
    finally:
        os.close(descriptor)


def tail(path: Path, *, lines: int = 20) -> str:
    """Return the last lines of a log file, at most 8 KB, or an empty text."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def group_id(name: str) -> int:
    """Return the id of a UNIX group to which we may give files.

    Raises:
        UnsafePath: there is no such group, or we are not in it.
    """
    import grp

    try:
        number = grp.getgrnam(name).gr_gid
    except KeyError:
        raise UnsafePath(f"There is no UNIX group {name!r}; see the setting socket_group.") from None
    if os.geteuid() != 0 and number not in (os.getegid(), *os.getgroups()):
        raise UnsafePath(f"The site's UNIX user is not in the group {name!r}; see the setting socket_group.")
    return number


def make_scratch(group: str = "") -> Path:
    """Make the folder of one launch for its sockets, with a short path.

    Args:
        group: name of a UNIX group that may pass through it, and owns what is made in it; then it is 02710, else
            0700. Nobody of the group can tell what is there, and what we make is closed to them by our umask.

    Raises:
        UnsafePath: see :func:`group_id`.
    """
    # a socket's path has at most 107 bytes (unix(7)); those of kernels take up to 60 below their folder
    import tempfile

    folder = tempfile.gettempdir()
    short = folder if len(os.fsencode(folder)) <= 32 else _SHORT_TEMPORARY_FOLDER
    number = group_id(group) if group else None
    path = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=short))
    if number is not None:
        os.chown(path, -1, number)
        path.chmod(0o2710)
    return path


def remove_scratch(path: Path) -> None:
    """Remove a folder that :func:`make_scratch` made; anything else of that name is left alone."""
    try:
        status = path.lstat()
    except OSError:
        return
    import tempfile

    places = {os.path.realpath(place) for place in (tempfile.gettempdir(), _SHORT_TEMPORARY_FOLDER)}
    # Jupyter adds the sticky bit to its runtime folder
    is_private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o777 in (0o700, 0o710)
    is_named = path.name.startswith(SCRATCH_PREFIX) and os.path.realpath(path.parent) in places
    if is_private and is_named and status.st_uid == os.geteuid():
        import shutil

        shutil.rmtree(path, ignore_errors=True)
