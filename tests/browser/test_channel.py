"""Kernel and page call each other, in Notebook 7 and in JupyterLab."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from tests.kernels import OLDEST
from tests.running import Site, demo_site

from .channel_page import ON_THREADS, ChannelPage, PageFailure, open_notebook, printed

#: Seconds in which ■ stops a cell that waits for the page.
AT_ONCE = 0.3
SIZE = 20 * 1024 * 1024
#: The same bytes in Python and in JavaScript.
IN_PAGE = f"const made = new Uint8Array({SIZE}); for (let at = 0; at < made.length; at++) made[at] = at % 251;"
IN_KERNEL = f"made = (bytes(range(251)) * ({SIZE} // 251 + 1))[:{SIZE}]"
HASH = """
const hex = (byte) => byte.toString(16).padStart(2, "0");
const hash = async (bytes) => Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), hex).join("");
"""
OPEN = (
    """
import threading, time
from pyramid_notebook.channel import open_channel
channel = open_channel(code='''(channel) => channel.expose({
  double: (number) => 2 * number,
  later: async (number) => new Promise((resolve) => setTimeout(() => resolve(number + 1), 50)),
  hang: () => new Promise(() => {}),
  bytes: (bytes, rest) => ({ back: bytes.map((byte) => byte + 1), kind: bytes.constructor.name, rest: rest.inner[1] }),
  fail: (text) => { throw new RangeError(text); },
})''')
"""
    + ON_THREADS
    + """
@channel.expose
async def waits(text):
    return "waited for " + text
@channel.expose
def swap(first, second):
    return {"first": second, "second": [first, b"", len(second)]}
@channel.expose
def divide(number):
    return 1 / number
"""
)

NOTES = """
order, begun, may_end = [], threading.Event(), threading.Event()
channel.expose(lambda: order.append("called"), name="note")
channel.expose(lambda: begun.wait(50), name="until_begun", thread="own")
channel.expose(may_end.set, name="end", thread="own")
"""
TAKE_AND_GIVE = f"""
import hashlib
{IN_KERNEL}
@channel.expose
async def take(stream, name):
    return name + hashlib.sha256(await stream.join()).hexdigest()
@channel.expose(thread="own")
def give():
    yield from (made[at : at + 100_000] for at in range(0, len(made), 100_000))
"""
#: Waits for a function that does not answer, and says when that ended.
STUCK = """
try:
    {}('stuck', timeout=None)
finally:
    print(time.time())
"""
HANG = """
began = time.monotonic()
try:
    {}('hang', timeout=0.3)
except TimeoutError as error:
    print(error, time.monotonic() - began < 1)
"""
INTERRUPT = """
const now = Date.now() / 1000;
window.jupyterapp.commands.execute("notebook:interrupt-kernel");
return now;
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Site]:
    with demo_site({"ui": "lab"}) as site:
        yield site


@pytest.fixture(scope="module", params=["notebook", "lab", "notebook, oldest kernel", "lab, oldest kernel"])
def page(request: pytest.FixtureRequest) -> Iterator[ChannelPage]:
    """A notebook whose first cell has opened a channel."""
    page_of, _, kernel = request.param.partition(", ")
    place = ("site",) if page_of == "notebook" else ("lab", "JFK")
    with open_notebook(request.getfixturevalue(place[0]), *place[1:]) as page:
        if kernel:
            page.change_kernel(OLDEST)
        page.run(OPEN)
        page.become("open")
        yield page


def test_a_cell_shows_a_channel_and_awaits_an_answer_of_the_page(page: ChannelPage) -> None:
    code = "fresh = open_channel('fresh', '(channel) => channel.expose({greet: (who) => `Hello ${who}`})')"
    assert page.run(f"{code}\nprint(await fresh.call('greet', 'żółw'))") == "Hello żółw"
    assert page.run("print(await channel.call('later', 41))") == "42"


def test_a_cell_that_does_not_await_gets_an_answer_too(page: ChannelPage) -> None:
    code = "blocking = open_channel('blocking', '(channel) => channel.expose({half: (number) => number / 2})')"
    assert page.run(f"{code}\nprint(blocking.call_sync('half', 84))") == "42"


def test_the_page_calls_functions_on_the_main_thread_and_on_one_of_their_own(page: ChannelPage) -> None:
    assert page.do("return channel.call('on_main', 1)") == [2, True]
    assert page.do("return channel.call('on_own', 1)") == [2, False]
    assert page.do("return channel.call('waits', 'Zoë')") == "waited for Zoë"


def test_while_a_cell_runs_a_function_on_its_own_thread_answers_at_once(page: ChannelPage) -> None:
    page.run("done = threading.Event()\nchannel.expose(done.set, name='finish', thread='own')")
    cell = page.begin("print(done.wait(50))")
    page.do("await channel.call('finish')")
    assert printed(page.ended(cell)) == "True"


def test_while_a_cell_runs_a_function_on_the_main_thread_waits_for_its_end(page: ChannelPage) -> None:
    page.run(NOTES)
    cell = page.begin("order.append('begun')\nbegun.set()\nmay_end.wait(50)\norder.append('ended')")
    page.do("await channel.call('until_begun')")
    page.do("const noted = channel.call('note'); await channel.call('end'); await noted")
    page.ended(cell)
    assert page.run("print(order)") == "['begun', 'ended', 'called']"


def test_bytes_inside_of_values_go_both_ways(page: ChannelPage) -> None:
    found = "await channel.call('bytes', b'\\x00\\x01', {'inner': [b'', b'\\xfe\\xff']})"
    assert page.run(f"print({found})") == "{'back': b'\\x01\\x02', 'kind': 'Uint8Array', 'rest': b'\\xfe\\xff'}"
    script = """
    const { first, second } = await channel.call("swap", new Uint8Array([1, 2]), new Uint16Array([258]).buffer);
    return [[...first], second.map((one) => one instanceof Uint8Array ? [...one] : one)];
    """
    assert page.do(script) == [[2, 1], [[1, 2], [], 2]]


def test_what_the_page_throws_is_an_exception_in_the_cell_with_its_stack(page: ChannelPage) -> None:
    trace = page.fails("await channel.call('fail', 'too far: żółw')")
    assert "PageError: RangeError: too far: żółw" in trace
    assert "    at " in trace
    trace = page.fails("channel.call_sync('nothing')")
    assert 'NotExposed: ReferenceError: The page exposes no function "nothing" on channel "main".' in trace


def test_what_the_kernel_raises_is_an_exception_in_the_page_with_its_traceback(page: ChannelPage) -> None:
    with pytest.raises(PageFailure, match="KernelError: ZeroDivisionError: division by zero") as failure:
        page.do("await channel.call('divide', 0)")
    error = failure.value.error
    assert error["pythonName"] == "ZeroDivisionError"
    assert "return 1 / number" in error["traceback"]
    assert "pyramid_notebook/channel" not in error["traceback"]
    with pytest.raises(PageFailure, match="exposes no function 'missing' on channel 'main'"):
        page.do("await channel.call('missing')")


def test_streams_of_20_megabytes_arrive_whole_both_ways(page: ChannelPage) -> None:
    hashed = "hashed: async (stream, name) => name + (await hash(await stream.join()))"
    page.do(f"{HASH} {IN_PAGE} kept.made = new Blob([made]); channel.expose({{ {hashed}, give: () => kept.made }})")
    wanted = hashlib.sha256((bytes(range(251)) * (SIZE // 251 + 1))[:SIZE]).hexdigest()
    page.run(TAKE_AND_GIVE)
    assert page.run("print(await channel.call('hashed', 'it is ', stream=made, timeout=50))") == f"it is {wanted}"
    code = "stream = await channel.call('give', timeout=50)\nprint(hashlib.sha256(await stream.join()).hexdigest())"
    assert page.run(code) == wanted
    assert page.do("return channel.callWith({ stream: kept.made }, 'take', 'żółw ')") == f"żółw {wanted}"
    assert page.do(HASH + "return hash(await (await channel.call('give')).join())") == wanted


def test_a_function_that_never_answers_times_out_and_the_next_call_works(page: ChannelPage) -> None:
    for call in ("await channel.call", "channel.call_sync"):
        assert page.run(HANG.format(call)) == "The page did not answer hang() within 0.3 seconds. True"
    assert page.run("print(await channel.call('double', 4))") == "8"


@pytest.mark.parametrize("call", ["await channel.call", "channel.call_sync"])
def test_the_interrupt_button_stops_a_cell_that_waits_for_the_page(page: ChannelPage, call: str) -> None:
    stuck = "stuck: () => { resolve(); return new Promise(() => {}); }"
    page.do(f"kept.called = new Promise((resolve) => channel.expose({{ {stuck} }}))")
    cell = page.begin(STUCK.format(call))
    page.do("await kept.called")
    pressed = page.driver.execute_script(INTERRUPT)
    outputs = page.ended(cell)
    assert outputs[-1]["ename"] in ("KeyboardInterrupt", "CancelledError")
    assert 0 <= float(printed(outputs)) - pressed < AT_ONCE
    assert page.run("print(await channel.call('double', 5))") == "10"
