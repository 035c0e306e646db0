"""What nginx passes on ends within five seconds when its user may pass no more."""

import os
import signal
import time
from contextlib import ExitStack, suppress

import psutil
import pytest
import requests
import websocket

from pyramid_notebook.record import LEASE_HEADER

from .conftest import until
from .nginx_site import MOST_WEBSOCKETS, World, world

_MOST_SECONDS = 5.0


@pytest.fixture
def site():
    with world() as made:
        yield made


def is_closed(connection: websocket.WebSocket) -> bool:
    """Tell whether the other end has closed a websocket; nothing is sent to it."""
    connection.settimeout(0.01)
    try:
        return connection.recv() == ""
    except websocket.WebSocketTimeoutException:
        return False
    except (websocket.WebSocketConnectionClosedException, OSError):
        return True


def ends(stream: requests.Response) -> float:
    """Read a stream to its end, and return how many seconds that took."""
    began = time.monotonic()
    with suppress(requests.RequestException):
        for _block in stream.iter_content(1):
            pass
    return time.monotonic() - began


def echoes(connection: websocket.WebSocket) -> bool:
    connection.settimeout(20)
    connection.send("still there")
    return connection.recv() == "still there"


def test_a_websocket_and_a_stream_end_with_the_permission(site: World):
    stream = site.ask("GET", "endless", stream=True)
    with site.websocket() as connection:
        assert echoes(connection)
        (site.folder / "disabled" / "alice").touch()
        assert ends(stream) < _MOST_SECONDS
        until(lambda: is_closed(connection), seconds=_MOST_SECONDS)
    assert site.ask("GET", "echo").status_code == 403


def test_a_websocket_and_a_stream_end_when_the_user_signs_out(site: World):
    stream = site.ask("GET", "endless", stream=True)
    with site.websocket() as connection:
        site.manager.sign_out("alice")
        assert ends(stream) < _MOST_SECONDS
        until(lambda: is_closed(connection), seconds=_MOST_SECONDS)
    with site.websocket() as connection:
        assert echoes(connection)


def test_a_websocket_and_a_stream_end_with_their_token_and_those_of_a_session_stay(site: World):
    token_id, token = site.token("shell")
    headers = {"Authorization": f"Bearer {token}"}
    stream = site.ask("GET", "endless", headers=headers, stream=True)
    with site.websocket() as staying, site.websocket(user="", headers=headers) as connection:
        assert echoes(connection)
        site.revoke(token_id)
        assert ends(stream) < _MOST_SECONDS
        until(lambda: is_closed(connection), seconds=_MOST_SECONDS)
        assert echoes(staying)


def test_what_a_web_worker_has_let_pass_ends_when_it_is_killed(site: World):
    stream = site.ask("GET", "endless", stream=True)
    with site.websocket() as connection:
        os.killpg(site.site.pid, signal.SIGKILL)
        assert ends(stream) < _MOST_SECONDS + 1.0  # nginx may have come with an answer that was two seconds old
        until(lambda: is_closed(connection), seconds=_MOST_SECONDS)


def test_what_goes_on_is_renewed_and_what_is_closed_is_forgotten(site: World):
    with site.websocket() as connection:
        assert echoes(connection)  # so the upstream has noted it
        lease = site.upstream.opened[-1][LEASE_HEADER]
        count = len(site.upstream.told)
        until(lambda: len(site.upstream.told) > count + 4, seconds=20)
        assert lease in site.upstream.told[-1]["renewed"]
        assert echoes(connection)
    until(lambda: site.ask("GET", "echo") and lease not in site.upstream.told[-1]["renewed"], seconds=20)


def test_nobody_has_more_websockets_than_they_may(site: World):
    with ExitStack() as stack:
        for _ in range(MOST_WEBSOCKETS):
            stack.enter_context(site.websocket())
        with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
            stack.enter_context(site.websocket())
    assert refusal.value.status_code == 503


def test_a_web_worker_that_dies_takes_along_only_what_it_has_let_pass():
    options = ("--workers=2", "--threads=4", "--worker-class=gthread", "--no-control-socket", "--keep-alive=0")
    with world(server=("gunicorn", *options)) as site, ExitStack() as stack:
        one, other = psutil.Process(site.site.pid).children()

        def let_pass_by(worker: psutil.Process, idle: psutil.Process) -> websocket.WebSocket:
            idle.suspend()
            try:
                return stack.enter_context(site.websocket())
            finally:
                idle.resume()

        ending, staying = let_pass_by(one, other), let_pass_by(other, one)
        one.kill()
        until(lambda: is_closed(ending), seconds=_MOST_SECONDS)
        assert echoes(staying)
