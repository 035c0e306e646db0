"""From the click on *Open shell* to an idle kernel, beside a stock Jupyter Notebook.

Run it with ``python -m benchmarks.open_shell [--rounds N] [--json]``. It measures, in the same run:

* click → kernel idle in a real Chromium, with nothing running before; the browser's cache empty, and warm
* click → kernel idle, and → redirect, with the user's server up
* the same page of a stock ``jupyter notebook``, from the start of its process, cache warm
* a ``kernel_info`` round trip: through the door, past the door, and with the stock server
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import websocket
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pyramid_notebook.record import SECRET_HEADER
from tests.running import KERNEL_IS_IDLE, Site, chromium, demo_site, free_port, wait_until

AIRPORT = "/airports/JFK"
BUTTON = "form[action*='/shell'] button"
ROUND_TRIPS = 100

Times = dict[str, list[float]]


def sign_in(browser: Any, site: Site) -> None:
    browser.get(f"{site.url}/login")
    browser.find_element(By.NAME, "name").send_keys("user")
    browser.find_element(By.NAME, "password").send_keys("password" + Keys.ENTER)
    wait_until(lambda: "Sign out" in browser.page_source, "signed in")


def until_idle(browser: Any) -> None:
    wait_until(lambda: browser.execute_script(KERNEL_IS_IDLE), "the kernel is idle", seconds=60)


def click(browser: Any, site: Site) -> float:
    """Click the button of an airport's page; returns the seconds until its kernel is idle."""
    browser.get(f"{site.url}{AIRPORT}")
    button = browser.find_element(By.CSS_SELECTOR, BUTTON)
    begun = time.perf_counter()
    button.click()
    until_idle(browser)
    return time.perf_counter() - begun


def redirect_seconds(site: Site, session: requests.Session) -> float:
    page = session.get(f"{site.url}{AIRPORT}").text
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    begun = time.perf_counter()
    answer = session.post(
        f"{site.url}{AIRPORT}/shell",
        data={"csrf_token": token},
        headers={"Accept": "text/html"},
        allow_redirects=False,
    )
    assert answer.status_code == 303, answer.status_code
    return time.perf_counter() - begun


def measure_ours(site: Site, rounds: int, times: Times) -> None:
    session = site.session("user")
    for _ in range(rounds):
        with chromium() as browser:
            sign_in(browser, site)
            times["ours, nothing running, browser cache empty"].append(click(browser, site))
            site.manager.stop("user")
            times["ours, nothing running"].append(click(browser, site))
            times["ours, server up"].append(click(browser, site))
        times["ours, server up: redirect"].append(redirect_seconds(site, session))
        kernel_round_trips(site, session, times)
        site.manager.stop("user")


def kernel_round_trips(site: Site, session: requests.Session, times: Times) -> None:
    record = site.manager.find("user")
    assert record
    kernel = session.get(f"{site.url}{record.base_url}api/kernels").json()[0]["id"]
    path = f"{record.base_url}api/kernels/{kernel}/channels"
    cookie = "; ".join(f"{item.name}={item.value}" for item in session.cookies)
    through = websocket.create_connection(f"ws://localhost:{site.port}{path}", origin=site.url, cookie=cookie)
    times["kernel_info through the door"] += round_trips(through)
    inside = socket.socket(socket.AF_UNIX)
    inside.connect(record.socket)
    past = websocket.create_connection(
        f"ws://localhost{path}", socket=inside, origin="http://localhost", header={SECRET_HEADER: record.secret}
    )
    times["kernel_info past the door"] += round_trips(past)


def round_trips(connection: websocket.WebSocket) -> list[float]:
    """Time kernel_info requests (Jupyter messaging, "Kernel info"), each until its reply."""
    seconds = []
    for _ in range(ROUND_TRIPS):
        identifier = uuid.uuid4().hex
        header = {"msg_id": identifier, "msg_type": "kernel_info_request", "session": "benchmark", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": {}, "channel": "shell"}
        begun = time.perf_counter()
        connection.send(json.dumps(message))
        while True:
            answer = json.loads(connection.recv())
            if answer["msg_type"] == "kernel_info_reply" and answer["parent_header"]["msg_id"] == identifier:
                break
        seconds.append(time.perf_counter() - begun)
    connection.close()
    return seconds


@contextmanager
def stock_notebook() -> Iterator[tuple[str, Callable[[], None]]]:
    """Give the URL of a stock ``jupyter notebook`` and a function that starts its process anew."""
    port = free_port()
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        notebook = {"cells": [], "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}}}
        Path(folder, "n.ipynb").write_text(json.dumps({**notebook, "nbformat": 4, "nbformat_minor": 5}))
        environment = os.environ | {f"JUPYTER_{name}_DIR": f"{folder}/{name}" for name in ("CONFIG", "RUNTIME")}

        def stop() -> None:
            for process in processes:  # in its own session with its kernels; TERM hangs while a document is opened
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)
            processes.clear()

        def start() -> None:
            stop()
            options = [f"--port={port}", "--no-browser", "--allow-root", "--IdentityProvider.token=t"]
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "notebook", *options, f"--ServerApp.root_dir={folder}"],
                    env=environment,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )

        try:
            yield f"http://localhost:{port}", start
        finally:
            stop()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def measure_stock(rounds: int, times: Times) -> None:
    with stock_notebook() as (url, start), chromium() as browser:
        for number in range(rounds + 1):
            begun = time.perf_counter()
            start()
            wait_until(lambda: answers(f"{url}/api"), "the stock server answers", seconds=60)
            browser.get(f"{url}/notebooks/n.ipynb?token=t")
            until_idle(browser)
            if number:  # the first round fills the cache
                times["stock, nothing running"].append(time.perf_counter() - begun)
            kernel = requests.get(f"{url}/api/kernels?token=t", timeout=5).json()[0]["id"]
            channel = url.replace("http:", "ws:") + f"/api/kernels/{kernel}/channels?token=t"
            times["kernel_info with the stock server"] += round_trips(websocket.create_connection(channel))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object of medians, in milliseconds")
    options = parser.parse_args()
    names = (
        *("ours, nothing running, browser cache empty", "ours, nothing running", "stock, nothing running"),
        *("ours, server up", "ours, server up: redirect"),
        *("kernel_info through the door", "kernel_info past the door", "kernel_info with the stock server"),
    )
    times: Times = {name: [] for name in names}
    with demo_site(static=True) as site:
        measure_ours(site, options.rounds, times)
    measure_stock(options.rounds, times)
    medians = {name: statistics.median(values) * 1000 for name, values in times.items()}
    if options.json:
        print(json.dumps(medians))
        return
    print(f"| {'what':44} | median ms | worst ms | x stock |\n|{'-' * 46}|----------:|---------:|--------:|")
    for name, values in times.items():
        peer = "kernel_info with the stock server" if name.startswith("kernel") else "stock, nothing running"
        ratio = medians[name] / medians[peer]
        print(f"| {name:44} | {medians[name]:9.1f} | {max(values) * 1000:8.1f} | {ratio:7.2f} |")


if __name__ == "__main__":
    main()
