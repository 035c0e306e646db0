"""Row 28: guesses, storms of launches, and values that take long to read."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import delete

from pyramid_notebook.tokens.device_endpoints import GRANT_TYPE
from pyramid_notebook.tokens.device_store import WRONG_CODES_PER_MINUTE
from pyramid_notebook.tokens.model import DeviceRequest, Failure
from tests.door.sites import HTML, JSON, STREAM, Policy, SmallSite, recording_server, small_site
from tests.running import wait_until

from .attackers import is_passed, pairs, send, session_of
from .heavy import AGREED
from .rows import both_ways

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FAILURES = 5


@pytest.fixture(scope="module")
def strict() -> Iterator[SmallSite]:
    """A small site with a database of its own, and few failures to its minute."""
    with (
        tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True) as folder,
        small_site(Path(folder, "notebooks"), Policy("shell"), token_failures_per_minute=FAILURES) as site,
    ):
        yield site


@pytest.fixture
def guarded(strict):
    """The same, when nobody has tried anything yet."""
    with strict.tokens.engine.begin() as connection:
        for table in (Failure, DeviceRequest):
            connection.execute(delete(table))
    return strict


@pytest.mark.row(28)
@both_ways
def test_who_guesses_tokens_has_to_wait_whatever_address_they_claim_and_wherever_they_guess(guarded, way):
    good = guarded.token("alice").fields
    with recording_server(guarded.manager, "alice") as server:
        for number in range(FAILURES):
            guess = {"Authorization": f"Bearer pnb_{number:043}", "X-Forwarded-For": f"192.0.2.{number}", **JSON}
            target = "/notebook/alice/sync" if number % 2 else f"/notebook/user{number}/rpc"
            assert send(guarded.port, way, target, guess).status == 401
        for number in range(3):
            claimed = {"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}", **JSON}
            for fields in ({"Authorization": f"Bearer pnb_{'b' * 43}"}, good):
                answer = send(guarded.port, way, "/notebook/alice/sync", {**fields, **claimed})
                assert answer.status == 429
                assert 0 < int(answer.headers["Retry-After"]) <= 60
        for path in ("tokens/revoke", "device/token"):
            body = urlencode({"grant_type": GRANT_TYPE, "client_id": "x", "device_code": "guess"}).encode()
            fields = {**FORM, **(good if path == "tokens/revoke" else {})}
            answer = send(guarded.port, "http", f"/notebook/-/{path}", fields, method="POST", body=body)
            assert answer.status == 429
        assert server.requests == []
        assert is_passed(send(guarded.port, way, "/notebook/alice/sync", session_of(guarded, "alice")), way)


@pytest.mark.row(28, "http")
def test_who_guesses_device_codes_has_to_wait(guarded):
    def poll(code: str, number: int):
        body = urlencode({"grant_type": GRANT_TYPE, "client_id": f"{number}", "device_code": code}).encode()
        fields = {**FORM, "X-Forwarded-For": f"192.0.2.{number}"}
        return send(guarded.port, "http", "/notebook/-/device/token", fields, method="POST", body=body)

    assert [poll(f"guess{number}", number).status for number in range(FAILURES)] == [400] * FAILURES
    answer = poll("guess", 9)
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60


@pytest.mark.row(28, "http")
def test_who_guesses_codes_of_programs_has_to_wait_and_another_user_at_the_same_address_too(guarded):
    asked = urlencode({"client_id": "x", "scope": "sync"}).encode()
    code = json.loads(send(guarded.port, "http", "/notebook/-/device/code", FORM, method="POST", body=asked).text)

    def enter(user: str, user_code: str) -> int:
        fields = {**session_of(guarded, user), **FORM, **HTML}
        body = urlencode({"user_code": user_code, "decision": "approve", "scope": "sync"}).encode()
        return send(guarded.port, "http", "/notebook/-/device", fields, method="POST", body=body).status

    assert [enter("bob", "BBBB-BBBB") for _ in range(WRONG_CODES_PER_MINUTE)] == [400] * WRONG_CODES_PER_MINUTE
    assert {enter(user, code["user_code"]) for user in ("bob", "carol")} == {429}
    assert guarded.tokens.list("bob") == guarded.tokens.list("carol") == ()


@pytest.mark.row(28, "http")
def test_who_asks_for_codes_without_end_is_told_to_stop(guarded):
    asked = urlencode({"client_id": "x", "scope": "sync"}).encode()
    fields = {**FORM, "User-Agent": "x" * 20000}
    for _ in range(200):
        answer = send(guarded.port, "http", "/notebook/-/device/code", fields, method="POST", body=asked)
        if answer.status != 200:
            break
    assert answer.status in (429, 503)


@pytest.mark.row(28, "websocket")
@pytest.mark.parametrize("path", ["device/token", "device/code", "tokens/revoke", "device", "tokens", "open", "stop"])
def test_a_handshake_is_no_way_to_guess_at_the_addresses_of_programs(guarded, path):
    token = guarded.token("alice")
    for number in range(3 * FAILURES):
        query = urlencode({"grant_type": GRANT_TYPE, "client_id": "x", "device_code": f"{number}"})
        answer = send(guarded.port, "websocket", f"/notebook/-/{path}?{query}", {})
        assert answer.status in (403, 404, 405)
    with recording_server(guarded.manager, "alice"):
        assert send(guarded.port, "http", "/notebook/alice/sync", token.fields).status == 200


@pytest.mark.row(28)
@both_ways
def test_a_storm_of_launches_ends_at_the_limit_and_starts_nothing(notebooks, way):
    users = [f"user{number}" for number in range(12)]
    with (
        small_site(notebooks, Policy("shell"), max_servers=1, token_failures_per_minute=1_000_000) as site,
        recording_server(site.manager, "alice"),
        ThreadPoolExecutor(12) as crowd,
    ):
        tokens = {user: site.token(user).fields for user in users}

        def launch(user: str) -> list[object]:
            by_token = send(site.port, way, f"/notebook/{user}/sync", {**JSON, **tokens[user]})
            told: list[object] = [by_token.status, int(by_token.headers["Retry-After"]) > 0]
            for looks_for in (HTML, JSON, STREAM) if way == "http" else ():
                fields = {**session_of(site, user), **looks_for}
                answer = send(site.port, "http", "/notebook/-/open", fields, method="POST")
                if looks_for is STREAM:
                    told.append("All 1 notebook places are taken" in answer.text)
                else:
                    told += [answer.status, int(answer.headers["Retry-After"]) > 0]
            return told

        expected = [503, True] + ([503, True, 503, True, True] if way == "http" else [])
        assert list(crowd.map(launch, users)) == [expected] * len(users)
        assert [record.user for record in site.manager.servers()] == ["alice"]
        assert is_passed(send(site.port, way, "/notebook/alice/sync", session_of(site, "alice")), way)


@pytest.mark.row(28, "websocket")
def test_handshakes_at_the_same_moment_do_not_pass_the_limit_together(notebooks):
    limit, at_once, may_answer = 3, 6, threading.Event()

    def agree_late(upstream, connection, _number):
        upstream.read_head(connection)
        may_answer.wait(30)
        connection.sendall(AGREED)
        connection.recv(1)

    with (
        small_site(notebooks, Policy("shell"), user_websockets=limit) as site,
        recording_server(site.manager, "alice", speak=agree_late) as server,
        ThreadPoolExecutor(at_once) as crowd,
    ):
        fields = session_of(site, "alice")
        answers = [crowd.submit(send, site.port, "websocket", "/notebook/alice/x", fields) for _ in range(at_once)]
        wait_until(
            lambda: len(server.requests) + sum(answer.done() for answer in answers) >= at_once, "all have knocked"
        )
        may_answer.set()
        statuses = sorted(answer.result().status for answer in answers)
    assert statuses == [101] * limit + [503] * (at_once - limit)


LENGTH = 20_000
#: Seconds that an answer may take; it takes some milliseconds.
PATIENCE = 2.0
SLOW_VALUES = {
    "Cookie": [
        *("a" * LENGTH, 'a="' * (LENGTH // 3), 'a="' + "\\" * LENGTH, ";" * LENGTH, '_xsrf="' + "a" * LENGTH),
        "a=" * (LENGTH // 2),
    ],
    "Origin": ["http://" + "a." * (LENGTH // 2) + "!", "http://[" + ":" * LENGTH, "http://a:" + "1" * LENGTH],
    "Referer": ["http://" + "a." * (LENGTH // 2) + "!", "http://[" + ":" * LENGTH, "/" * LENGTH, "@" * LENGTH],
    "Authorization": [
        *("Bearer" + " " * LENGTH + "x", "Bearer " + "pnb_" * (LENGTH // 4), "Bearer pnb_" + "a" * LENGTH),
        *("Basic " + "=" * LENGTH, "x" * LENGTH),
    ],
    "X-Token": ["pnb_" * (LENGTH // 4), "%70nb_" * (LENGTH // 6), "%" * LENGTH],
    "Accept": ["text/html;q=" * (LENGTH // 12), "," * LENGTH, "a/" * (LENGTH // 2)],
    "Accept-Language": ["a-" * (LENGTH // 2), "," * LENGTH],
    "Content-Type": ["a/b;" * (LENGTH // 4), 'a/b; c="' + "\\" * LENGTH, "application/json;" + " " * LENGTH + "x"],
    "Connection": ["," * LENGTH, "Upgrade," * (LENGTH // 8)],
    "Sec-WebSocket-Protocol": ["," * LENGTH, "a" * LENGTH],
    "Sec-Fetch-Site": ["same-origin" * (LENGTH // 11)],
    "If-None-Match": ['"' * LENGTH, 'W/"' * (LENGTH // 3)],
    "Range": ["bytes=" + "0-," * (LENGTH // 3)],
}


@pytest.mark.row(28)
@both_ways
@pytest.mark.parametrize("name", SLOW_VALUES)
def test_no_value_of_a_header_field_takes_long_to_read(demo, theirs, signed_in, name, way):
    for value in SLOW_VALUES[name]:
        for fields in (signed_in("user"), {}):
            began = time.monotonic()
            sent = [item for item in pairs(fields) if item[0] != name]
            send(demo.port, way, "/notebook/user/api/x", [*sent, (name, value)], method="POST")
            assert time.monotonic() - began < PATIENCE, value[:30]


@pytest.mark.row(28)
@both_ways
@pytest.mark.parametrize(
    "rest",
    [
        "../" * 8000,
        "%2e%2e/" * 3000,
        "%" * LENGTH,
        "?" + "%70nb_" * 4000,
        "?" + "a=&" * 8000,
        "?next=" + "/" * LENGTH,
        "-" * LENGTH,
        "/" * LENGTH,
        "restified/" + "*" * LENGTH,
        ";" * LENGTH,
    ],
    ids=lambda rest: rest[:12],
)
def test_no_address_takes_long_to_read(site, alices, rest, way):
    token = site.token("alice", "run:" + "*/" * 40 + "*.ipynb", "sync").fields
    for fields in (session_of(site, "alice"), token, {}):
        began = time.monotonic()
        send(site.port, way, f"/notebook/alice/{rest}", [*pairs(fields), *pairs(JSON)])
        assert time.monotonic() - began < PATIENCE


@pytest.mark.row(28)
@both_ways
@pytest.mark.parametrize("pattern", ["*a" * 40 + ".ipynb", "**/" * 30 + "x.ipynb", "?*" * 60 + ".ipynb", "[a-z]*" * 30])
def test_no_pattern_of_a_token_takes_long_to_compare(site, alices, pattern, way):
    token = site.token("alice", f"run:{pattern}").fields
    for rest in ("a" * 3000, "a/" * 1500, "x" * 3000 + ".ipynb"):
        began = time.monotonic()
        send(site.port, way, f"/notebook/alice/restified/{rest}", [*pairs(token), *pairs(JSON)])
        assert time.monotonic() - began < PATIENCE
