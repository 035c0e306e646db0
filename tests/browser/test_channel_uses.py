"""What the channel is good for, and jchannel's cells, in a real browser; each example of the guide runs here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from tests.docs.blocks import block
from tests.running import Site

from .channel_page import ChannelPage, open_notebook

GUIDE = "docs/how-to/channel.md"
#: The part that is shown last.
PART = "[data-notebook-use='{}']"


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[ChannelPage]:
    with open_notebook(site) as page:
        yield page


@pytest.fixture
def upload_folder(tmp_path: Path) -> Path:
    (tmp_path / "figures.csv").write_text("year,sales\n2024,3\n2025,5\n")
    return tmp_path


def buttons(page: ChannelPage, kind: str) -> list[Any]:
    return page.user.find(f"{PART.format(kind)} button")


def press(page: ChannelPage, kind: str, text: str) -> None:
    page.user.wait(lambda: [one for one in buttons(page, kind) if one.text == text], f"a button {text}")
    [button] = [one for one in buttons(page, kind) if one.text == text]
    button.click()


def shown(page: ChannelPage, cell: str) -> str:
    """All HTML and text of the outputs of a cell."""
    return "".join(str(one.get("data", one.get("text", ""))) for one in page.ended(cell))


# asking


def test_a_cell_waits_for_an_answer_and_shows_it(page: ChannelPage) -> None:
    cell = page.begin(block(GUIDE, "ask.py"))
    press(page, "ask", "Yes")
    text = shown(page, cell)
    assert "Delete all drafts? Yes" in text
    assert "deleted" in text
    assert "<script" not in text  # what is saved is the answer, and nothing that runs
    assert buttons(page, "ask") == []


def test_a_cell_that_awaits_gets_an_answer_by_the_keyboard(page: ChannelPage) -> None:
    cell = page.begin(block(GUIDE, "ask_async.py"))
    page.user.wait(lambda: len(buttons(page, "ask")) == 3, "three buttons")
    assert page.driver.execute_script("return document.querySelector('[data-notebook-use] [role=group]').ariaLabel")
    buttons(page, "ask")[0].send_keys(Keys.TAB)  # to the second one
    assert page.driver.switch_to.active_element.text == "green"
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert "Which colour? green" in shown(page, cell)


def test_a_page_that_is_loaded_anew_shows_a_question_that_is_still_open(page: ChannelPage) -> None:
    page.run("from pyramid_notebook.channel.uses import ask")
    page.begin("print('got', ask('Still there?'))")
    page.user.wait(lambda: buttons(page, "ask"), "the buttons")
    page.save()
    page.driver.refresh()
    press(page, "ask", "No")
    page.user.until_idle()
    page.user.wait(lambda: "Still there? No" in page.user.text, "the answer is shown")
    assert page.run("print('alive')") == "alive"


@pytest.mark.parametrize("code", ["ask('Anybody?')", "await ask_async('Anybody?')"])
def test_an_interrupt_ends_a_question(page: ChannelPage, code: str) -> None:
    page.run("from pyramid_notebook.channel.uses import ask, ask_async")
    cell = page.begin(code)
    page.user.wait(lambda: buttons(page, "ask"), "the buttons")
    page.command("notebook:interrupt-kernel")
    outputs = page.ended(cell)
    assert outputs[-1]["ename"] in ("KeyboardInterrupt", "CancelledError")
    assert "nobody waits" in str(outputs[0]["data"])


def test_nobody_answers_in_time(page: ChannelPage) -> None:
    assert "TimeoutError" in page.fails("from pyramid_notebook.channel.uses import ask\nask('Anybody?', timeout=0.1)")


# uploading


def test_a_file_is_uploaded_into_a_variable(page: ChannelPage, upload_folder: Path) -> None:
    cell = page.begin(block(GUIDE, "upload.py"))
    choose(page, upload_folder / "figures.csv")
    text = shown(page, cell)
    assert "figures.csv: 25 bytes" in text
    assert "year,sales" in text


def test_a_large_file_goes_to_the_disk_unchanged(page: ChannelPage, upload_folder: Path) -> None:
    large = upload_folder / "large.bin"
    large.write_bytes(bytes(range(256)) * 40960)
    cell = page.begin(block(GUIDE, "upload_to.py"))
    choose(page, large)
    assert "large.bin 10485760" in shown(page, cell)
    code = "from pathlib import Path\nprint(Path('large.bin').read_bytes() == bytes(range(256)) * 40960)"
    assert page.run(code) == "True"


def test_a_file_that_is_too_large_is_refused_and_another_one_can_be_chosen(
    page: ChannelPage, upload_folder: Path
) -> None:
    cell = page.begin("from pyramid_notebook.channel.uses import upload\nprint(upload(largest=10).size)")
    choose(page, upload_folder / "figures.csv")
    page.user.see(f"{PART.format('upload')} [role=status]", "10 are taken")
    (upload_folder / "small.csv").write_text("a,b\n")
    choose(page, upload_folder / "small.csv")
    assert "4" in shown(page, cell)


def choose(page: ChannelPage, path: Path) -> None:
    field = f"{PART.format('upload')} input[type=file]:not(:disabled)"
    page.user.wait(lambda: page.driver.find_elements("css selector", field), "a field for a file")
    page.driver.find_element("css selector", field).send_keys(str(path))


# live pictures


@pytest.mark.parametrize(("file", "kind"), [("live.py", "image/svg+xml"), ("live_matplotlib.py", "image/png")])
def test_a_slider_has_python_draw_another_picture(page: ChannelPage, file: str, kind: str) -> None:
    text = shown(page, page.begin(block(GUIDE, file)))
    assert f"data:{kind};base64," in text  # who opens the saved notebook sees the first one
    [slider] = page.user.wait(lambda: last_part(page, "live").find_elements("css selector", "input"), "a slider")
    first = page.user.wait(lambda: picture(page), "a picture that the kernel drew")
    slider.send_keys(Keys.ARROW_RIGHT)
    page.user.wait(lambda: picture(page) not in (None, first), "another picture")
    drawn = page.do("return (await (await fetch(values[0])).blob()).type", picture(page))
    assert drawn == kind
    assert slider.accessible_name == "frequency"
    assert last_part(page, "live").find_element("css selector", "output").text == slider.get_attribute("value")


def last_part(page: ChannelPage, kind: str) -> Any:
    return page.driver.find_elements("css selector", PART.format(kind))[-1]


def picture(page: ChannelPage) -> str | None:
    source = last_part(page, "live").find_element("css selector", "img").get_attribute("src")
    return source if source and source.startswith("blob:") else None


# progress


def test_a_bar_shows_how_far_a_loop_is_and_a_button_stops_it(page: ChannelPage) -> None:
    cell = page.begin(block(GUIDE, "progress.py"))
    page.user.see(PART.format("progress"), "of 1000")
    press(page, "progress", "Stop")
    text = shown(page, cell)
    found = re.search(r"Reading: stopped at (\d+) of 1000 after", text)
    assert found
    assert 0 < int(found[1]) < 1000
    assert f"read {found[1]}" in text


def test_a_stop_can_be_an_exception(page: ChannelPage) -> None:
    page.run("import threading\nfrom pyramid_notebook.channel.uses import progress\npause = threading.Event()")
    cell = page.begin("for item in progress(range(1000), on_stop='raise'): pause.wait(0.01)")
    press(page, "progress", "Stop")
    assert page.ended(cell)[-1]["ename"] == "Stopped"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("for item in progress('abc'): pass", "Progress: done, 3 of 3 after"),
        ("for item in progress(iter('abc')):\n    if item == 'b': break", "Progress: left at 1 after"),
    ],
)
def test_what_became_of_a_loop_stays_in_the_cell(page: ChannelPage, code: str, text: str) -> None:
    assert text in shown(page, page.begin(f"from pyramid_notebook.channel.uses import progress\n{code}"))


def test_a_loop_that_fails_says_so(page: ChannelPage) -> None:
    cell = page.begin("from pyramid_notebook.channel.uses import progress\nfor item in progress([1, 0]): 1 / item")
    assert "left at 1 of 2" in str(page.ended(cell)[0]["data"])


# a bridge to the site's page

SITE_PAGE = """
const [source] = arguments;
document.body.innerHTML = source;
const script = document.createElement("script");
script.type = "module";
script.textContent = document.querySelector("script").textContent + `
  bridge.expose({ fail: () => { throw new RangeError("no such order"); } });
  window.bridge = bridge;
`;
document.body.append(script);
"""
CALL = """
const [name, values, done] = arguments;
window.bridge.call(name, ...values).then((value) => done({ value }), ({ name, message }) => done({ name, message }));
"""


def test_a_page_of_the_site_and_the_notebook_in_it_call_each_other(page: ChannelPage) -> None:
    user = page.user
    path = user.path
    assert "NoPage" in page.fails(block(GUIDE, "bridge.py") + "\nawait bridge.call('choose', 7)")
    page.save()
    user.visit("/")
    source = block(GUIDE, "bridge.html").replace("/notebook/alice/notebooks/orders.ipynb", path)
    page.driver.execute_script(SITE_PAGE, source.replace("/alice/", "/user/"))
    user.wait(lambda: page.driver.execute_script("return 'bridge' in window"), "the page got the sum of the notebook")
    assert page.driver.execute_async_script(CALL, "total", [[1, 2, 3.5]]) == {"value": 6.5}
    assert page.driver.execute_async_script(CALL, "total", ["none"])["name"] == "TypeError"
    assert page.driver.execute_async_script(CALL, "__class__", [])["name"] == "NotExposed"
    page.driver.switch_to.frame("notebook")
    user.until_idle()
    page.run("await bridge.call('choose', 7)")
    assert page.driver.execute_script("return parent.location.hash") == "#7"
    page.run("bridge.call_sync('choose', 8)")
    assert page.driver.execute_script("return parent.location.hash") == "#8"
    assert "RangeError: no such order" in page.fails("await bridge.call('fail')")
    assert "exposes no function" in page.fails("await bridge.call('steal')")
    page.driver.switch_to.default_content()
    user.visit(path)
    user.until_idle()


def test_a_bridge_hears_nobody_but_the_page_around_it(page: ChannelPage) -> None:
    """A frame of its own origin below the notebook, and the notebook itself, are not that page."""
    page.run(block(GUIDE, "bridge.py") + "\nheard = []\nbridge.expose(heard.append, name='hear')")
    page.do(
        """
        const message = { notebookBridge: 1, type: "call", id: 1, name: "hear", values: [1] };
        window.postMessage(message, location.origin);
        const frame = document.body.appendChild(document.createElement("iframe"));
        frame.contentWindow.eval(`parent.postMessage(${JSON.stringify(message)}, "*")`);
        const both = `parent.postMessage(${JSON.stringify(message)}, "*"); parent.postMessage("over", "*")`;
        const over = new Promise((done) => addEventListener("message", ({ data }) => data === "over" && done()));
        frame.sandbox = "allow-scripts"; // of no origin
        frame.srcdoc = `<script>${both}</script>`;
        await over;
        await notebookChannel("use.bridge").call("hear", 2);
        """
    )
    assert page.run("print(heard)") == "[2]"


# functions of one's own


def test_the_cell_of_the_readme_gets_the_title_of_the_page(page: ChannelPage) -> None:
    cell = page.begin(block("README.md", "title.py"))
    assert repr(page.driver.title) in shown(page, cell)


def test_the_guide_calls_the_page_and_is_called(page: ChannelPage) -> None:
    page.run(block(GUIDE, "own.py"))
    assert page.run(block(GUIDE, "own_call.py")) == "Hello Ann\nHello Bob"
    page.run(block(GUIDE, "own_expose.py"))
    assert page.do(block(GUIDE, "own_expose.js") + "\nreturn total") == 12.5
    lines = page.run(block(GUIDE, "own_errors.py")).splitlines()
    assert lines == ["The page did not answer hang() within 0.5 seconds.", "RangeError too far"]
    assert page.run(block(GUIDE, "own_streams.py")).splitlines() == ["3000", r"[b'a\n', b'b\n', b'c']"]
    assert page.run(block(GUIDE, "own_hosts.py") + "\nprint(channel.is_open)") == "True"


# jchannel's API

INDENT = """
from pyramid_notebook.channel import jchannel
server = await jchannel.start(host="127.0.0.1", port=8889)
words = await server.open('''
    (channel) => {
        channel.handler = {
            shout(text, marks) {
                return text.toUpperCase() + "!".repeat(marks);
            },
            async count(stream) {
                let total = 0;
                for await (const chunk of stream) total += chunk.length;
                return total;
            },
            async * lower(stream) {
                const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
                for await (const chunk of stream) yield encoder.encode(decoder.decode(chunk).toLowerCase());
            },
        };
        return "opened";
    }
''')
"""


@pytest.fixture(scope="module")
def jchannel(page: ChannelPage) -> ChannelPage:
    page.run(INDENT)
    return page


def test_the_page_about_jchannel_runs(page: ChannelPage) -> None:
    assert page.run(block("docs/how-to/from-jchannel.md", "jchannel.py")) == "abab"


def test_tasks_of_jchannel_are_awaited_in_any_order(jchannel: ChannelPage) -> None:
    jchannel.run("first = words.call('shout', 'hello', 1)\nsecond = words.call('shout', 'world', 2)")
    assert jchannel.run("print(await second, await first)") == "WORLD!! HELLO!"
    assert "FrontendError: TypeError: text.toUpperCase is not a function" in jchannel.fails(
        "await words.call('shout', 1)"
    )
    assert jchannel.run("print(await words.open())") == "opened"


def test_streams_of_jchannel_go_both_ways(jchannel: ChannelPage) -> None:
    jchannel.run("async def lines():\n    for line in ('Żółw\\n', 'IS\\n', 'SLOW'): yield line.encode()")
    assert jchannel.run("print(await words.call_with_stream('count', lines()))") == "15"
    back = "stream = await words.call_with_stream('lower', lines())\nprint((await stream.join()).decode())"
    assert jchannel.run(back) == "żółw\nis\nslow"
    piped = "[line.decode() async for line in (await words.pipe(lines())).by_separator()]"
    assert jchannel.run(f"print({piped})") == "['Żółw\\n', 'IS\\n', 'SLOW']"
    assert jchannel.run("print(await words.echo(1, 'ż', None))") == "[1, 'ż', None]"


def test_the_page_calls_a_handler_of_jchannel(jchannel: ChannelPage) -> None:
    jchannel.run(
        "class Handler:\n"
        "    secret = 'hidden'\n"
        "    def divide(self, a, b): return a / b\n"
        "    async def size(self, stream, more): return len(await stream.join()) + more\n"
        "    def _private(self): return 1\n"
        "sums = await server.open('(channel) => { self.sums = channel; }')\n"
        "sums.handler = Handler()"
    )
    assert jchannel.do("return self.sums.call('divide', 7, 2)") == 3.5
    told = "try { await self.sums.call(...values); } catch (error) { return `${error.name} ${error.message}`; }"
    assert jchannel.do(told, "divide", 1, 0) == "KernelError ZeroDivisionError: division by zero"
    assert jchannel.do(
        "try { await self.sums.call('divide', 1, 0) } catch (e) { return e instanceof jchannel.KernelError }"
    )
    for name in ("secret", "_private", "__class__", "__init__", "absent"):
        assert "exposes no function" in jchannel.do(told, name)
    assert jchannel.do("return self.sums.callWithStream('size', new Blob(['żółw']).stream(), 1)") == 8
    assert jchannel.do("return self.sums.echo(1, [2])") == [1, [2]]
    assert jchannel.do("return (await (await self.sums.pipe(new Blob(['abc']))).join()).length") == 3


def test_channels_of_jchannel_end_with_their_block(jchannel: ChannelPage) -> None:
    code = (
        "async with jchannel.start() as short:\n"
        "    inner = await short.open('() => 7')\n"
        "    print(await inner.open())\n"
        "await inner.call('shout')"
    )
    assert "StateError: Server not running" in jchannel.fails(code)
