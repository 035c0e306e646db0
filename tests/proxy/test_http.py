import gzip
import hashlib
import http.client
import json
import socket
from pathlib import Path

import psutil
import pytest
from pyramid.request import Request

from pyramid_notebook.proxy.http import forward
from pyramid_notebook.proxy.places import Places
from pyramid_notebook.record import SECRET_HEADER
from pyramid_notebook.settings import Settings

from .conftest import running_site, until
from .upstreams import BASE, SECRET, ScriptedUpstream, TornadoUpstream, passage_of, record_at

GIGABYTE = 1 << 30
MEGABYTE = 1 << 20


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_every_method_passes_with_its_body(site, method):
    body = bytes(range(256)) * 1000
    seen = json.loads(site.ask(method, BASE + "echo", body).content)
    assert seen["method"] == method
    assert seen["body"] == hashlib.sha256(body).hexdigest()


def test_a_head_request_gets_the_length_and_no_body(site):
    answer = site.ask("HEAD", BASE + "echo")
    assert (answer.status, answer.getheader("Content-Length"), answer.content) == (200, "12345", b"")


@pytest.mark.parametrize(
    "target",
    [
        "echo/a%2Fb%20c/%7e?x=y%20z&q=%2f+%C3%A9",
        "echo?",
        "echo/x?a=b?c%e4%f6",
        "echo//double///slash",
        "echo/a;b=c,@:!$",
    ],
)
def test_the_raw_path_and_query_arrive_unchanged(site, target):
    assert json.loads(site.ask("GET", BASE + target).content)["uri"] == BASE + target


def test_the_absolute_form_of_a_request_target_is_passed_as_a_path(site):
    seen = json.loads(site.ask("GET", f"http://example.com{BASE}echo/a%2Fb?x=%20").content)
    assert seen["uri"] == BASE + "echo/a%2Fb?x=%20"


def test_a_path_that_the_web_server_normalised_goes_upstream_normalised(site):
    assert json.loads(site.ask("GET", f"//{BASE}echo").content)["uri"] == BASE + "echo"


def test_a_chunked_request_body_arrives_whole(site):
    blocks = [b"x" * 70000, b"y", b"z" * 10]
    connection = site.connection()
    connection.request("POST", BASE + "echo", iter(blocks), {}, encode_chunked=True)
    seen = json.loads(connection.getresponse().read())
    connection.close()
    assert (seen["length"], seen["body"]) == (70011, hashlib.sha256(b"".join(blocks)).hexdigest())


def test_a_range_request_gets_206_and_its_part(site):
    answer = site.ask("GET", BASE + "files/file.txt", headers={"Range": "bytes=250-259"}.items())
    assert answer.status == 206
    assert answer.getheader("Content-Range") == "bytes 250-259/1024"
    assert answer.content == bytes([250, 251, 252, 253, 254, 255, 0, 1, 2, 3])


def test_a_conditional_request_gets_304_without_a_body(site):
    etag = site.ask("GET", BASE + "files/file.txt").getheader("ETag")
    answer = site.ask("GET", BASE + "files/file.txt", headers={"If-None-Match": etag}.items())
    assert (answer.status, answer.content) == (304, b"")


def test_a_compressed_body_is_not_touched(site):
    answer = site.ask("GET", BASE + "compressed")
    assert answer.getheader("Content-Encoding") == "gzip"
    assert answer.content == gzip.compress(b"hello " * 1000, mtime=0)


@pytest.mark.parametrize("status", [200, 207, 400, 401, 404, 418, 500, 503, 599])
def test_the_status_and_its_reason_are_passed_as_they_came(site, status):
    answer = site.ask("GET", f"{BASE}status/{status}")
    assert (answer.status, answer.reason) == (status, "As it came")


def test_a_redirect_is_passed_on_and_not_followed(site):
    answer = site.ask("GET", f"{BASE}status/302")
    assert (answer.status, answer.getheader("Location")) == (302, BASE + "elsewhere?x=%2F")


def test_credentials_of_the_site_and_claims_of_the_client_never_arrive(site):
    sent = {
        "Host": "notebooks.example",
        "Origin": "http://notebooks.example",
        "Cookie": "session=secret; _xsrf=mine; auth_tkt=secret; _xsrf=tossed",
        "Authorization": "Bearer secret",
        SECRET_HEADER: "guess",
        "X-Forwarded-For": "8.8.8.8",
        "X-Forwarded-Host": "evil",
        "Forwarded": "for=8.8.8.8",
        "X-Real-IP": "8.8.8.8",
        "X-Scheme": "https",
        "Connection": "close, X-Nominated",
        "X-Nominated": "gone",
        "X-Kept": "kept",
    }
    seen = {}
    for name, value in json.loads(site.ask("GET", BASE + "echo", headers=sent.items()).content)["headers"]:
        assert name not in seen
        seen[name] = value
    assert seen.pop("Accept-Encoding") == "identity"  # http.client's own
    assert seen == {
        "Host": "notebooks.example",
        "Origin": "http://notebooks.example",
        "Cookie": "_xsrf=mine",
        "X-Kept": "kept",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "http",
        SECRET_HEADER: SECRET,
    }


def test_the_client_sees_neither_the_secret_nor_foreign_cookies(site):
    answer = site.ask("GET", BASE + "echo")
    assert answer.headers.get_all("Set-Cookie") == [f"_xsrf=theirs; Path={BASE}"]
    assert SECRET_HEADER not in answer.headers
    assert "Service-Worker-Allowed" not in answer.headers
    assert answer.getheader("Server") == "waitress"


def test_each_block_reaches_the_client_before_the_next_one_is_sent(site, upstream):
    connection = site.connection()
    connection.request("GET", BASE + "stepwise")
    answer = None
    for number in range(3):
        block = f"data: {number}\n\n".encode()
        upstream.blocks.put(block)
        answer = answer or connection.getresponse()
        assert answer.read1(1000) == block
    upstream.blocks.put(None)
    assert answer.read() == b""
    connection.close()


@pytest.mark.parametrize("kind", ["length", "chunked"])
def test_a_body_that_breaks_off_upstream_does_not_look_complete(site, kind):
    connection = site.connection()
    connection.request("GET", f"{BASE}broken/{kind}")
    answer = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    connection.close()


def test_the_upstream_connection_is_closed_when_the_client_has_gone(site, upstream):
    upstream.left.clear()
    connection = site.connection()
    connection.request("GET", BASE + "stepwise")
    upstream.blocks.put(b"first")
    answer = connection.getresponse()
    answer.read1(5)
    answer.close()
    connection.close()
    while not upstream.left.wait(0.01):
        upstream.blocks.put(b"more" * 10000)
    while not upstream.blocks.empty():
        upstream.blocks.get()
    upstream.blocks.put(None)


def test_closing_the_body_of_an_answer_closes_the_upstream_connection(upstream):
    upstream.left.clear()
    upstream.blocks.put(b"first")
    request = Request.blank(BASE + "stepwise")
    settings = Settings(notebook_folder="/nowhere")
    answer = forward(request, upstream.record, settings, Places(2), passage_of(request))
    assert next(answer.app_iter) == b"first"
    answer.app_iter.close()
    assert upstream.left.wait(10)
    upstream.blocks.put(None)


def test_an_upload_that_breaks_off_never_reaches_the_user_server(site, upstream):
    with socket.create_connection(("127.0.0.1", site.port)) as client:
        client.sendall(f"PUT {BASE}sink HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc".encode())
        client.shutdown(socket.SHUT_WR)
        assert b"200" not in client.recv(1000)


def answer_once_then_hang_up(server, connection, number):
    while True:
        server.read_head(connection)
        if number == 1 and len(server.requests) > 1:
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.mark.parametrize(
    ("method", "body", "status", "requests"),
    [
        ("GET", None, 200, 3),
        ("HEAD", None, 200, 3),
        ("DELETE", None, 200, 3),
        ("POST", None, 502, 2),
        ("PUT", b"x", 502, 2),
    ],
)
def test_only_an_idempotent_request_without_a_body_is_repeated_on_a_stale_connection(
    folder, method, body, status, requests
):
    upstream = ScriptedUpstream(folder, answer_once_then_hang_up)
    with running_site(upstream.record) as site:
        assert site.ask("GET", BASE + "first").content == b"ok"
        until(lambda: site.facts()["idle"] == 1)
        assert site.ask(method, BASE + "second", body).status == status
    assert len(upstream.requests) == requests
    upstream.close()


def never_any_answer(server, connection, number):
    server.read_head(connection)


def test_a_server_that_hangs_up_without_an_answer_is_asked_once_and_told_as_502(folder):
    upstream = ScriptedUpstream(folder, never_any_answer)
    with running_site(upstream.record) as site:
        answer = site.ask("GET", BASE)
    assert (answer.status, len(upstream.requests)) == (502, 1)
    assert b"Open the notebook again" in answer.content
    upstream.close()


NONSENSE = {
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "unasked switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
}


@pytest.mark.parametrize("head", NONSENSE.values(), ids=NONSENSE.keys())
def test_an_answer_that_makes_no_sense_is_told_as_502(folder, head):
    def speak(server, connection, number):
        server.read_head(connection)
        connection.sendall(head)

    upstream = ScriptedUpstream(folder, speak)
    with running_site(upstream.record) as site:
        assert site.ask("GET", BASE).status == 502
    upstream.close()


def test_a_chunked_answer_that_also_states_a_length_is_delimited_by_its_chunks(folder):
    def speak(server, connection, number):
        server.read_head(connection)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n"
        )

    upstream = ScriptedUpstream(folder, speak)
    with running_site(upstream.record) as site:
        answer = site.ask("GET", BASE)
    assert (answer.content, answer.getheader("Content-Length")) == (b"abcdef", None)
    upstream.close()


def test_an_early_answer_to_an_upload_is_passed_on(folder):
    def speak(server, connection, number):
        server.read_head(connection)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch")

    upstream = ScriptedUpstream(folder, speak)
    with running_site(upstream.record) as site:
        answer = site.ask("PUT", BASE, b"x" * (20 * MEGABYTE))
    assert (answer.status, answer.content) == (413, b"much")
    upstream.close()


def test_a_server_that_is_gone_is_told_as_502(folder):
    with running_site(record_at(path=str(folder / "nobody"))) as site:
        assert site.ask("GET", BASE).status == 502


def test_a_server_that_is_silent_is_told_as_504(upstream):
    with running_site(upstream.record, proxy_timeout=1) as site:
        answer = site.ask("GET", BASE + "silent")
    upstream.blocks.put(None)
    assert (answer.status, b"within 1 seconds" in answer.content) == (504, True)


def test_the_data_path_works_over_a_loopback_port_as_well(folder):
    upstream = TornadoUpstream(folder, tcp=True)
    with running_site(upstream.record) as site:
        assert json.loads(site.ask("POST", BASE + "echo", b"x" * MEGABYTE).content)["length"] == MEGABYTE
    upstream.close()


def peak_growth(site, transfer):
    """Return by how many bytes the resident memory of a site was larger at its peak, as the kernel counted it."""
    process = psutil.Process(site.process.pid)
    before = process.memory_info().rss
    # "5" resets the peak to the current size: proc(5), /proc/pid/clear_refs
    place = Path("/proc", str(process.pid))
    (place / "clear_refs").write_text("5")
    transfer()
    lines = (place / "status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")) - before


def test_a_download_of_a_gigabyte_adds_less_than_96_megabytes(site):
    def transfer():
        connection = site.connection()
        connection.request("GET", f"{BASE}blocks/{GIGABYTE}")
        answer, length = connection.getresponse(), 0
        while block := answer.read1(MEGABYTE):
            length += len(block)
        connection.close()
        assert length == GIGABYTE

    assert peak_growth(site, transfer) < 96 * MEGABYTE


def test_an_upload_of_a_gigabyte_adds_less_than_96_megabytes(site):
    def transfer():
        blocks = (b"u" * MEGABYTE for _ in range(1024))
        answer = site.ask("PUT", BASE + "sink", blocks, {"Content-Length": str(GIGABYTE)}.items())
        assert json.loads(answer.content) == {"length": GIGABYTE}

    assert peak_growth(site, transfer) < 96 * MEGABYTE
