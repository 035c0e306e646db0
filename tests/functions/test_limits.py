"""How many calls run and wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from pyramid_notebook.errors import TooManyCalls
from pyramid_notebook.functions.limits import Gate


async def settled() -> None:
    """Let all tasks go on until each waits."""
    for _ in range(20):
        await asyncio.sleep(0)


class Calls:
    """Calls that hold their places until they are told to end."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.inside: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, name: str, notebook: str = "a", most: int = 0) -> None:
        self.ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name, notebook, most))
        await settled()

    async def _hold(self, name: str, notebook: str, most: int) -> None:
        async with self.gate.place(notebook, most):
            self.inside.append(name)
            await self.ends[name].wait()
            self.inside.remove(name)

    async def end(self, name: str) -> None:
        self.ends[name].set()
        await self.tasks[name]
        await settled()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 20))  # type: ignore[arg-type]


def test_who_came_first_gets_the_place_that_is_free_again() -> None:
    async def scenario() -> None:
        calls = Calls(Gate(at_once=1, waiting=8))
        for name in ("first", "second", "third"):
            await calls.begin(name)
        assert calls.inside == ["first"]
        await calls.end("first")
        assert calls.inside == ["second"]
        await calls.end("second")
        assert calls.inside == ["third"]
        await calls.end("third")
        assert (calls.gate.running, calls.gate.waiting) == (0, 0)

    run(scenario)


def test_a_notebook_that_has_all_its_places_does_not_hold_up_others() -> None:
    async def scenario() -> None:
        calls = Calls(Gate(at_once=2, waiting=8))
        await calls.begin("a1", "a", most=1)
        await calls.begin("a2", "a", most=1)
        await calls.begin("b1", "b", most=1)
        assert calls.inside == ["a1", "b1"]

    run(scenario)


def test_a_full_queue_of_one_notebook_is_429_and_of_all_503() -> None:
    async def scenario() -> None:
        gate = Gate(at_once=1, waiting=4)
        calls = Calls(gate)
        for number in range(3):
            await calls.begin(f"a{number}", "a")
        async with AsyncExitStack() as held:
            with pytest.raises(TooManyCalls, match="this notebook") as raised:
                await held.enter_async_context(gate.place("a"))
            assert (raised.value.status, raised.value.retry_after) == (429, 1)
            await calls.begin("b0", "b")
            await calls.begin("b1", "b")
            with pytest.raises(TooManyCalls) as raised:
                await held.enter_async_context(gate.place("c"))
            assert raised.value.status == 503

    run(scenario)


def test_who_gives_up_waiting_takes_no_place() -> None:
    async def scenario() -> None:
        calls = Calls(Gate(at_once=1, waiting=4))
        for name in ("first", "second", "third"):
            await calls.begin(name)
        calls.tasks["second"].cancel()
        await settled()
        await calls.end("first")
        assert calls.inside == ["third"]

    run(scenario)


def test_who_gives_up_just_when_the_turn_comes_leaves_the_place_to_the_next() -> None:
    async def scenario() -> None:
        calls = Calls(Gate(at_once=1, waiting=4))
        for name in ("first", "second", "third"):
            await calls.begin(name)
        calls.ends["first"].set()
        while calls.gate.waiting > 1:  # noqa: ASYNC110 - not one turn of the loop more
            await asyncio.sleep(0)
        calls.tasks["second"].cancel()  # it has been let in, and does not know yet
        await settled()
        assert calls.inside == ["third"]

    run(scenario)
