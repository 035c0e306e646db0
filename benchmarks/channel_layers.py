"""Where the time of a call goes: it is made again and again, each time with one part more on its way."""

from __future__ import annotations

import json
import statistics
from contextlib import closing

from tests.running import Site

from .channel_page import USER, NotebookPage
from .channel_standin import Connect, StandIn, past_door, through_door
from .proxy_results import Results

P50 = "p50"
HOPS = "to the channel's thread and back, no call"
OWN_LOOP = "page is a program at the user server; called on the channel's thread"
PAST_DOOR, PAST_DOOR_SYNC = "the same, called in a cell", "the same, `call_sync()`"
THROUGH_DOOR = "page is a program at the door"
BROWSER = "page is in Chromium"
LAYERS = (HOPS, OWN_LOOP, PAST_DOOR, PAST_DOOR_SYNC, THROUGH_DOOR, BROWSER)

_CELL = """
hub = channel._hub

async def nothing():
    return "x"

def hop():
    return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(nothing(), hub.loop))

def own_loop(page):
    return asyncio.run_coroutine_threadsafe(timed(to(page), %(calls)d), hub.loop).result()

def to(page):
    return lambda: channel.call("echo", "x", page=page)

def to_sync(page):
    async def trip():
        return channel.call_sync("echo", "x", page=page)
    return trip

browser = channel.pages[-1].id
print(json.dumps(hub.kernel_id))
"""


def measure_layers(results: Results, site: Site, page: NotebookPage, rounds: int, calls: int) -> None:
    """Take all measures; the notebook of the page has run what :mod:`.channel` runs there."""
    kernel = page.told(_CELL % {"calls": calls})
    record = site.manager.find(USER)
    assert record
    places: dict[str, Connect] = {
        PAST_DOOR: past_door(record, kernel),
        THROUGH_DOOR: through_door(site, USER, kernel),
    }
    for turn in range(rounds):
        timed = {HOPS: f"await timed(hop, {calls})", BROWSER: f"await timed(to(browser), {calls})"}
        for layer, source in timed.items():
            _add(results, layer, turn, page.told(f"print(json.dumps({source}))"))
        for layer, connect in places.items():
            with closing(StandIn(connect, {"echo": lambda _, header: header["args"][0]})) as standin:
                identifier = json.dumps(standin.id)
                told = page.told(f"print(json.dumps(await timed(to({identifier}), {calls})))")
                _add(results, layer, turn, told)
                if layer == PAST_DOOR:
                    _add(results, OWN_LOOP, turn, page.told(f"print(json.dumps(own_loop({identifier})))"))
                    told = page.told(f"print(json.dumps(await timed(to_sync({identifier}), {calls})))")
                    _add(results, PAST_DOOR_SYNC, turn, told)


def _add(results: Results, layer: str, turn: int, taken: list[float]) -> None:
    results.add(P50, layer, turn, statistics.median(taken) * 1000)
