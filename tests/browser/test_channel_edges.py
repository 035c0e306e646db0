"""What is easily wrong at the page's end of the channel: odd values, odd exceptions, streams that stop in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running import Site

from .channel_page import ChannelPage, PageFailure, open_notebook

OPEN = """
import asyncio, threading, time
from pyramid_notebook.channel import open_channel
channel = open_channel()
cancelled, closed = threading.Event(), threading.Event()
@channel.expose
def echo(*values):
    return values[0] if values else None
@channel.expose
async def hang():
    try:
        await asyncio.sleep(100)
    finally:
        cancelled.set()
@channel.expose
async def size(stream):
    return len(await stream.join())
@channel.expose
async def first(stream):
    async for piece in stream:
        return piece[:1]
@channel.expose
async def upside_down(stream):
    return "".join(reversed([piece.decode() async for piece in stream.by_separator()]))
@channel.expose
def nothing():
    yield from ()
@channel.expose
def empty_pieces():
    yield from (b"", b"one", b"", b"two", b"")
@channel.expose
def lines():
    yield from ("żó".encode(), "łw\\nturtle".encode(), b"\\n\\nend")
@channel.expose
def breaks():
    yield b"x" * 100_000
    raise LookupError("no more of it")
@channel.expose
def texts():
    yield "text"
@channel.expose(thread="own")
def endless():
    try:
        while True:
            yield b"x" * 10_000
    finally:
        closed.set()
"""

TOLD = """
try:
    await channel.call("odd")
except Exception as error:
    print(type(error).__name__, str(error)[:40])
"""
WAITS = """
kept.aborted = new Promise((resolve) => channel.expose("waits", function () {
  this.signal.addEventListener("abort", () => resolve(this.channel.name));
  return new Promise(() => {});
}));
"""
#: A source without end that tells when it was cancelled.
ENDLESS = """
kept.cancelled = new Promise((resolve) => {
  const pull = (sink) => sink.enqueue(new Uint8Array(50_000).fill(7));
  kept.source = new ReadableStream({ pull, cancel: () => resolve("cancelled") });
});
"""
DROPS = """
channel.expose("drops", () => { throw new Error("It is not wanted."); });
channel.expose("peeks", async (stream) => { for await (const piece of stream) return piece[0]; });
"""


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[ChannelPage]:
    with open_notebook(site, cell=OPEN) as page:
        yield page


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("NaN", "The value at [0] is NaN, which JSON does not have."),
        ("{ deep: [1, -Infinity] }", 'The value at [0]["deep"][1] is -Infinity, which JSON does not have.'),
        ("() => 1", "The value at [0] is a function, which cannot be sent."),
        ("10n", "The value at [0] is a bigint, which cannot be sent."),
        ("Symbol.iterator", "The value at [0] is a symbol, which cannot be sent."),
        ("Promise.resolve(1)", "The value at [0] is a Promise, which cannot be sent."),
        ("new Map([[1, 2]])", "The value at [0] is a Map, which cannot be sent."),
        ("(() => { const round = {}; round.again = round; return round; })()", "more than 200 levels, or itself"),
        ("'x'.repeat(17 * 1024 * 1024)", "a message may have 16777216. Send it as a stream."),
        ("'ż'.repeat(9 * 1024 * 1024)", "a message may have 16777216. Send it as a stream."),
        ("new Uint8Array(17 * 1024 * 1024)", "a message may have 16777216. Send it as a stream."),
    ],
    ids=range(11),
)
def test_a_value_that_cannot_be_sent_fails_that_call_alone(page: ChannelPage, value: str, sentence: str) -> None:
    with pytest.raises(PageFailure) as failure:
        page.do(f"await channel.call('echo', {value})")
    assert sentence in failure.value.error["message"]
    assert page.do("return [await channel.call('echo', 1), channel.state]") == [1, "open"]


@pytest.mark.parametrize("value", ["NaN", "'x'.repeat(17 * 1024 * 1024)", "new Map()", "() => 1"], ids=range(4))
def test_a_result_that_cannot_be_sent_fails_that_call_alone(page: ChannelPage, value: str) -> None:
    page.do(f"channel.expose({{ odd: () => ({{ value: {value} }})['value'], even: () => 2 }})")
    assert "PageError" in page.fails("await channel.call('odd')")
    assert page.run("print(await channel.call('even'))") == "2"


def test_values_that_json_knows_otherwise_become_what_json_makes_of_them(page: ChannelPage) -> None:
    value = "[undefined, { kept: null, left: undefined, method() {} }, new Date(0), [, 1], -0, '\\u{1F422}', '\\0']"
    wanted = [None, {"kept": None}, "1970-01-01T00:00:00.000Z", [None, 1], 0, "\N{TURTLE}", "\0"]
    assert page.do(f"return channel.call('echo', {value})") == wanted
    assert page.do("return channel.call('echo')") is None


@pytest.mark.parametrize(
    ("thrown", "told"),
    [
        ("'a text'", "Error: a text"),
        ("undefined", "Error: undefined"),
        ("null", "Error: null"),
        ("42", "Error: 42"),
        ("{ code: 7 }", 'Error: {"code":7}'),
        ("Object.create(null)", "Error: {}"),
        ("Symbol('odd')", "Error: Symbol(odd)"),
        ("new DOMException('not now', 'AbortError')", "AbortError: not now"),
        ("Object.assign(new Error('x'), { name: 7, stack: 8 })", "Error: x"),
        ("new Error('y'.repeat(40_000_000))", "Error: yyyy"),
    ],
    ids=range(10),
)
def test_whatever_the_page_throws_is_told(page: ChannelPage, thrown: str, told: str) -> None:
    page.do(f"channel.expose({{ odd: () => {{ throw {thrown}; }} }})")
    assert page.run(TOLD).startswith(f"PageError {told}")


def test_an_exception_that_passes_both_ends_is_named_once(page: ChannelPage) -> None:
    page.run("channel.expose(lambda: 1 / 0, name='divide')")
    page.do("channel.expose({ divides: () => channel.call('divide') })")
    code = "try:\n    await channel.call('divides')\nexcept Exception as error:\n    print(error.name, error.message)"
    assert page.run(code) == "ZeroDivisionError division by zero"


def test_a_call_that_is_aborted_rejects_with_its_reason_and_the_kernel_stops(page: ChannelPage) -> None:
    page.run("cancelled.clear()")
    script = """
    const control = new AbortController();
    const call = channel.callWith({ signal: control.signal }, "hang").catch((error) => error.message);
    await channel.call("echo");
    control.abort(new Error("never mind"));
    return call;
    """
    assert page.do(script) == "never mind"
    assert page.run("print(cancelled.wait(20))") == "True"
    with pytest.raises(PageFailure, match="too late"):
        page.do("await channel.callWith({ signal: AbortSignal.abort(new Error('too late')) }, 'hang')")


def test_a_call_that_takes_too_long_times_out(page: ChannelPage) -> None:
    page.run("cancelled.clear()")
    with pytest.raises(PageFailure, match=r"ChannelTimeout: The kernel did not answer hang\(\) within 100 ms."):
        page.do("await channel.callWith({ timeout: 100 }, 'hang')")
    assert page.run("print(cancelled.wait(20))") == "True"
    assert page.do("return channel.callWith({ timeout: Infinity }, 'echo', 1)") == 1


def test_the_signal_of_a_function_is_aborted_when_the_kernel_does_not_wait_any_more(page: ChannelPage) -> None:
    page.do(WAITS)
    assert "ChannelTimeout" in page.fails("await channel.call('waits', timeout=0.1)")
    assert page.do("return kept.aborted") == "main"


def test_several_channels_share_a_connection_and_have_functions_of_their_own(page: ChannelPage) -> None:
    code = "(channel) => { channel.handler = { who() { return this.name + channel.name; }, name: 'I am ' }; };"
    page.run(f"one, two = (open_channel(name, {code!r}, show=False) for name in ('one', 'two'))")
    assert page.run("print(await one.call('who'), await two.call('who'))") == "I am one I am two"
    assert "NotExposed" in page.fails("await one.call('toString')")
    page.do("notebookChannel('one').addEventListener('close', () => { kept.closed = true; })")
    page.run("one.close()")
    page.user.wait(lambda: page.do("return kept.closed"), "the page knows that the channel is closed")
    assert page.run("print(await two.call('who'))") == "I am two"


def test_output_that_is_shown_twice_makes_one_connection(page: ChannelPage) -> None:
    page.run("from IPython.display import display\nfor _ in range(3):\n    display(channel)")
    page.do("channel.expose({ seen: () => document.querySelectorAll('.jp-OutputArea-output script').length })")
    assert int(page.run("print(await channel.call('seen'))")) >= 3
    assert page.run("print(len(channel.pages))") == "1"


def test_streams_from_the_kernel_may_be_empty_or_have_empty_pieces(page: ChannelPage) -> None:
    assert page.do("return (await (await channel.call('nothing')).join()).length") == 0
    script = "return new TextDecoder().decode(await (await channel.call('empty_pieces')).join())"
    assert page.do(script) == "onetwo"


def test_a_stream_from_the_kernel_is_read_in_pieces_of_ones_own(page: ChannelPage) -> None:
    script = """
    const text = new TextDecoder(), found = [];
    for await (const piece of (await channel.call("lines")).bySeparator()) found.push(text.decode(piece));
    for await (const piece of (await channel.call("lines")).byLimit(6)) found.push(piece.length);
    for await (const piece of (await channel.call("lines")).bySeparator("\\n\\n")) found.push(text.decode(piece));
    return found;
    """
    assert page.do(script) == ["żółw\n", "turtle\n", "\n", "end", 6, 6, 6, 1, "żółw\nturtle\n\n", "end"]


@pytest.mark.parametrize(("name", "sentence"), [("breaks", "LookupError: no more of it"), ("texts", "Unsendable")])
def test_a_stream_from_the_kernel_that_breaks_off_is_an_error_of_its_reader(
    page: ChannelPage, name: str, sentence: str
) -> None:
    with pytest.raises(PageFailure, match=f"KernelError: {sentence}"):
        page.do(f"await (await channel.call('{name}')).join()")
    assert page.do("return channel.call('echo', 1)") == 1


def test_a_stream_from_the_kernel_ends_when_the_page_stops_to_read_it(page: ChannelPage) -> None:
    for _ in range(8):  # more than a browser opens at once to a host (HTTP/1.1)
        page.run("closed.clear()")
        page.do("for await (const piece of await channel.call('endless')) { break; }")
        assert page.run("print(closed.wait(20))") == "True"


def test_a_stream_that_nobody_reads_holds_no_connection(page: ChannelPage) -> None:
    page.do("for (let count = 0; count < 8; count++) await channel.call('endless')")
    assert page.do("return (await (await channel.call('empty_pieces')).join()).length") == 6


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("new Uint8Array()", 0),
        ("new Blob(['ż'])", 2),
        ("new Uint16Array(3)", 6),
        ("[new Uint8Array(2), new ArrayBuffer(3), new Uint8Array()]", 5),
        ("(async function* () { for (let n = 0; n < 30; n++) yield new Uint8Array(100_000); })()", 3_000_000),
        ("new Response('y'.repeat(200_000)).body", 200_000),
    ],
    ids=range(6),
)
def test_streams_to_the_kernel_are_of_anything_that_yields_bytes(page: ChannelPage, source: str, size: int) -> None:
    assert page.do(f"return channel.callWith({{ stream: {source} }}, 'size')") == size


def test_a_stream_to_the_kernel_is_read_in_pieces_of_its_own(page: ChannelPage) -> None:
    script = "return channel.callWith({ stream: new Blob(['żółw\\n', 'turtle\\n']) }, 'upside_down')"
    assert page.do(script) == "turtle\nżółw\n"


@pytest.mark.parametrize("source", ["'text'", "null", "{}", "42"])
def test_what_is_no_stream_is_refused_before_the_call(page: ChannelPage, source: str) -> None:
    with pytest.raises(PageFailure, match="TypeError: What goes as a stream is"):
        page.do(f"await channel.callWith({{ stream: {source} }}, 'size')")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("yield new Uint8Array(100_000); throw new RangeError('no more')", "RangeError: no more"),
        ("yield new Uint8Array(1); yield 'text'", "TypeError: A stream yielded a string, and its pieces are bytes."),
    ],
    ids=range(2),
)
def test_a_stream_to_the_kernel_that_breaks_off_is_an_error_of_its_reader(
    page: ChannelPage, body: str, sentence: str
) -> None:
    with pytest.raises(PageFailure) as failure:
        page.do(f"await channel.callWith({{ stream: (async function* () {{ {body}; }})() }}, 'size')")
    assert sentence in failure.value.error["message"]
    page.do(f"channel.expose({{ give: async function* () {{ {body}; }} }})")
    assert sentence in page.fails("await (await channel.call('give')).join()")


def test_a_stream_to_the_kernel_ends_when_the_kernel_stops_to_read_it(page: ChannelPage) -> None:
    assert page.do(ENDLESS + "return [...await channel.callWith({ stream: kept.source }, 'first')]") == [7]
    assert page.do("return kept.cancelled") == "cancelled"


def test_a_stream_of_a_call_that_is_aborted_or_refused_is_cancelled(page: ChannelPage) -> None:
    source = "new ReadableStream({ pull: () => new Promise(() => {}), cancel: (reason) => resolve(reason.message) })"
    script = f"""
    const cancelled = new Promise((resolve) => {{ kept.source = {source}; }});
    await channel.callWith({{ stream: kept.source, timeout: 200 }}, values[0]).catch(() => {{}});
    return cancelled;
    """
    assert page.do(script, "size") == "The kernel did not answer size() within 200 ms."
    assert "exposes no function 'missing'" in page.do(script, "missing")


def test_a_stream_that_a_function_of_the_page_leaves_is_closed_in_the_kernel(page: ChannelPage) -> None:
    page.do(DROPS)
    page.run("closed.clear()")
    assert page.run("print(await channel.call('peeks', stream=endless()))") == "120"
    assert page.run("print(closed.wait(20))") == "True"
    assert "It is not wanted." in page.fails("await channel.call('drops', stream=endless())")
    assert page.run("print(await channel.call('peeks', stream=endless()))") == "120"
