"""Self-test, trusted proxies and the notebooks' own host on every web server that a site may run on."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import websocket

from pyramid_notebook.selftest.diagnosis import LEAST_SPREAD, UPLOAD_BYTES
from tests.servers.user_servers import UserServer, user_server
from tests.servers.ways import WAYS, Served, missing, serving

ADDRESS = "/notebook/-/selftest"
HOSTS = {"site_domain": "http://shop.example.com", "alternative_domain": "http://notebooks.example.net"}
PROXIED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "Host": "shop.example.com"}
#: What runs the site where that is not the name of the way.
RUNS = {"nginx": "waitress"}
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def alice() -> Iterator[UserServer]:
    with user_server("alice") as server:
        yield server


@pytest.fixture(scope="module", params=WAYS)
def served(request: pytest.FixtureRequest, alice: UserServer) -> Iterator[Served]:
    assert not missing(request.param)
    with serving(request.param, alice) as running:
        yield running


def ask(served, method, target, headers=None, body=None):
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)) as connection:
        connection.request(method, target, body, {**served.headers, **(headers or {})})
        answer = connection.getresponse()
        return answer, answer.read()


def test_the_selftest_finds_nothing_on_any_server(served):
    answer, text = ask(served, "GET", ADDRESS)
    told = json.loads(text)
    assert (answer.status, told["faults"]) == (200, [])
    assert RUNS.get(served.way, served.way) in told["facts"]["server"].lower()
    probes = told["probes"]
    _, text = ask(served, "POST", probes["upload"], body=bytes(UPLOAD_BYTES))
    assert json.loads(text) == {"bytes": UPLOAD_BYTES}
    assert spread(served, probes["stream"]) >= LEAST_SPREAD
    connection = websocket.create_connection(
        f"ws://127.0.0.1:{served.port}{probes['websocket']}",
        cookie=served.headers["Cookie"], origin=served.headers["Origin"], timeout=20,
    )  # fmt: skip
    connection.send_binary(b"7" * 1_000_000)
    assert connection.recv() == b"7" * 1_000_000
    connection.close()


def spread(served, target):
    """Return the milliseconds between the first and the last part of an answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)) as connection:
        connection.request("GET", target, headers=served.headers)
        answer = connection.getresponse()
        moments = []
        while answer.read1(100):
            moments.append(time.monotonic())
        return 1000 * (moments[-1] - moments[0])


@pytest.mark.parametrize("way", WAYS)
def test_a_trusted_proxy_is_believed_on_every_server(way, alice):
    assert not missing(way)
    with serving(way, alice, trusted_proxies="127.0.0.1", require_https="on") as served:
        plain, _ = ask(served, "GET", f"{ADDRESS}")
        assert plain.status == 403
        answer, text = ask(served, "GET", ADDRESS, PROXIED)
        if RUNS.get(way, way) == "waitress":  # it removes the fields first, unless it is told not to
            assert answer.status == 403
        else:
            facts = json.loads(text)["facts"]
            assert (facts["scheme"], facts["client"], facts["host"]) == ("https", "192.0.2.7", "shop.example.com")


@pytest.mark.parametrize("way", WAYS)
def test_the_own_host_takes_a_ticket_on_every_server(way, alice):
    assert not missing(way)
    with serving(way, alice, **HOSTS) as served:
        cookies, url = {}, f"{HOSTS['site_domain']}{served.base}echo"
        hosts = []
        while True:
            parts = urlsplit(url)
            hosts.append(parts.netloc)
            own = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
            host = {"Host": parts.netloc, **HTML, **(own if parts.netloc == "notebooks.example.net" else {})}
            answer, _ = ask(served, "GET", url.removeprefix(f"http://{parts.netloc}"), host)
            for line in answer.headers.get_all("Set-Cookie") or []:
                name, _, value = line.partition(";")[0].partition("=")
                cookies[name] = value
            if answer.status != 303:
                break
            location = answer.headers["Location"]
            url = location if "://" in location else f"http://{parts.netloc}{location}"
    assert hosts == ["shop.example.com", *["notebooks.example.net", "shop.example.com"], *["notebooks.example.net"] * 2]
    assert answer.status not in (303, 401, 403)
