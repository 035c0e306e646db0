"""Several web workers, and one that is started again: what runs is seen by all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import websocket

from tests.running import Site, free_port, wait_until

from .sites import HTML, JSON, ask, record_of


@pytest.fixture
def other(demo: Site) -> Iterator[Site]:
    """One more process of the demo site, with the same database and notebook folder."""
    worker = Site(demo.folder, free_port(), demo.process)
    worker.start()
    yield worker
    worker.process.terminate()
    worker.process.wait(20)


def test_what_one_worker_launched_all_pass_on_and_what_one_stopped_is_gone_for_all(demo, other, signed_in):
    def send(worker, method, target, headers):
        return ask(worker.port, method, target, signed_in("admin") | {"Origin": worker.url} | headers)

    location = send(demo, "POST", "/notebook/-/open", HTML | {"X-Notebook-Launch": "stream"}).lines[-1]["location"]
    record = record_of(demo.manager, "admin")
    assert send(other, "GET", location, HTML).status == 200
    # the context of the demo site names its port, so that only a start with the last one means the same notebook
    assert send(other, "POST", "/notebook/admin/-/start", HTML).location == location
    assert record_of(demo.manager, "admin") == record

    other.process.kill()
    other.process.wait()
    other.start()
    assert send(other, "GET", location, HTML).status == 200
    assert record_of(demo.manager, "admin") == record

    events = websocket.create_connection(
        f"ws://localhost:{demo.port}/notebook/admin/api/events/subscribe",
        cookie=signed_in("admin")["Cookie"], origin=demo.url, timeout=20,
    )  # fmt: skip
    assert send(other, "POST", "/notebook/admin/-/stop", JSON).status == 200
    assert send(demo, "GET", location, HTML).status == 502
    assert send(demo, "GET", "/notebook/admin/api/kernels", JSON).status == 503
    with pytest.raises((websocket.WebSocketException, OSError)):
        wait_until(lambda: not events.recv(), "the websocket through the first worker ends")
    events.close()

    # and again, from the other side: the first worker has no stale connection in its way
    assert send(other, "POST", "/notebook/admin/-/start", JSON).status == 200
    assert send(demo, "GET", location, HTML).status == 200
    assert send(demo, "POST", "/notebook/-/stop", HTML).status == 303
    assert send(other, "GET", location, HTML).status == 502
