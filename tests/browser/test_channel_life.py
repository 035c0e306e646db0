"""What becomes of the channel when pages come and go, kernels start anew, and the site is away."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.running import Site

from .channel_page import ChannelPage, open_notebook

OPEN = """
from pyramid_notebook.channel import open_channel
channel = open_channel(code='''(channel) => {
  window.timesRun = (window.timesRun ?? 0) + 1;
  channel.expose({
    add: (one, two) => one + two,
    times: () => window.timesRun,
    mark: (mark) => (window.mark = mark),
    marked: () => window.mark,
    begun: () => channel.call('begun').then(() => new Promise(() => {})),
  });
}''')
"""
ADD = "print(await channel.call('add', 40, 2, timeout=20))"
WATCH = "kept.states = []; channel.addEventListener('state', ({ detail }) => kept.states.push(detail))"
STATES = "return kept.states"
#: Calls the page and tells which exception comes when it is loaded anew; the cell's output is of the page before.
BEGUN = """
import threading, time
begun = threading.Event()
channel.expose(begun.set, name="begun", thread="own")
channel.expose(begun.is_set, name="has_begun", thread="own")
told = []
def wait():
    try:
        channel.call_sync("begun", timeout=60)
    except BaseException as error:
        told.extend([type(error).__name__, isinstance(error, ConnectionError)])
waiting = threading.Thread(target=wait)
waiting.start()
print(begun.wait(20))
"""


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[ChannelPage]:
    with open_notebook(site, cell=OPEN) as page:
        yield page


def test_a_page_that_is_loaded_anew_during_a_call_is_a_connection_error_and_connects_by_itself(
    page: ChannelPage,
) -> None:
    assert page.run(BEGUN) == "True"
    page.save()
    page.reload()
    page.become("open")
    assert page.run("waiting.join(5)\nprint(told)") == "['PageGone', True]"
    assert page.run(ADD) == "42"


def test_the_saved_output_holds_no_secret(page: ChannelPage) -> None:
    page.run(OPEN)
    page.save()
    outputs = [cell.get("outputs", []) for cell in json.loads(page.file.read_text())["cells"]]
    shown = json.dumps(outputs)
    assert "channel.js" in shown
    record = page.user.record
    secrets = [record.secret, *(cookie["value"] for cookie in page.driver.get_cookies())]
    assert not [secret for secret in secrets if secret in shown]
    assert "timesRun" not in shown


def test_the_output_of_a_notebook_that_is_not_trusted_does_not_connect(page: ChannelPage) -> None:
    path, home = page.file, page.user.path
    text = path.read_text()
    assert "const own =" in text
    path.with_name("foreign.ipynb").write_text(text.replace("const own =", "const own  ="))
    page.user.visit(home.replace(path.name, "foreign.ipynb"))
    page.user.until_idle()
    assert page.driver.execute_script("return document.querySelectorAll('.jp-OutputArea-output').length")
    assert page.driver.execute_script("return window.notebookChannel === undefined")
    page.user.visit(home)
    page.user.until_idle()
    page.become("open")


def test_with_several_pages_the_first_the_last_all_or_one_by_its_id_are_called(page: ChannelPage) -> None:
    first = page.driver.current_window_handle
    page.run("await channel.call('mark', 'first')")
    path = page.user.path
    page.driver.switch_to.new_window("tab")
    try:
        page.user.visit(path)
        page.user.until_idle()
        page.become("open")
        own = page.do("return channel.page")
        page.run("await channel.call('mark', 'last')")
        code = "print(*[await channel.call('marked', page=which) for which in ('first', 'last')])"
        assert page.run(code) == "first last"
        assert page.run("print(sorted((await channel.call('marked', page='all')).values()))") == "['first', 'last']"
        assert page.run(f"print(await channel.call('marked', page='{own}'))") == "last"
        assert page.run("print(*[await channel.call('marked', page=one.id) for one in channel.pages])") == "first last"
        assert "NoPage" in page.fails("await channel.call('marked', page='none', timeout=0.2)")
    finally:
        page.driver.close()
        page.driver.switch_to.window(first)
    page.run("import asyncio\nwhile len(channel.pages) > 1:\n    await asyncio.sleep(0.01)")
    assert page.run(ADD) == "42"


def test_a_page_connects_again_when_the_site_was_away(page: ChannelPage) -> None:
    page.do(WATCH)
    page.user.site.kill()
    page.become("waiting")
    page.user.site.start()
    page.become("open")
    states = page.do(STATES)
    assert states[:2] == ["waiting", "connecting"]
    assert states[-1] == "open"
    assert page.run(ADD) == "42"
    assert page.run("print(len(channel.pages), await channel.call('times'))") == "1 2"


def test_a_call_that_is_under_way_when_the_connection_breaks_fails_and_a_later_one_waits_for_the_next(
    page: ChannelPage,
) -> None:
    page.run("import asyncio\nchannel.expose(lambda: asyncio.sleep(100), name='hang')")
    page.run("channel.expose(lambda: 42, name='give')")
    page.do("kept.broken = channel.call('hang').catch((error) => error.name); await channel.call('give')")
    page.user.site.kill()
    assert page.do("return kept.broken") == "Disconnected"
    page.driver.execute_script("kept.later = notebookChannel('main').callWith({ timeout: 30_000 }, 'give')")
    page.user.site.start()
    assert page.do("return kept.later") == 42


def test_the_page_is_told_of_a_kernel_that_starts_anew_and_works_again_after_the_cell(page: ChannelPage) -> None:
    page.become("open")
    page.user.until_idle()
    page.do(WATCH)
    restart = """
    const [done] = arguments;
    window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart().then(() => done(), done);
    """
    page.driver.execute_async_script(restart)
    page.user.wait(lambda: page.do(STATES), "the page is told")
    assert page.do(STATES)[0] == "waiting"
    page.user.until_idle()
    page.run(OPEN)
    page.become("open")
    assert page.run(ADD) == "42"
    assert page.run("print(len(channel.pages))") == "1"


def test_an_output_that_is_run_again_connects_a_page_that_had_given_up(page: ChannelPage) -> None:
    script = """
    const never = "00000000-0000-4000-8000-000000000000";
    const script = [...document.querySelectorAll(".jp-OutputArea-output script")].at(-1).textContent;
    const [, version] = script.match(/"version": "([0-9a-f]+)"/);
    const { baseUrl } = JSON.parse(document.getElementById("jupyter-config-data").textContent);
    const { connect } = await import(`${baseUrl}channel/static/${version}/channel.js`);
    const before = window.notebookChannel;
    const lost = connect(baseUrl, never);
    window.notebookChannel = before;
    const states = []; // all but the very first
    const closed = new Promise((resolve) => lost.addEventListener("state", ({ detail }) => {
      states.push(detail);
      if (detail === "closed") resolve();
    }));
    const call = await lost.call("anything").catch((error) => error.name);
    await closed;
    connect(baseUrl, never);
    window.notebookChannel = before;
    return [call, lost.state, states.filter((state) => state === "connecting").length];
    """
    assert page.do(script) == ["Disconnected", "connecting", 5]


def test_a_user_name_with_odd_characters_stays_as_it_is_in_the_address(page: ChannelPage) -> None:
    script = """
    const asked = [];
    const Real = WebSocket;
    window.WebSocket = class extends Real { constructor(address) { super(address); asked.push(String(address)); } };
    try {
      const shown = document.querySelector(".jp-OutputArea-output script").textContent;
      const [, version] = shown.match(/"version": "([0-9a-f]+)"/);
      const { baseUrl } = JSON.parse(document.getElementById("jupyter-config-data").textContent);
      const { connect } = await import(`${baseUrl}channel/static/${version}/channel.js`);
      connect("/notebook/%C5%BC%40x%2Fy/", "00000000-0000-4000-8000-000000000001");
    } finally {
      window.WebSocket = Real;
    }
    return asked;
    """
    path = "/notebook/%C5%BC%40x%2Fy/channel/00000000-0000-4000-8000-000000000001/socket"
    assert page.do(script) == [page.user.site.origin.replace("http", "ws") + path]
