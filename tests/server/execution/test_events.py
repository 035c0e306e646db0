"""The events of a run are kept in bounded memory."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.server.execution.events import EventLog, Place, clipped
from pyramid_notebook.server.execution.runs import CellResult, Run


def stream(text: str, cell: str = "a") -> dict[str, str]:
    return {"event": "stream", "cell": cell, "name": "stdout", "text": text}


def filled(log: EventLog, count: int) -> None:
    for number in range(count):
        log.add(stream(f"{number:0100}"), text=100)
        if number % 100 == 0:
            log.add({"event": "cell", "cell": "a", "state": str(number)})


def test_a_short_run_is_kept_whole() -> None:
    log = EventLog()
    events = [{"event": "start"}, stream("one"), stream("two"), {"event": "end"}]
    for event in events:
        log.add(event, text=len(event["text"]) if "text" in event else None)
    assert log.since(Place())[0] == events


def test_of_much_output_the_middle_goes_and_states_stay_in_their_order() -> None:
    log = EventLog(10_000)
    filled(log, 1000)
    found, _ = log.since(Place())
    assert [event["state"] for event in found if event["event"] == "cell"] == [str(n) for n in range(0, 1000, 100)]
    texts = [event["text"] for event in found if event["event"] == "stream"]
    assert texts[0] == f"{0:0100}"
    assert texts[-1] == f"{999:0100}"
    assert any("left out" in text for text in texts)
    assert sum(map(len, texts)) < 12_000


def test_a_reader_that_keeps_up_misses_nothing() -> None:
    log = EventLog(10_000)
    place, read = Place(), []
    for number in range(1000):
        log.add(stream(str(number)), text=3)
        found, place = log.since(place)
        read += found
    assert [event["text"] for event in read] == [str(number) for number in range(1000)]


@given(st.lists(st.one_of(st.none(), st.integers(0, 50)), max_size=60), st.integers(1, 7))
def test_whatever_happens_a_reader_gets_all_states_once_and_in_order(sizes: list[int | None], step: int) -> None:
    log = EventLog(1000)
    place, read = Place(), []
    for number, size in enumerate(sizes):
        event = {"event": "cell", "state": number} if size is None else stream("x" * size)
        log.add(event, text=size)
        if number % step == 0:
            found, place = log.since(place)
            read += found
    found, place = log.since(place)
    read += found
    assert [event["state"] for event in read if event["event"] == "cell"] == [
        number for number, size in enumerate(sizes) if size is None
    ]
    assert log.since(place)[0] == []


def test_a_long_text_loses_its_middle() -> None:
    assert clipped("abcdef" * 100, 10) == "abcde\n[… 590 characters …]\nbcdef"
    assert clipped("abc", 3) == "abc"


def test_readers_get_everything_whether_they_come_early_or_late() -> None:
    async def scenario() -> None:
        run = Run(["a", "b"])

        async def read() -> list[str]:
            return [event["event"] async for event in run.events()]

        early = asyncio.create_task(read())
        await asyncio.sleep(0)
        gone = run.events()
        await anext(gone)
        await gone.aclose()
        run.cell_runs("a")
        run.tell(stream("text"))
        run.cell_done(CellResult("a", "error", 1, {"ename": "E", "evalue": ""}))
        run.end("error", "E")
        run.end("ok")
        run.tell(stream("too late"))
        expected = ["start", "cell", "stream", "cell", "cell", "end"]
        assert await early == expected
        assert await read() == expected
        result = await run.wait()
        assert (result.status, [cell.state for cell in result.cells]) == ("error", ["error", "aborted"])

    asyncio.run(scenario())
