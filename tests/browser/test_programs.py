"""Programs of a user: signed in from a real command line, approved in Chromium, used, revoked, refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import websocket

from pyramid_notebook.proxy.upstream import ask
from tests.running import wait_until
from tests.running_login import Laptop

from .visitor import Visitor

#: What is promised; it takes less than half of that.
SECONDS = 5
DEVICE = "/notebook/-/device"
#: Counts the connections to kernels that a page opens.
COUNT = """
window.channelsOpened = 0;
window.WebSocket = class extends WebSocket {
  constructor(address, ...rest) {
    super(address, ...rest);
    if (String(address).includes("/channels")) this.addEventListener("open", () => { window.channelsOpened += 1; });
  }
};
"""


def sign_in(laptop: Laptop, user: Visitor, *scopes: str) -> str:
    """Sign a program in, and return its token."""
    wishes = [part for scope in scopes for part in ("--scope", scope)]
    with laptop.start("login", user.site.url, "--name", "my laptop", *wishes) as login:
        code = login.code()
        user.visit(DEVICE)
        user.driver.find_element("css selector", "#pnb-user-code").send_keys(code)
        user.press("#pnb-device .pnb-button")
        assert user.see(".pnb-client") == "my laptop"
        user.press('button[value="approve"]')
        user.see("#pnb-device-done")
        status, output, errors = login.end()
    assert (status, errors) == (0, "")
    assert f"as {user.name}" in output
    credential = laptop.credentials.find(f"{user.site.url}/notebook")
    assert credential
    return credential.token


@contextmanager
def kernel_channel(user: Visitor, fields: dict[str, str]) -> Iterator[websocket.WebSocket]:
    """Start a kernel as a program, and connect to it."""
    notebooks = f"{user.site.url}/notebook/{user.name}"
    kernel = requests.post(f"{notebooks}/api/kernels", headers=fields, json={}, timeout=60).json()["id"]
    address = f"{notebooks.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels"
    channel = websocket.create_connection(address, header=fields, timeout=60, suppress_origin=True)
    try:
        yield channel
    finally:
        channel.close()


def run(channel: websocket.WebSocket, code: str) -> str:
    header = {"msg_id": code, "msg_type": "execute_request", "session": "s", "username": "", "version": "5.3"}
    request = {"header": header, "content": {"code": code, "silent": False}, "channel": "shell"}
    channel.send(json.dumps({"parent_header": {}, "metadata": {}, **request}))
    while (message := json.loads(channel.recv()))["msg_type"] != "execute_result":
        pass
    return str(message["content"]["data"]["text/plain"])


def is_closed(channel: websocket.WebSocket) -> bool:
    """Tell whether the site closes a websocket in the time that is promised."""
    channel.settimeout(SECONDS)
    try:
        while channel.recv():
            pass
    except websocket.WebSocketTimeoutException:
        return False
    except (websocket.WebSocketConnectionClosedException, ConnectionError):
        pass
    return True


def connections(user: Visitor) -> int:
    """Return how many websockets the kernels of a user have, asking the notebook server itself."""
    record = user.record
    _, kernels = ask(record, "GET", f"{record.base_url}api/kernels", timeout=30)
    return sum(kernel["connections"] for kernel in kernels)


def test_a_program_is_signed_in_used_revoked_and_refused(user: Visitor, folder: Path) -> None:
    laptop = Laptop(folder)
    fields = {"Authorization": f"Bearer {sign_in(laptop, user, 'shell')}"}
    with kernel_channel(user, fields) as channel:
        assert run(channel, "6 * 7") == "42"

        user.visit("/account")
        user.press("#tokens")
        assert "my laptop" in user.see("table")
        user.press("table button", "Revoke")
        user.see("[role=status]", "revoked")

        assert is_closed(channel)
    answer = requests.get(f"{user.site.url}/notebook/{user.name}/api/kernels", headers=fields, timeout=60)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_program_that_signs_out_loses_what_it_has_open(user: Visitor, folder: Path) -> None:
    laptop = Laptop(folder)
    fields = {"Authorization": f"Bearer {sign_in(laptop, user, 'shell')}"}
    with kernel_channel(user, fields) as channel:
        assert laptop.run("logout")[0] == 0
        assert is_closed(channel)


def test_signing_out_of_the_site_ends_the_kernels_connections_of_an_open_notebook(user: Visitor) -> None:
    user.open_shell("JFK")
    assert connections(user) > 0
    notebook = user.driver.current_window_handle
    user.driver.switch_to.new_window("tab")
    user.visit("/")
    user.press("#sign-out")
    user.see("#sign-in")
    wait_until(lambda: connections(user) == 0, "no connection is left", seconds=SECONDS)
    user.driver.close()
    user.driver.switch_to.window(notebook)
    user.see("body")
    assert connections(user) == 0  # an open page does not come back without a session


def test_a_page_that_is_signed_in_elsewhere_comes_back_by_itself(user: Visitor, second_browser: Any) -> None:
    count = user.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT})
    user.open_shell("JFK")
    user.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", count)
    before = user.driver.execute_script("return window.channelsOpened")
    elsewhere = Visitor(second_browser, user.site, user.name)
    elsewhere.sign_in()
    elsewhere.press("#sign-out")
    elsewhere.see("#sign-in")
    user.wait(lambda: user.driver.execute_script("return window.channelsOpened") > before, "the page connects again")
    assert user.run("6 * 7") == "42"
