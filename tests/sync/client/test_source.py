"""Files of the editor are read whole and replaced whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyramid_notebook.sync.client.source import FileTrouble, create, read, read_newest, replace, signature


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_text_is_kept_to_the_byte(folder: Path, before: str, after: str) -> None:
    path = folder / "x.py"
    path.write_bytes(before.encode())
    source = read(str(path))
    assert source.text == before
    written = replace(source, after)
    assert path.read_bytes() == after.encode()
    assert written == signature(str(path)) != source.signature


def test_a_file_that_cannot_be_written_stays(folder: Path) -> None:
    path = folder / "x.py"
    path.write_text("old")
    source = read(str(path))
    with pytest.raises(FileTrouble, match="is no text"):
        replace(source, "new \ud800")
    path.unlink()
    with pytest.raises(FileTrouble):
        replace(source, "new")
    assert list(folder.iterdir()) == []


def test_a_change_of_the_same_length_is_seen(folder: Path) -> None:
    path = folder / "x.py"
    path.write_text("old")
    source = read(str(path))
    path.write_text("sav")
    os.utime(path, ns=(source.signature.modified, source.signature.modified))
    with pytest.raises(FileTrouble, match="was saved just now"):
        replace(source, "new")
    assert path.read_text() == "sav"
    assert list(folder.iterdir()) == [path]


def test_a_new_file_has_the_mode_of_others_and_takes_no_place(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        create(str(folder / "x.py"), "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "x.py").stat().st_mode) == 0o640
    with pytest.raises(FileTrouble, match="exists"):
        create(str(folder / "x.py"), "other")
    (folder / "link.py").symlink_to("nowhere")
    with pytest.raises(FileTrouble, match="exists"):
        create(str(folder / "link.py"), "other")
    assert {path.name for path in folder.iterdir()} == {"x.py", "link.py"}


def test_the_newest_text_is_read_once_it_is_whole(folder: Path) -> None:
    path = folder / "x.py"
    path.write_text("old")
    source = read(str(path))
    assert read_newest(source) is source
    path.write_text("")
    assert read_newest(source, wait=lambda _: path.write_text("new") and None).text == "new"


def test_a_file_that_stays_empty_is_empty(folder: Path) -> None:
    path = folder / "x.py"
    path.write_text("old")
    source, now = read(str(path)), [0.0]
    path.write_text("")

    def wait(seconds: float) -> None:
        now[0] += seconds

    assert read_newest(source, wait=wait, clock=lambda: now[0]).text == ""
    assert now[0] == pytest.approx(2.0, abs=0.1)


def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.py")
    with pytest.raises(FileTrouble, match="is not a file"):
        read(str(folder / "pipe.py"))
    assert signature(str(folder / "pipe.py")) is None
