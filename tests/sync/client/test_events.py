"""The reader of event streams."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.errors import SiteError
from pyramid_notebook.sync.client.events import Event, EventReader

LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
NAMES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1, max_size=8)
EVENTS = st.lists(st.tuples(NAMES, st.lists(LINES, min_size=1, max_size=4), st.lists(LINES, max_size=2)), max_size=6)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def read(*chunks: bytes) -> list[Event]:
    reader = EventReader()
    return [event for chunk in chunks for event in reader.feed(chunk)]


@given(EVENTS, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 1000), max_size=30), st.booleans())
def test_events_are_the_same_however_they_are_cut_and_ended(
    events: list[tuple[str, list[str], list[str]]], line_end: str, places: list[int], has_mark: bool
) -> None:
    text = "\ufeff" if has_mark else ""
    for name, lines, comments in events:
        text += "".join(f":{comment}{line_end}" for comment in comments)
        text += f"event: {name}{line_end}" + "".join(f"data: {line}{line_end}" for line in lines) + line_end
    expected = [Event(name, "\n".join(lines)) for name, lines, _ in events]
    data = text.encode()
    assert read(data) == expected
    assert read(*cut(data, places)) == expected
    assert read(*(data[place : place + 1] for place in range(len(data)))) == expected


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_no_bytes_are_too_odd(chunks: list[bytes]) -> None:
    assert read(*chunks) == read(b"".join(chunks))


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: a\n\n", [Event("message", "a")]),
        (b"data:a\ndata: b\ndata:  c\n\n", [Event("message", "a\nb\n c")]),
        (b"event: x\n\ndata: a\n\n", [Event("message", "a")]),
        (b"data\n\n", [Event("message", "")]),
        (b"id: 1\nretry: 5\nelse: 2\ndata: a\n\n", [Event("message", "a")]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [Event("message", name) for name in "abc"]),
        (b"data: half\n", []),
        (b": comment\n\n", []),
        (b"data: \xff\xfe\n\n", [Event("message", "\ufffd\ufffd")]),
    ],
)
def test_a_stream_means_what_the_standard_says(data: bytes, events: list[Event]) -> None:
    assert read(data) == events


def test_an_event_is_there_as_soon_as_its_last_byte_is() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\r\n") == []
    assert reader.feed(b"\r") == [Event("message", "a")]
    assert reader.feed(b"\n") == []


def test_an_event_without_an_end_is_an_error() -> None:
    reader = EventReader(most=1000)
    with pytest.raises(SiteError, match="has no end"):
        for _ in range(100):
            reader.feed(b"data: 0123456789")


def test_comments_may_come_for_ever() -> None:
    reader = EventReader(most=1000)
    assert [event for _ in range(1000) for event in reader.feed(b": still there\n")] == []
