"""What is known of calls."""

from __future__ import annotations

import asyncio

import pytest

from pyramid_notebook.errors import CallTimeout, NoRun
from pyramid_notebook.functions.protocol import Result
from pyramid_notebook.functions.runs import Run, Runs, State


def stream(text: str, name: str = "stdout") -> dict[str, str]:
    return {"event": "stream", "name": name, "text": text}


def test_a_run_tells_how_far_it_is() -> None:
    run = Run("a.ipynb")
    run.begin()
    run.tell({"event": "cell", "cell": 4, "number": 2, "of": 3})
    run.tell(stream(" 42%|####      | 42/100", "stderr"))
    told = run.to_dict(is_owner=False)
    assert (told["state"], told["cell"], told["of"], told["percent"]) == ("running", 2, 3, 42)


def test_what_it_wrote_is_for_its_owner_only() -> None:
    run = Run("a.ipynb")
    run.tell(stream("secret"))
    assert "secret" not in str(run.to_dict(is_owner=False))
    assert run.to_dict(is_owner=True)["output"] == "secret"


def test_of_much_text_the_end_is_kept() -> None:
    run = Run("a.ipynb")
    run.tell(stream("x" * 200_000))
    run.tell(stream("the end"))
    assert run.text.endswith("the end")
    assert len(run.text) < 100_000


def test_who_follows_gets_what_was_and_what_comes_and_the_end() -> None:
    async def scenario() -> list[tuple[int, str]]:
        run = Run("a.ipynb")
        run.begin()

        async def follow() -> list[tuple[int, str]]:
            return [(number, event["event"]) async for number, event in run.events()]

        following = [asyncio.create_task(follow()) for _ in range(5)]
        for text in "abc":
            await asyncio.sleep(0)
            run.tell(stream(text))
            following.append(asyncio.create_task(follow()))
        await asyncio.sleep(0)
        run.end(State.DONE, result=Result())
        first, *others = await asyncio.wait_for(asyncio.gather(*following), 10)
        assert others == [first] * 7
        assert [number async for number, _ in run.events(after=3)] == [4, 5]
        return first

    assert asyncio.run(scenario()) == [(1, "start"), (2, "stream"), (3, "stream"), (4, "stream"), (5, "end")]


def test_a_run_is_found_by_its_notebook_and_id_only() -> None:
    runs, run = Runs(60), Run("a.ipynb")
    runs.add(run)
    assert runs.find("a.ipynb", run.id) is run
    for path, name in (("b.ipynb", run.id), ("a.ipynb", "other")):
        with pytest.raises(NoRun):
            runs.find(path, name)


def test_a_run_that_ended_long_ago_is_forgotten_and_one_that_goes_on_is_not() -> None:
    now = 1e10
    runs, ended, going_on = Runs(60, lambda: now), Run("a.ipynb"), Run("a.ipynb")
    runs.add(ended)
    runs.add(going_on)
    ended.end(State.FAILED, error=CallTimeout("late"))
    assert runs.of("a.ipynb") == [going_on]


def test_a_result_that_is_fetched_later_outlives_calls_that_were_waited_for() -> None:
    runs, later = Runs(1e12), Run("a.ipynb")
    runs.add(later)
    later.end(State.DONE, result=Result())
    for _ in range(500):
        run = Run("a.ipynb", is_waited_for=True)
        runs.add(run)
        run.end(State.DONE)
    assert runs.find("a.ipynb", later.id) is later
    assert len(runs.of()) <= 200


def test_many_runs_and_large_results_make_room_for_new_ones() -> None:
    runs = Runs(1e12)
    for _ in range(300):
        run = Run("a.ipynb")
        runs.add(run)
        run.end(State.DONE, result=Result(body=bytes(1_000_000)))
    assert len(runs.of()) <= 101
    assert runs.find("a.ipynb", run.id) is run


def test_an_error_holds_nothing_of_what_the_call_was_given() -> None:
    run = Run("a.ipynb")
    try:
        parameters = "much"
        raise CallTimeout(parameters)
    except CallTimeout as error:
        run.end(State.FAILED, error=error)
    assert run.error is not None
    assert run.error.__traceback__ is None


def test_the_result_of_a_call_that_was_waited_for_is_there_once() -> None:
    waited, later = Run("a.ipynb", is_waited_for=True), Run("a.ipynb")
    for run in (waited, later):
        run.end(State.DONE, result=Result(body=b"1"))
        assert run.outcome().body == b"1"
    assert later.outcome().body == b"1"
    with pytest.raises(NoRun):
        waited.outcome()
