"""Files and folders that only we may touch."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyramid_notebook.errors import UnsafePath
from pyramid_notebook.files import locked, private_folder, read_private, tail, try_lock, write_locked, write_private

from .running import wait_until

NOBODY = 65534
KILLED_WRITERS = 10

KEEP_WRITING = """
import sys
from pathlib import Path
from pyramid_notebook.files import write_private
while True:
    for letter in "ab":
        write_private(Path(sys.argv[1]), letter * 200_000)
"""
HOLD = """
import sys
from pathlib import Path
from pyramid_notebook.files import locked
with locked(Path(sys.argv[1]), timeout=10):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@contextmanager
def process(source: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", source, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def foreign(path: Path) -> Path:
    """Return a path of the same kind that belongs to somebody else."""
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
        return path
    other = Path("/usr" if path.is_dir() else "/etc/passwd")
    assert other.stat().st_uid != os.geteuid()
    return other


@pytest.mark.usefixtures("umask")
class TestWhateverTheUmask:
    def test_a_file_is_ours_alone(self, tmp_path: Path) -> None:
        write_private(tmp_path / "file", "x")
        assert mode(tmp_path / "file") == 0o600

    def test_a_folder_and_its_parents_are_ours_alone(self, tmp_path: Path) -> None:
        private_folder(tmp_path / "one" / "two")
        assert mode(tmp_path / "one" / "two") == 0o700
        assert mode(tmp_path / "one") & 0o077 == 0

    def test_a_lock_file_is_ours_alone(self, tmp_path: Path) -> None:
        with locked(tmp_path / "lock", timeout=0):
            assert mode(tmp_path / "lock") & 0o077 == 0


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert private_folder(tmp_path / "open") == tmp_path / "open"
    assert mode(tmp_path / "open") == 0o700


def test_a_file_that_was_open_to_others_is_closed_when_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o666)
    write_private(tmp_path / "file", "new")
    assert mode(tmp_path / "file") == 0o600


def test_a_link_is_no_folder_of_ours(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(UnsafePath, match="links are not followed"):
        private_folder(tmp_path / "link")


def test_a_dangling_link_is_no_folder_of_ours(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UnsafePath, match="links are not followed"):
        private_folder(tmp_path / "link")
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnsafePath, match="is not a folder"):
        private_folder(tmp_path / "file")


@pytest.mark.parametrize("below", ["file/folder", "file/folder/deeper"])
def test_no_folder_can_be_made_below_a_file(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnsafePath, match="cannot be made"):
        private_folder(tmp_path / below)


def test_a_folder_of_somebody_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o755)
    theirs = foreign(tmp_path / "folder")
    before = mode(theirs)
    with pytest.raises(UnsafePath, match="belongs to another user"):
        private_folder(theirs)
    assert mode(theirs) == before


def test_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "link").symlink_to("secret")
    with pytest.raises(UnsafePath):
        read_private(tmp_path / "link")


def test_writing_replaces_a_link_and_leaves_its_target_alone(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "link").symlink_to("target")
    write_private(tmp_path / "link", "new")
    assert (tmp_path / "target").read_text() == "precious"
    assert not (tmp_path / "link").is_symlink()
    assert read_private(tmp_path / "link") == "new"


def test_a_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(UnsafePath, match="is a link"):
        try_lock(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UnsafePath):
        read_private(foreign(tmp_path / "file"))


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path: Path, make: object) -> None:
    make(tmp_path / "thing")  # type: ignore[operator]
    with pytest.raises(UnsafePath):
        read_private(tmp_path / "thing")


@pytest.mark.parametrize("missing", ["missing", "missing/file", "file/below"])
def test_a_file_that_is_not_there_has_no_text(tmp_path: Path, missing: str) -> None:
    (tmp_path / "file").touch()
    assert read_private(tmp_path / missing) is None


@pytest.mark.parametrize("text", ["", "ümlaut \u4f60\u597d \U0001f600\n", "\0", "\ud800", "a\r\nb\n"], ids=ascii)
def test_a_text_is_read_as_it_was_written(tmp_path: Path, text: str) -> None:
    write_private(tmp_path / "file", text)
    assert read_private(tmp_path / "file") == text


def test_bytes_that_are_no_utf_8_count_as_an_empty_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff\xfe{}")
    assert read_private(tmp_path / "file") == ""


def test_a_lock_file_says_what_its_holder_wrote_last(tmp_path: Path) -> None:
    held = try_lock(tmp_path / "lock")
    assert held is not None
    for text in ("a longer text", "short", "", "ümlaut"):
        write_locked(held, text)
        assert read_private(tmp_path / "lock") == text
    os.close(held)


def test_a_write_that_fails_leaves_the_old_text_and_nothing_else(tmp_path: Path) -> None:
    write_private(tmp_path / "file", "old")
    with pytest.raises(TypeError):
        write_private(tmp_path / "file", 5)  # type: ignore[arg-type]
    assert read_private(tmp_path / "file") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_reader_never_sees_half_of_a_text_even_when_the_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    whole = {"a" * 200_000, "b" * 200_000}
    for _ in range(KILLED_WRITERS):
        with process(KEEP_WRITING, path) as writer:
            first = wait_until(lambda: read_private(path), "something is written")
            wait_until(lambda first=first: read_private(path) != first, "it is written again")
            assert all(read_private(path) in whole for _ in range(20))
            writer.send_signal(signal.SIGKILL)
        assert read_private(path) in whole


def test_a_lock_is_held_by_one_descriptor_only_and_freed_when_it_is_closed(tmp_path: Path) -> None:
    held = try_lock(tmp_path / "lock")
    assert held is not None
    assert try_lock(tmp_path / "lock") is None
    os.close(held)
    again = try_lock(tmp_path / "lock")
    assert again is not None
    os.close(again)


def test_a_lock_keeps_other_processes_out_until_its_holder_is_killed(tmp_path: Path) -> None:
    with process(HOLD, tmp_path / "lock") as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(TimeoutError, match="held by somebody else"), locked(tmp_path / "lock", timeout=0.1):
            pass
        holder.send_signal(signal.SIGKILL)
        with locked(tmp_path / "lock", timeout=10):
            pass


def test_whoever_waits_for_a_lock_gets_it_when_it_is_given_back(tmp_path: Path) -> None:
    order = []

    def wait() -> None:
        with locked(tmp_path / "lock", timeout=10):
            order.append("waiter")

    with locked(tmp_path / "lock", timeout=0):
        waiter = threading.Thread(target=wait)
        waiter.start()
        order.append("holder")
    waiter.join()
    assert order == ["holder", "waiter"]


def test_a_lock_is_given_back_when_its_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock", timeout=0):
        raise ZeroDivisionError
    with locked(tmp_path / "lock", timeout=0):
        pass


def test_children_do_not_inherit_a_lock(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", timeout=0), process("import sys; sys.stdin.read()"):
        child_started_meanwhile = True
    with process("import sys; sys.stdin.read()"):
        assert child_started_meanwhile
        with locked(tmp_path / "lock", timeout=0):
            pass


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"line {number}\n" for number in range(100)))
    assert tail(tmp_path / "log", lines=3) == "line 97\nline 98\nline 99"
    assert len(tail(tmp_path / "log").splitlines()) == 20


def test_the_tail_of_a_huge_file_is_read_from_its_end(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        file.truncate(1 << 36)  # a sparse file; reading it whole would take minutes
        file.seek(0, os.SEEK_END)
        file.write(b"\nthe end\n")
    assert tail(tmp_path / "log", lines=1) == "the end"
    assert len(tail(tmp_path / "log")) <= 8192


def test_the_tail_of_a_binary_file_is_a_text(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(range(256)) * 100)
    assert "\ufffd" in tail(tmp_path / "log")


@pytest.mark.parametrize("name", ["missing", "folder", "empty"])
def test_the_tail_of_what_cannot_be_read_is_empty(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    assert tail(tmp_path / name) == ""
