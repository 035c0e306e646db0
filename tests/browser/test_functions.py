"""The page of a user's functions in a real browser, and foreign pages that would like to call them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import pytest
from selenium.webdriver.support.ui import Select

from tests.functions.callers import code, markdown, notebook
from tests.running import Site, wait_until

from .visitor import Visitor

LIST = "/notebook/user/restified/-/"
LOAN = "sums/loan.ipynb"
NOTEBOOKS = {
    LOAN: notebook(
        markdown("# Loan\n\nWhat a loan costs."),
        code(
            "amount: float  # how much is borrowed\nrate = 5.0\nfees: list[float] = []\nround_up = False",
            "parameters",
        ),
        code("{'interest': amount * rate / 100, 'fees': fees, 'round_up': round_up}", "return"),
    ),
    "figure.ipynb": notebook(
        code("kind = 'line'", "parameters"),
        code("from matplotlib.figure import Figure\nFigure()", "return"),
    ),
    "failing.ipynb": notebook(code("whole = 1", "parameters"), code("whole / 0"), code("whole", "return")),
    "page.ipynb": notebook(
        code("text = ''", "parameters"),
        code("made = f'<p id=text>{text}</p><script>document.title = 1</script>'"),
        code("class Page:\n    def _repr_html_(self): return made"),
        code("Page()", "return"),
    ),
    "traces.ipynb": notebook(code("how: str", "parameters"), code("open(f'ran-{how}', 'w').close()\nhow", "return")),
}
#: What a page may try to make a browser call a function; the notebook leaves a file where it runs.
FOREIGN = """<!doctype html><title>waiting</title><body><script>
const target = TARGET;
const waiting = [];
const settled = (part) => new Promise((done) => { part.onload = part.onerror = done; });
for (const name of ["img", "iframe", "script"]) {
  const part = document.createElement(name);
  waiting.push(settled(part));
  part.src = target + "?how=" + name;
  document.body.append(part);
}
const ask = (how, options) => fetch(target + "?how=" + how, { credentials: "include", ...options }).catch(() => {});
waiting.push(ask("fetch"), ask("blind", { mode: "no-cors" }));
waiting.push(ask("later", { headers: { Prefer: "respond-async" } }));
const body = JSON.stringify({ how: "post" });
waiting.push(fetch(target, { method: "POST", mode: "no-cors", credentials: "include", body }).catch(() => {}));
Promise.all(waiting).then(() => { document.title = "tried"; });
</script>
<form action=TARGET><input name=how value=form><button>go</button></form>"""


@pytest.fixture(scope="module", autouse=True)
def notebooks(site: Site) -> None:
    """Notebooks of the user; whatever else they have made is no function."""
    work = site.manager.folder("user").work
    for path, content in NOTEBOOKS.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(json.dumps(content))


@pytest.fixture
def owner(user: Visitor) -> Visitor:
    """The user, whose notebook server runs."""
    if user.site.manager.find(user.name) is None:
        user.open_shell("JFK")
    user.driver.get("about:blank")
    user.troubles()
    return user


def part_of(user: Visitor, path: str) -> Any:
    """Open the page, and return the part of it about a notebook."""
    user.visit(LIST)
    user.see(".path", path)
    [part] = [one for one in user.find("article") if path in one.text]
    return part


def fill(part: Any, name: str, text: str) -> None:
    part.find_element("css selector", f".fields [name='{name}']").send_keys(text)


def call(user: Visitor, part: Any) -> str:
    """Press the button, and return what is shown in the end."""
    button = part.find_element("css selector", "button")
    button.click()
    user.wait(button.is_enabled, "the call has ended")
    return str(part.find_element("css selector", "output").text)


def test_the_page_lists_functions_with_what_they_are_for(owner: Visitor) -> None:
    part = part_of(owner, LOAN)
    assert part.find_element("css selector", "h2").text == "Loan"
    assert part.find_element("css selector", ".about").text == "What a loan costs."
    link = part.find_element("css selector", ".path a").get_attribute("href")
    assert link == f"{owner.site.url}/notebook/user/notebooks/{LOAN}"
    assert owner.troubles() == []


def test_every_field_has_a_name_that_is_read_out(owner: Visitor) -> None:
    part = part_of(owner, LOAN)
    fields = part.find_elements("css selector", "input, select, textarea, button, output")
    assert [field.accessible_name for field in fields[:-1]] == [
        "amount *", "rate", "fees", "round_up", "Result as", "Call"
    ]  # fmt: skip
    assert fields[-1].aria_role == "status"  # what it shows is told
    amount = part.find_element("css selector", "[name=amount]")
    about = owner.driver.find_element("id", amount.get_attribute("aria-describedby"))
    assert about.text == "how much is borrowed"
    assert owner.driver.execute_script("return document.querySelectorAll('article[aria-labelledby]').length") == 5


def test_the_form_calls_the_function_and_shows_its_value(owner: Visitor) -> None:
    part = part_of(owner, LOAN)
    fill(part, "amount", "200")
    fill(part, "fees", "7\n8")
    Select(part.find_element("css selector", "[name=round_up]")).select_by_value("true")
    assert json.loads(call(owner, part)) == {"interest": 10.0, "fees": [7.0, 8.0], "round_up": True}
    assert owner.troubles() == []


def test_the_line_for_curl_has_the_same_url(owner: Visitor) -> None:
    part = part_of(owner, LOAN)
    fill(part, "amount", "200")
    fill(part, "fees", "7\n8")
    line = part.find_element("css selector", ".curl").text
    address = f"{owner.site.url}/notebook/user/restified/{LOAN}?amount=200&fees=7&fees=8"
    assert line == f"curl -H @$HOME/.notebook-header '{address}'"
    assert part.find_element("css selector", ".alone").get_attribute("href") == address


def test_a_value_that_does_not_fit_is_told_in_words(owner: Visitor) -> None:
    part = part_of(owner, LOAN)
    fill(part, "amount", "much")
    fill(part, "rate", "high")
    shown = call(owner, part).splitlines()
    assert shown[0].startswith("422 ")
    assert [line.partition(":")[0] for line in shown[1:3]] == ["amount", "rate"]
    assert "failed" in part.find_element("css selector", "output").get_attribute("class")


def test_the_owner_sees_where_their_notebook_failed(owner: Visitor) -> None:
    shown = call(owner, part_of(owner, "failing.ipynb"))
    assert shown.startswith("500 Internal Server Error\nCell 2 failed: ZeroDivisionError: division by zero")
    assert "whole / 0" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("wanted", ["", "png", "svg"])
def test_a_figure_appears(owner: Visitor, wanted: str) -> None:
    part = part_of(owner, "figure.ipynb")
    Select(part.find_element("css selector", ".format select")).select_by_value(wanted)
    assert call(owner, part) == ""
    [image] = part.find_elements("css selector", "output img")
    owner.wait(lambda: image.get_property("naturalWidth"), "the picture is there")
    assert image.accessible_name
    assert owner.troubles() == []


def test_html_by_itself_is_shown_and_runs_nothing(owner: Visitor) -> None:
    part = part_of(owner, "page.ipynb")
    fill(part, "text", "hello")
    before = set(owner.driver.window_handles)
    part.find_element("css selector", ".alone").click()
    [opened] = owner.wait(lambda: set(owner.driver.window_handles) - before, "another window")
    owner.driver.switch_to.window(opened)
    try:
        assert owner.see("#text") == "hello"
        assert owner.driver.title == "Result"  # its script would have changed that
        assert owner.driver.execute_script("return origin") == "null"
    finally:
        owner.driver.close()
        owner.driver.switch_to.window(before.pop())


def test_the_page_says_where_there_is_no_function(other: Visitor) -> None:
    other.open_shell("JFK")
    other.visit("/notebook/user2/restified/-/")
    assert "No notebook here" in other.see("#empty")
    assert other.find("article") == []


@contextmanager
def foreign(target: str) -> Iterator[str]:
    """Serve a page on another port, which for cookies is the same host; yields its URL."""
    page = FOREIGN.replace("TARGET", json.dumps(target)).encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_about: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def traces(user: Visitor) -> list[str]:
    return sorted(path.name for path in user.site.manager.folder(user.name).work.glob("ran-*"))


@pytest.mark.parametrize("place", ["another port", "a page without an origin"])
def test_a_foreign_page_cannot_call_a_function_with_the_session_of_its_visitor(owner: Visitor, place: str) -> None:
    target = f"{owner.site.url}/notebook/user/restified/traces.ipynb"
    with foreign(target) as page:
        text = quote(FOREIGN.replace("TARGET", json.dumps(target)))
        owner.driver.get(page if place == "another port" else f"data:text/html,{text}")
        owner.wait(lambda: owner.driver.title == "tried", "all was tried")
        owner.press("form button")
        owner.wait(lambda: owner.driver.current_url.startswith(owner.site.url), "the browser was sent there")
        assert owner.status == 403
    assert traces(owner) == []
    owner.visit("/notebook/user/restified/traces.ipynb?how=typed")
    assert "typed" in owner.see("body")
    wait_until(lambda: traces(owner) == ["ran-typed"], "what its user asks for runs")
    (owner.site.manager.folder("user").work / "ran-typed").unlink()
