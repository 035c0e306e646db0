"""The events of a session: numbered, joined while nobody reads, and forgotten when they are too many."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.rpc.log import SessionLog


def log(**limits: int) -> SessionLog:
    return SessionLog("a", lambda: 12.3456, lambda: None, **limits)


def test_events_are_numbered_from_one() -> None:
    events = log()
    events.add("begin", "e", {"name": "me"}, 4, code="1+1")
    events.add("end", "e", {"name": "me"}, 0, status="ok")
    told = [entry.told for entry in events.since(0).entries]
    assert [event["seq"] for event in told] == [1, 2]
    assert told[0] == {
        "event": "begin",
        "session": "a",
        "seq": 1,
        "execution": "e",
        "who": {"name": "me"},
        "time": 12.346,
        "code": "1+1",
    }


def test_a_reader_gets_what_comes_after_what_it_has() -> None:
    events = log()
    for number in range(5):
        events.add("display", None, None, 1, data=number)
    read = events.since(3)
    assert [entry.seq for entry in read.entries] == [4, 5]
    assert (read.lost, read.seq) == (None, 5)
    assert events.since(5).entries == ()


def test_text_is_joined_as_long_as_nobody_has_read_it() -> None:
    events = log()
    for text in ("a", "b", "c"):
        events.add_text("e", None, "stdout", text)
    (entry,) = events.since(0).entries
    assert entry.params["text"] == "abc"


def test_text_that_was_read_does_not_change_any_more() -> None:
    events = log()
    events.add_text("e", None, "stdout", "a")
    first = events.since(0)
    events.add_text("e", None, "stdout", "b")
    assert [entry.params["text"] for entry in first.entries] == ["a"]
    assert [entry.params["text"] for entry in events.since(first.seq).entries] == ["b"]


def test_text_does_not_change_after_its_number_was_told() -> None:
    events = log()
    events.add_text("e", None, "stdout", "a")
    newest = events.newest
    events.add_text("e", None, "stdout", "b")
    assert [entry.params["text"] for entry in events.since(newest).entries] == ["b"]


def test_text_of_another_stream_or_execution_is_another_event() -> None:
    events = log()
    events.add_text("e", None, "stdout", "a")
    events.add_text("e", None, "stderr", "b")
    events.add_text("f", None, "stderr", "c")
    events.add("clear", "f", None, 0, wait=False)
    events.add_text("f", None, "stderr", "d")
    assert [entry.params.get("text") for entry in events.since(0).entries] == ["a", "b", "c", None, "d"]


def test_the_oldest_are_forgotten_when_there_are_too_many() -> None:
    events = log(most_events=3)
    for number in range(10):
        events.add("display", None, None, 1, data=number)
    read = events.since(2)
    assert (events.oldest, events.newest) == (8, 10)
    assert [entry.seq for entry in read.entries] == [8, 9, 10]
    assert read.lost == (3, 7)


def test_the_oldest_are_forgotten_when_they_take_too_much() -> None:
    events = log(most_bytes=10_000)
    for _ in range(10):
        events.add("display", None, None, 3_000, data="x" * 3_000)
    assert events.newest - events.oldest < 4
    assert events.since(0).lost == (1, events.oldest - 1)


def test_one_event_is_kept_however_large_it_is() -> None:
    events = log(most_bytes=1000)
    events.add("display", None, None, 5_000, data="x" * 5_000)
    assert [entry.seq for entry in events.since(0).entries] == [1]


def test_nothing_is_lost_for_who_has_everything() -> None:
    events = log(most_events=2)
    for _ in range(5):
        events.add("clear", None, None, 0)
    assert events.since(5).lost is None
    assert events.since(3).lost is None
    assert log().since(0).lost is None


def test_an_answer_has_so_many_events_as_were_asked_for() -> None:
    events = log()
    for _ in range(5):
        events.add("display", None, None, 1000, data="x" * 1000)
    assert events.since(0, most=2).seq == 2
    assert events.since(0, most_bytes=1).seq == 1
    assert events.since(0, most_bytes=2700).seq == 2


def test_the_events_of_an_execution_are_found() -> None:
    events = log()
    for name in ("e", "f", "e"):
        events.add("clear", name, None, 0)
    assert [entry.seq for entry in events.of("e")] == [1, 3]


_steps = st.lists(
    st.tuples(st.just("text"), st.sampled_from(["stdout", "stderr"]), st.text(max_size=3))
    | st.tuples(st.just("event"), st.just(""), st.just(""))
    | st.tuples(st.just("read"), st.integers(0, 2), st.integers(1, 3))
    | st.tuples(st.just("leave"), st.integers(0, 2), st.just(0)),
    max_size=60,
)


@given(_steps, st.sampled_from([2, 5, 1000]))
def test_however_readers_come_and_go_each_gets_everything_once_and_in_order(steps: list, kept: int) -> None:
    events = log(most_events=kept)
    places = [0, 0, 0]
    read: list[dict[int, str]] = [{}, {}, {}]
    lost: list[set[int]] = [set(), set(), set()]
    frames: dict[int, str] = {}

    def take(reader: int, most: int) -> None:
        found = events.since(places[reader], most=most)
        if found.lost:
            lost[reader].update(range(found.lost[0], found.lost[1] + 1))
        for entry in found.entries:
            assert entry.seq > places[reader]
            places[reader] = entry.seq
            assert frames.setdefault(entry.seq, entry.frame) == entry.frame
            read[reader][entry.seq] = str(json.loads(entry.frame)["params"].get("text", ""))
        assert places[reader] <= found.seq
        places[reader] = found.seq

    written = ""
    for kind, one, other in steps:
        if kind == "text":
            events.add_text("e", None, str(one), str(other))
            written += str(other)
        elif kind == "event":
            events.add("clear", "e", None, 0, wait=False)
        elif kind == "read":
            take(int(one), int(other))
    for reader in range(3):
        take(reader, 1000)
        assert set(read[reader]) | lost[reader] == set(range(1, events.newest + 1))
        assert not set(read[reader]) & lost[reader]
        if not lost[reader]:
            assert "".join(read[reader].values()) == written
