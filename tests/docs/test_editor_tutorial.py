"""The tutorial about editors, followed in a real Vim, shell and browser, which makes its pictures anew."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from docs import editor_pictures
from docs.editor_pictures import HEIGHT, NAMES, PICTURES, WIDTH, Tour


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """Folder of the new pictures, and the exit codes of all commands of the page."""
    folder = tmp_path_factory.mktemp("pictures")
    found: list[int] = []

    def at_end(tour: Tour, codes: list[int]) -> None:
        assert tour.at_end()
        found.extend(codes)

    editor_pictures.make(folder, at_end)
    return folder, found


def test_the_tutorial_can_be_followed_to_its_end(followed):
    # all is done, but for the conflict, and the command that Ctrl-C ends
    assert followed[1] == [0, 0, 0, 0, 0, 0, 3, 0, 130]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("made", ["then", "now"])
def test_a_picture_of_the_tutorial_can_be_made_again_and_is_small(made, name, followed):
    data = ((PICTURES if made == "then" else followed[0]) / name).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (WIDTH, HEIGHT)
    assert len(data) < 100_000
