"""Row 27: what somebody learns who guesses the names, ids and tokens of others: nothing, not even by the clock."""

from __future__ import annotations

import json
import statistics
import time
import uuid
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import pytest

from pyramid_notebook.tokens.device_endpoints import GRANT_TYPE
from tests.door.sites import HTML, JSON, Answer, recording_server

from .attackers import bad_tokens, pairs, send, session_of
from .rows import both_ways

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ROUNDS = 41
#: So many times as long may the slower of two equal answers take, on a machine that does other things too.
FACTOR = 3.0


def seen(answer: Answer, *guessed: str) -> tuple[int, tuple[tuple[str, str], ...], str]:
    """Return all of an answer that can be told from another one, without what the client said itself."""
    text = answer.text
    for guess in guessed:
        text = text.replace(guess, "")
    varying = {"date", "content-length", "set-cookie"}
    fields = tuple(sorted((name, value) for name, value in answer.headers.items() if name.lower() not in varying))
    return answer.status, fields, text


def all_equal(answers: Mapping[str, Answer]) -> bool:
    return len({seen(answer, guessed) for guessed, answer in answers.items()}) == 1


@pytest.mark.row(27)
@both_ways
@pytest.mark.parametrize("looks_for", [HTML, JSON, {}], ids=["page", "script", "nothing"])
@pytest.mark.parametrize("kind", ["session", "token", "nothing"])
def test_users_who_run_a_server_who_do_not_and_who_do_not_exist_look_the_same_to_others(
    site, alices, kind, looks_for, way
):
    fields = {"session": session_of(site, "bob"), "token": site.token("bob").fields, "nothing": {}}[kind]
    with recording_server(site.manager, "idler"):
        pass  # now there is a folder of a user whose server is gone
    for path in ("tree", "sync", "api/kernels/1", "-/status", "static/x.js", "restified/a.ipynb"):
        answers = {
            user: send(site.port, way, f"/notebook/{user}/{path}", [*pairs(fields), *pairs(looks_for)])
            for user in ("alice", "idler", "nobody", "None", "root")
        }
        assert answers["alice"].status in (401, 403), path
        assert all_equal(answers), path
    assert alices.requests == []


@pytest.mark.row(27)
@both_ways
def test_unknown_expired_and_revoked_tokens_look_the_same(site, alices, way):
    bad = bad_tokens(site, "alice")
    answers = [
        send(site.port, way, "/notebook/alice/sync", {**JSON, **bad[name]})
        for name in ("unknown", "expired", "revoked", "its id", "cut", "lengthened", "in another case")
    ]
    assert answers[0].status == 401
    assert len({seen(answer) for answer in answers}) == 1
    revokes = [
        send(site.port, way, "/notebook/-/tokens/revoke", {**JSON, **bad[name]}, method="POST")
        for name in ("unknown", "expired", "revoked", "cut")
    ]
    assert len({seen(answer) for answer in revokes}) == 1
    assert alices.requests == []


@pytest.mark.row(27, "http")
@pytest.mark.parametrize("looks_for", [HTML, JSON], ids=["page", "script"])
def test_the_id_of_somebody_elses_token_is_as_unknown_as_one_that_is_not_there(site, looks_for):
    theirs, gone = site.token("alice"), site.token("bob")
    site.tokens.revoke(gone.id, "bob")
    answers = {}
    for guess in (theirs.id, gone.id, "0" * len(theirs.id), "x", ""):
        body = urlencode({"action": "revoke", "id": guess}).encode()
        fields = {**session_of(site, "bob"), **FORM, **looks_for}
        answers[guess] = send(site.port, "http", "/notebook/-/tokens", fields, method="POST", body=body)
    assert {answer.status for answer in answers.values()} == {404}
    assert len({seen(answer) for answer in answers.values()}) == 1
    assert site.tokens.check(theirs.secret, "192.0.2.1").id == theirs.id


@pytest.mark.row(27, "http")
def test_codes_of_programs_that_wait_are_told_to_nobody_who_merely_guesses(site):
    asked = urlencode({"client_id": "x", "scope": "sync"}).encode()
    codes = json.loads(send(site.port, "http", "/notebook/-/device/code", FORM, method="POST", body=asked).text)
    shown = {
        code: send(site.port, "http", f"/notebook/-/device?user_code={code}", {**session_of(site, "bob"), **HTML})
        for code in (codes["user_code"], "BBBB-BBBB", "BCDF-GHJK")
    }
    assert {answer.status for answer in shown.values()} == {200}
    assert all_equal(shown)
    polls = []
    for guess in ("x", "y" * 43, codes["device_code"][:-1], codes["device_code"].swapcase()):
        sent = urlencode({"grant_type": GRANT_TYPE, "client_id": "x", "device_code": guess}).encode()
        polls.append(send(site.port, "http", "/notebook/-/device/token", FORM, method="POST", body=sent))
    assert {answer.status for answer in polls} == {400}
    assert len({seen(answer) for answer in polls}) == 1


@pytest.mark.row(27)
@both_ways
def test_ids_of_the_kernels_sessions_and_terminals_of_others_are_as_unknown_as_any(demo, owner, neighbour, way):
    def first(path: str) -> str:
        return str(owner.session.get(f"{demo.url}{owner.base}{path}", timeout=30).json()[0]["id"])

    kernel = first("api/kernels")
    for form, known in (
        ("api/kernels/{}", kernel),
        ("api/sessions/{}", first("api/sessions")),
        ("api/kernels/{}/channels", kernel),
        ("terminals/websocket/{}", "1"),
    ):
        answers = {}
        for guess in (known, known if known == "1" else str(uuid.uuid4())):
            fields = {"Cookie": f"{neighbour.cookie}; _xsrf={neighbour.xsrf}", "Origin": demo.url, **JSON}
            theirs = send(demo.port, way, f"{owner.base}{form.format(guess)}", fields)
            assert theirs.status == 403
            answers[guess] = send(demo.port, way, f"{neighbour.base}{form.format(guess)}", fields)
        told = [(answer.status, answer.text[:500]) for answer in answers.values()]
        assert {status for status, _text in told} <= {400, 403, 404}, told
        assert all_equal(answers)


def medians(rounds: int, ways: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the middle of the seconds that each way takes; they take turns, so that all meet the same noise."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, act in ways.items():
            began = time.perf_counter()
            act()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


@pytest.mark.row(27)
@both_ways
@pytest.mark.parametrize("kind", ["session", "token"])
def test_it_takes_no_longer_to_refuse_somebody_elses_server_than_one_that_is_not_there(site, alices, kind, way):
    fields = {"session": session_of(site, "bob"), "token": site.token("bob").fields}[kind]

    def at(user: str) -> Callable[[], object]:
        return lambda: send(site.port, way, f"/notebook/{user}/api/kernels/1", {**JSON, **fields})

    taken = medians(ROUNDS, {user: at(user) for user in ("alice", "nobody")})
    assert max(taken.values()) < FACTOR * min(taken.values())


@pytest.mark.row(27)
@both_ways
def test_it_takes_no_longer_to_refuse_a_token_that_was_good_than_one_that_never_was(site, alices, way):
    bad = bad_tokens(site, "alice")

    def with_(name: str) -> Callable[[], object]:
        return lambda: send(site.port, way, "/notebook/alice/sync", {**JSON, **bad[name]})

    taken = medians(ROUNDS, {name: with_(name) for name in ("unknown", "revoked", "expired")})
    assert max(taken.values()) < FACTOR * min(taken.values())
