"""Modules of the page's end that need no kernel: pieces of streams, and the bridge of a page of the site."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pyramid_notebook.channel.display import STATIC
from tests.running import chromium

#: Cuts a stream of given pieces at separators; `times` pieces of 64 KB without any come before them.
SEPARATE = """
const [pieces, separator, times, done] = arguments;
import("/streams.js").then(async ({ readable }) => {
  const encoder = new TextEncoder();
  const whole = new Uint8Array(65536);
  let sent = 0;
  const pull = (sink) => {
    if (sent < times) sink.enqueue(whole);
    else if (sent - times < pieces.length) sink.enqueue(encoder.encode(pieces[sent - times]));
    else sink.close();
    sent += 1;
  };
  const found = [];
  for await (const piece of readable(new ReadableStream({ pull })).bySeparator(separator)) found.push(piece);
  done(found.map((piece) => [piece.length, new TextDecoder().decode(piece.slice(-20))]));
}).catch((error) => done(String(error)));
"""
#: Stands for a notebook that opens its bridge when it is told to.
NOTEBOOK = """<!doctype html><script>
globalThis.openBridge = () => {
  const post = (message) => parent.postMessage({ notebookBridge: 1, ...message }, location.origin);
  addEventListener("message", ({ data }) => {
    if (data.type === "hello") post({ type: "ready" });
    if (data.type === "call") post({ type: "result", id: data.id, value: data.values[0] });
  });
  post({ type: "ready" });
};
</script>"""
#: Shows such a notebook, and returns a bridge to it.
BRIDGE = """
const done = arguments[arguments.length - 1];
const frame = document.body.appendChild(document.createElement("iframe"));
const loaded = (begin) =>
  new Promise((resolve) => (frame.addEventListener("load", resolve, { once: true }), begin()));
const open = () => frame.contentWindow.openBridge();
const settled = () =>
  new Promise((resolve) => {
    frame.contentWindow.addEventListener("message", ({ data }) => data === "last" && resolve());
    frame.contentWindow.postMessage("last", location.origin); // comes behind all that was sent before
  });
(async () => {
  const { NotebookBridge } = await import("/bridge.js");
  await loaded(() => (frame.src = "/notebook.html"));
  const bridge = new NotebookBridge(frame);
  %s
})().then(done, (error) => done(error.name));
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser with an empty page of a site that has the modules."""
    folder = Path(tmp_path_factory.mktemp("static"))
    shutil.copytree(STATIC, folder, dirs_exist_ok=True)
    (folder / "index.html").write_text("<!doctype html><body>")
    (folder / "notebook.html").write_text(NOTEBOOK)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with chromium() as driver:
        driver.get(f"http://127.0.0.1:{server.server_port}/")
        yield driver
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("mark", ["a", "ab", "aa", "\r\n", "aba", "aab"])
def test_pieces_by_separator_are_those_of_split_however_the_bytes_come(driver: Any, mark: str) -> None:
    whole = "aab\r\nabaaabab\naaa\r\n\r\nbaabaaba"
    parts = whole.split(mark)
    expected = [*(part + mark for part in parts[:-1]), *([parts[-1]] if parts[-1] else [])]
    for size in (1, 2, 3, 7, len(whole)):
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        assert [text for _, text in driver.execute_async_script(SEPARATE, pieces, mark, 0)] == expected


def test_a_separator_that_is_far_away_does_not_hang_the_page(driver: Any) -> None:
    found = driver.execute_async_script(SEPARATE, ["end\n", "more"], "\n", 1024)
    assert [length for length, _ in found] == [1024 * 65536 + 4, 4]


def bridged(driver: Any, work: str) -> Any:
    return driver.execute_async_script(BRIDGE % work)


def test_a_bridge_to_a_notebook_that_was_loaded_anew_waits_until_that_has_opened_one(driver: Any) -> None:
    work = """
    open();
    const first = await bridge.call("echo", 1);
    await loaded(() => frame.contentWindow.location.reload());
    const second = bridge.call("echo", 2);
    await settled();
    open();
    return [first, await second];
    """
    assert bridged(driver, work) == [1, 2]


def test_what_a_bridge_cannot_send_fails_its_call_also_when_that_has_waited(driver: Any) -> None:
    work = """
    const call = bridge.call("echo", () => 1);
    open();
    return await call;
    """
    assert bridged(driver, work) == "DataCloneError"
