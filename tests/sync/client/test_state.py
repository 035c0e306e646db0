"""What is remembered of files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyramid_notebook.files import try_lock
from pyramid_notebook.sync.client import state
from pyramid_notebook.sync.client.state import NOTHING, Known, Memory, default_folder

SITE = "https://example.com/notebook/alice/"
KNOWN = Known(notebook="a.ipynb", rev="1" * 32, hints="[]")


@pytest.fixture
def memory(folder: Path) -> Memory:
    return Memory(SITE, "/work/x.py", folder / "state")


def test_what_was_written_is_read(memory: Memory) -> None:
    assert memory.read() == NOTHING
    memory.write(KNOWN)
    assert memory.read() == KNOWN
    memory.forget()
    memory.forget()
    assert memory.read() == NOTHING


def test_only_the_user_can_read_it(memory: Memory, folder: Path) -> None:
    memory.write(KNOWN)
    (path,) = (folder / "state").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_each_file_of_each_site_has_its_own(memory: Memory, folder: Path) -> None:
    memory.write(KNOWN)
    for site, file in [(SITE, "/work/y.py"), ("https://example.com/notebook/bob/", "/work/x.py"), (SITE, "/\udcff.py")]:
        other = Memory(site, file, folder / "state")
        assert other.read() == NOTHING
        other.write(Known(notebook="b.ipynb", rev="2", hints=""))
    assert memory.read() == KNOWN


@given(st.binary(max_size=80) | st.sampled_from([b"{}", b"[]", b'{"version": 1}', b"[" * 100000]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_cannot_be_read_is_nothing(memory: Memory, folder: Path, data: bytes) -> None:
    memory.write(KNOWN)
    (path,) = (folder / "state").iterdir()
    path.write_bytes(data)
    assert memory.read() == NOTHING


def test_a_link_is_not_followed(memory: Memory, folder: Path) -> None:
    memory.write(KNOWN)
    (path,) = (folder / "state").iterdir()
    path.rename(folder / "elsewhere")
    path.symlink_to(folder / "elsewhere")
    assert memory.read() == NOTHING
    memory.write(KNOWN)
    assert not path.is_symlink()


def test_a_lock_keeps_others_waiting_and_is_private(
    memory: Memory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "LOCK_SECONDS", 0)
    with memory.locked():
        (path,) = (folder / "state").iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert try_lock(path) is None
        with Memory(SITE, "/work/x.py", folder / "state").locked():
            pass  # it goes on in the end
        assert try_lock(path) is None
    descriptor = try_lock(path)
    assert descriptor is not None
    os.close(descriptor)


def test_where_no_lock_can_be_had_it_goes_on(memory: Memory, folder: Path) -> None:
    (folder / "state").write_text("no folder")
    with memory.locked():
        assert (folder / "state").is_file()


def test_the_oldest_are_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MOST", 3)
    memories = [Memory(SITE, f"/work/{number}.py", folder / "state") for number in range(5)]
    for number, memory in enumerate(memories):
        before = set((folder / "state").iterdir()) if number else set()
        memory.write(KNOWN)
        (path,) = set((folder / "state").iterdir()) - before
        os.utime(path, (number, number))
    assert [memory.read() == KNOWN for memory in memories] == [False, False, True, True, True]


def test_its_folder_is_where_the_standard_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_folder() == home / ".local/state/pyramid-notebook/sync"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_folder() == home / ".local/state/pyramid-notebook/sync"
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert default_folder() == Path("/elsewhere/pyramid-notebook/sync")
