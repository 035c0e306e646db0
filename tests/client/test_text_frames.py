"""Text frames are checked as ws4py itself checks them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from ws4py.messaging import TextMessage
from ws4py.utf8validator import Utf8Validator

from pyramid_notebook.client.text_frames import TextStream, Utf8Check

TEXTS = st.text().map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary()


def fed(frames: bytes) -> TextStream:
    stream = TextStream(always_mask=True, expect_masking=False)
    size = stream.parser.send(None) or 2
    while frames and not stream.errors and not stream.has_message:
        piece, frames = frames[:size], frames[size:]
        size = stream.parser.send(piece) or 2
    return stream


def frame(data: bytes, *, first: bool = True, last: bool = True) -> bytes:
    assert len(data) < 126
    return bytes([(0x80 if last else 0) | (1 if first else 0), len(data)]) + data


@given(st.lists(TEXTS.filter(len), min_size=1, max_size=4))
def test_pieces_of_a_text_are_valid_where_ws4py_finds_them_so(pieces):
    ours, theirs = Utf8Check(), Utf8Validator()
    for piece in pieces:
        expected = theirs.validate(piece)
        found = ours.validate(bytearray(piece))
        assert found[0] == expected[0]
        if not found[0]:
            break
        assert found[1] == expected[1]


def test_a_text_may_be_cut_within_a_character():
    whole = "a€b".encode()
    stream = fed(frame(whole[:2], last=False) + frame(whole[2:], first=False))
    assert isinstance(stream.message, TextMessage)
    assert stream.message.data == whole


def test_what_is_no_text_closes_the_connection():
    for data in (b"\xff", b"\xed\xa0\x80", "€".encode()[:2]):
        [error] = fed(frame(data)).errors
        assert error.code == 1007
