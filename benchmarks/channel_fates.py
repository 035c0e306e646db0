"""What becomes of calls: functions of a stand-in for a page, and the cell of the kernel that calls them."""

from __future__ import annotations

import http.client
import random
from contextlib import closing
from typing import Any

from tests.running import Site

from .channel_page import USER
from .channel_standin import Function, StandIn

#: How many of a hundred calls have this fate; all others are answered.
SHARES = {
    "exception": 8, "time-out": 5, "cancelled": 8, "page goes": 3, "page calls back": 10, "callback fails": 5,
    "callback cancelled": 4, "on a thread": 5, "stream": 3, "stream cut": 2, "stream back": 2, "stream down": 3,
    "stream down cut": 2,
}  # fmt: skip
RIGHT, GONE, CUT = "right", "page gone", "cut by a restart"
#: Bytes of a stream.
_STREAM_BYTES = 300_000


def functions(site: Site, kernel: str, seed: int) -> dict[str, Function]:
    """Return the functions of a stand-in.

    Args:
        site: where it fetches streams.
        kernel: its id.
        seed: of the random numbers.
    """
    chance = random.Random(seed)
    cookie = "; ".join(f"{item.name}={item.value}" for item in site.session(USER).cookies)

    def vanish(page: StandIn, _: dict[str, Any]) -> None:
        page.vanish(rudely=chance.random() < 0.5)

    def fail(page: StandIn, header: dict[str, Any]) -> None:
        error = {"name": "RangeError", "message": "as asked", "trace": "", "kind": "exception"}
        page.send({"type": "error", "id": header["id"], "error": error})

    def back(page: StandIn, header: dict[str, Any]) -> None:
        name, number = header["args"]
        about = {"channel": "main", "name": name, "args": [number]}
        call = page.ask(about, header["id"], stream=number if name == "swallow" else 0)
        if name == "forever":
            page.cancel(call)

    def give(page: StandIn, header: dict[str, Any]) -> None:
        stream = page.next_stream()
        page.send({"type": "result", "id": header["id"], "stream": {"id": stream}})
        page.begin(stream, header["args"][0])

    def fetch(_: StandIn, header: dict[str, Any]) -> int:
        wanted: int = header["args"][0]
        path = f"{site.prefix}/notebook/{USER}/channel/{kernel}/streams/{header['stream']['ticket']}"
        with closing(http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)) as connection:
            connection.request("GET", path, headers={"Cookie": cookie, "Sec-Fetch-Site": "same-origin"})
            return len(connection.getresponse().read(wanted))

    return {
        "square": lambda _, header: header["args"][0] ** 2 + 1,
        "never": lambda _, __: None,
        "vanish": vanish,
        "fail": fail,
        "back": back,
        "give": give,
        "fetch": fetch,
    }


def fates(number: int, chance: random.Random) -> list[tuple[str, int]]:
    """Return what is to become of so many calls, each with a number of its own."""
    shares = [fate for fate, share in SHARES.items() for _ in range(share)]
    shares += [RIGHT] * (100 - len(shares))
    return [(chance.choice(shares), chance.randrange(1 << 20)) for _ in range(number)]


#: Answers ``batch(fates)``, which makes calls, eight at once, and prints what became of them; and ``held()``.
CELL = (
    f"""
import asyncio, collections, gc, json, os, random, socket
from pyramid_notebook.channel import open_channel
from pyramid_notebook.errors import ChannelTimeout, NoPage, PageError, PageGone

SIZE, GONE = {_STREAM_BYTES}, {GONE!r}
"""
    + """
channel = open_channel(show=False)

@channel.expose(thread="own")
def square_own(number):
    return number ** 2 + 1

@channel.expose
async def square_main(number):
    await asyncio.sleep(0)
    return number ** 2 + 1

@channel.expose(thread="own")
def broken(number):
    raise ValueError(number)

@channel.expose(thread="own")
async def forever(number):
    await asyncio.Event().wait()

@channel.expose(thread="own")
async def swallow(stream, size):
    return len(await stream.join())

async def cancelled(number, **where):
    task = channel.call("never", timeout=None, **where)
    await asyncio.sleep(number % 7 / 1000)
    task.cancel()
    await task

async def streamed(number, cut, **where):
    size = 0
    stream = await channel.call("give", SIZE, **where)
    async for piece in stream:
        size += len(piece)
        if cut:
            return True
    return size == SIZE

async def made(fate, number):
    page = random.choice(["first", "last", random.choice(channel.pages).id if channel.pages else "last"])
    where = {"page": page, "timeout": 10}
    match fate:
        case "exception":
            await channel.call("fail", **where)
        case "time-out":
            await channel.call("never", **where | {"timeout": 0.05})
        case "cancelled":
            await cancelled(number, page=page)
        case "page goes":
            await channel.call("vanish", **where)
        case "page calls back":
            name = random.choice(["square_own", "square_main"])
            return await channel.call("back", name, number, **where) == number ** 2 + 1
        case "callback fails":
            await channel.call("back", "broken", number, **where)
        case "callback cancelled":
            await channel.call("back", "forever", number, **where)
        case "on a thread":
            return await asyncio.to_thread(channel.call_sync, "square", number, **where) == number ** 2 + 1
        case "stream" | "stream cut":
            return await streamed(number, fate == "stream cut", **where)
        case "stream back":
            return await channel.call("back", "swallow", SIZE, **where) == SIZE
        case "stream down" | "stream down cut":
            wanted = 1000 if fate == "stream down cut" else SIZE
            return await channel.call("fetch", wanted, stream=os.urandom(SIZE), **where) == wanted
        case "right":
            return await channel.call("square", number, **where) == number ** 2 + 1

EXPECTED = {
    "exception": "RangeError", "time-out": "ChannelTimeout", "cancelled": "CancelledError",
    "callback fails": "ValueError", "callback cancelled": "AbortError", "page goes": GONE,
}

async def fate_of(fate, number):
    # what became of a call, and what should have
    try:
        async with asyncio.timeout(30):
            outcome = {True: fate, False: "wrong"}.get(await made(fate, number), "no exception")
    except TimeoutError as error:
        outcome = "ChannelTimeout" if isinstance(error, ChannelTimeout) else "hang"
    except (PageGone, NoPage):
        outcome = GONE
    except PageError as error:
        outcome = error.name
    except BaseException as error:
        outcome = type(error).__name__
    return outcome, EXPECTED.get(fate, fate)

async def batch(fates):
    waiting, outcomes, wrong = iter(fates), collections.Counter(), []
    async def work():
        for fate, number in waiting:
            outcome, expected = await fate_of(fate, number)
            outcomes[fate if outcome == expected else outcome] += 1
            if outcome not in (expected, GONE):
                wrong.append(f"{fate}: {outcome}")
    await asyncio.gather(*(work() for _ in range(8)))
    return {"outcomes": outcomes, "wrong": wrong}

def kind(found):
    # what a leak would be made of; types alone are looked at, as some objects do not like to be touched
    if issubclass(type(found), asyncio.Future):
        return "tasks and futures"
    if issubclass(type(found), socket.socket):
        return "sockets" if found.fileno() >= 0 else ""
    if str(type(found).__module__).startswith("pyramid_notebook.channel."):
        return "objects of the channel"
    return ""

def held():
    gc.collect()
    found = collections.Counter(kind(one) for one in gc.get_objects())
    del found[""]
    return {
        "pages": len(channel.pages),
        "tasks of the channel": len(asyncio.all_tasks(channel._hub.loop)),
        "descriptors of the kernel": len(os.listdir("/proc/self/fd")),
        **found,
    }
"""
)
