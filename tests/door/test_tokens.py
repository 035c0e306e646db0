"""Programs with a token pass where its scopes let them, over HTTP and websockets; with all else they are refused."""

from __future__ import annotations

import json
import logging

import pytest

from pyramid_notebook.record import TOKEN_HEADER

from .sites import HANDSHAKE, HTML, JSON, Policy, ask, recording_server, small_site

KERNEL = "api/kernels/5d0c1b6e-1111-4222-8333-444444444444/channels"
#: What each scope opens, besides ``shell``, which opens all of it but the channel.
OPENS = {
    "sync": ["sync", "sync/status"],
    "run": ["restified/reports/a.ipynb", "restified/b.ipynb"],
    "console": ["rpc", "rpc/openrpc.json", "api/kernels", "api/kernelspecs/python3", "kernelspecs/a/x.png", KERNEL],
}
OTHERS = [
    *("", "tree", "api/contents", "api", "api/", "api/terminals", "api/sessions", "files/x.py", "lab"),
    *("api/kernel", "api/kernelsx/1", "api%2fkernels", "api//kernels", "api/%6bernels", "api/kernels;x", "kernels"),
    *("terminals/websocket/1", "nbconvert/html/a.ipynb", "api/collaboration/room/json:notebook:1"),
    *("synchronise", "sync%2fx", "%73ync", "rpc%2f", "restifiedx/a.ipynb", "Sync", "sync;x", "x/sync"),
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
WAYS = ["http", "websocket"]
#: Where no token may stand; ``{}`` is the token.
MISPLACED = {
    "in the query": {"query": "?token={}"},
    "in the query as RFC 6750 has it": {"query": "?access_token={}"},
    "in the query, encoded": {"query": "?x=%70nb_{tail}"},
    "in the path": {"path": "sync/{}"},
    "in a cookie": {"fields": {"Cookie": "a=b; token={}"}},
    "in a cookie, encoded": {"fields": {"Cookie": "token=%70nb_{tail}"}},
    "in a field of its own": {"fields": {"X-Token": "{}"}},
    "in the referer": {"fields": {"Referer": "http://localhost/?token={}"}},
    "in the subprotocol": {"fields": {"Sec-WebSocket-Protocol": "bearer, {}"}},
    "with another scheme": {"fields": {"Authorization": "token {}"}},
    "without a scheme": {"fields": {"Authorization": "{}"}},
}


def send(site, way, path, fields, *, method="GET", user="alice", body=None):
    """Ask as a program does: no origin, no session, just these fields."""
    more = HANDSHAKE if way == "websocket" else {}
    return ask(site.port, method, f"/notebook/{user}/{path}", {**JSON, **fields, **more}, body)


def passed(site, way, path, fields, **more):
    return send(site, way, path, fields, **more).status == (101 if way == "websocket" else 200)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scope", [*OPENS, "shell"])
def test_a_scope_opens_its_own_addresses_and_no_others(site, alices, way, scope):
    fields = site.token("alice", scope).fields
    every = [*(path for paths in OPENS.values() for path in paths), *OTHERS]
    opened = [path for path in every if passed(site, way, path, fields)]
    assert opened == (every if scope == "shell" else OPENS[scope])


@pytest.mark.parametrize("way", WAYS)
def test_no_token_opens_the_channel_of_a_page(site, alices, way):
    answer = send(site, way, "channel/k1/socket", site.token("alice", "shell", "sync", "run", "console").fields)
    assert answer.status == 403
    assert "signed in to the site" in answer.text
    assert alices.requests == []


@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_names_the_scope_that_is_needed(site, alices, way):
    answer = send(site, way, "rpc", site.token("alice", "sync").fields)
    assert answer.status == 403
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="pyramid_notebook", error="insufficient_scope", scope="console"'
    )
    assert json.loads(answer.text)["error"] == "insufficient_scope"
    assert alices.requests == []


@pytest.mark.parametrize("method", METHODS)
def test_a_scope_holds_for_every_method_and_asks_for_no_origin(site, alices, method):
    fields = site.token("alice", "sync").fields
    assert send(site, "http", "sync", fields, method=method).status == 200
    assert send(site, "http", "sync", {**fields, "Origin": "https://evil.example"}, method=method).status == 200
    assert send(site, "http", "api/contents", fields, method=method).status == 403
    assert alices.targets == [f"{method} /notebook/alice/sync"] * 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("path", "is_opened"),
    [
        ("restified/reports/a.ipynb", True),
        ("restified/reports/%61.ipynb?x=1", True),
        ("restified/reports/deep/a.ipynb", False),
        ("restified/a.ipynb", False),
        ("restified/other/reports/a.ipynb", False),
        ("restified/reports/..%2fa.ipynb", False),
        ("restified/reports/%2e%2e/a.ipynb", False),
        ("restified//reports/a.ipynb", False),
        ("restified/reports%5ca.ipynb", False),
        ("restified/reports/a.ipynb%00", False),
        ("restified/reports/%ff.ipynb", False),
        ("restified/", False),
        ("restified", False),
    ],
)
def test_a_token_that_is_restricted_to_notebooks_runs_no_others(site, alices, way, path, is_opened):
    fields = site.token("alice", "run:reports/*.ipynb").fields
    assert passed(site, way, path, fields) == is_opened
    assert bool(alices.requests) == is_opened


@pytest.mark.parametrize("way", WAYS)
def test_a_user_server_learns_which_token_it_was_and_nothing_that_a_browser_sent(site, alices, way):
    token = site.token("alice")
    sent = {"Cookie": "_xsrf=1; session=2", "Origin": "https://evil.example", "Referer": "https://evil.example/x"}
    fields = {**token.fields, **sent, "X-XSRFToken": "1", TOKEN_HEADER: "forged", "X-User": "alice"}
    assert passed(site, way, "api/contents", fields)
    (head,) = alices.requests
    text = head.decode().lower()
    assert f"{TOKEN_HEADER}: {token.id}".lower() in text
    for unwanted in ("cookie", "origin", "referer", "xsrf", "authorization", "forged", token.secret.lower()):
        assert unwanted not in text


@pytest.mark.parametrize("way", WAYS)
def test_nobody_but_the_door_says_that_a_request_has_a_token(site, alices, way):
    fields = {"X-User": "alice", "Origin": site.url, TOKEN_HEADER: "0123456789abcdef"}
    assert passed(site, way, "api/contents", fields)
    assert TOKEN_HEADER.lower() not in alices.requests[0].decode().lower()


@pytest.mark.parametrize("way", WAYS)
def test_a_request_with_a_session_and_a_token_is_judged_by_the_token(site, alices, way):
    session = {"X-User": "alice", "Origin": site.url}
    assert passed(site, way, "sync", session)
    assert send(site, way, "api/contents", {**session, **site.token("alice", "sync").fields}).status == 403
    assert send(site, way, "sync", {**session, **site.token("bob").fields}).status == 403
    assert send(site, way, "sync", {**session, "Authorization": "Bearer nonsense"}).status == 401
    assert send(site, way, "sync", {**session, "Authorization": "Bearer"}).status == 401
    assert passed(site, way, "sync", {**site.token("alice", "sync").fields, "X-User": "bob"})


@pytest.mark.parametrize("way", WAYS)
def test_a_token_is_for_the_notebooks_of_its_own_user(site, alices, way):
    token = site.token("bob")
    existing, missing = (send(site, way, "api/kernels/1", token.fields, user=user) for user in ("alice", "nobody"))
    assert existing.status == missing.status == 403
    assert existing.text == missing.text
    assert alices.requests == []


@pytest.mark.parametrize("way", WAYS)
def test_unknown_expired_and_revoked_tokens_get_the_same_401(site, alices, way):
    revoked, expired = site.token("alice"), site.token("alice", seconds=1)
    site.tokens.revoke(revoked.id, "alice")
    unknown = {"Authorization": f"Bearer pnb_{'a' * 43}"}
    while True:
        late = send(site, way, "sync", expired.fields)
        if late.status not in (200, 101):
            break
    answers = [late, send(site, way, "sync", revoked.fields), send(site, way, "sync", unknown)]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].headers["WWW-Authenticate"] == 'Bearer realm="pyramid_notebook", error="invalid_token"'


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", MISPLACED)
@pytest.mark.parametrize("comes_with", ["nothing", "a session", "a good token"])
def test_a_token_in_the_wrong_place_is_refused_in_words_and_never_logged(site, alices, caplog, way, place, comes_with):
    caplog.set_level(logging.DEBUG)
    token = site.token("alice")
    wrong = MISPLACED[place]

    def filled(text):
        return text.replace("{}", token.secret).replace("{tail}", token.secret.removeprefix("pnb_"))

    with_it = {"nothing": {}, "a session": {"X-User": "alice", "Origin": site.url}, "a good token": token.fields}
    fields = {**with_it[comes_with], **{name: filled(value) for name, value in wrong.get("fields", {}).items()}}
    path = filled(wrong.get("path", "sync") + wrong.get("query", ""))
    answer = send(site, way, path, fields)
    if "Authorization" in wrong.get("fields", {}):
        assert answer.status in (400, 401)
    else:
        assert answer.status == 400
    assert "Authorization: Bearer" in answer.text
    assert token.secret not in answer.text
    assert token.secret not in caplog.text
    assert alices.requests == []


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("kind", "text", "comes_with"),
    [
        (FORM, "access_token={}", "nothing"),
        (FORM, "access_token={}", "a session"),
        (FORM, "access_token={}", "a token"),
        (FORM, "a=%70nb_{tail}", "nothing"),
        ("application/json", '{"token": "{}"}', "nothing"),
        ("text/plain", "{}", "nothing"),
    ],
)
def test_a_token_in_the_body_is_refused_in_words(site, alices, kind, text, comes_with):
    token = site.token("alice")
    body = text.replace("{}", token.secret).replace("{tail}", token.secret.removeprefix("pnb_")).encode()
    with_it = {"nothing": {}, "a session": {"X-User": "alice", "Origin": site.url}, "a token": token.fields}
    answer = send(site, "http", "sync", {**with_it[comes_with], "Content-Type": kind}, method="POST", body=body)
    assert answer.status == 400
    assert "sent in the body" in answer.text
    assert token.secret not in answer.text
    assert alices.requests == []


def test_a_notebook_in_which_a_token_stands_can_be_saved(site, alices):
    body = json.dumps({"content": site.token("alice").secret}).encode()
    fields = {"X-User": "alice", "Origin": site.url, "Content-Type": "application/json"}
    assert send(site, "http", "api/contents/a.ipynb", fields, method="PUT", body=body).status == 200


def test_a_form_reaches_the_user_server_as_it_was_sent(site, alices):
    body = b"a=1&b=%20&c=\xff"
    fields = {"X-User": "alice", "Origin": site.url, "Content-Type": FORM}
    assert send(site, "http", "api/x", fields, method="POST", body=body).status == 200
    assert f"content-length: {len(body)}".encode() in alices.requests[0].lower()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["sync", "rpc", "restified/a.ipynb"])
def test_a_stranger_at_an_address_for_programs_is_told_to_send_a_token(site, alices, way, path):
    answer = send(site, way, path, {})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="pyramid_notebook"'
    assert send(site, "http", path, HTML).status == 403  # whoever looks for a page is sent to sign in, by the site


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "-/open"),
        ("POST", "-/stop"),
        ("GET", "-/device"),
        ("POST", "-/device"),
        ("GET", "-/tokens"),
        ("POST", "-/tokens"),
    ],
)
def test_no_token_opens_the_pages_for_people(site, method, path):
    fields = {**site.token("alice").fields, "X-User": "alice", "Origin": site.url, **JSON}
    assert ask(site.port, method, f"/notebook/{path}", fields).status == 403


def test_no_token_launches_or_stops_in_a_sites_own_views(site, alices):
    fields = {**site.token("alice").fields, "X-User": "alice", "Origin": site.url, **JSON}
    for path in ("/shell", "/shutdown"):
        assert ask(site.port, "POST", path, fields).status == 403
    assert site.manager.find("alice")


@pytest.mark.parametrize("way", WAYS)
def test_a_token_passes_only_while_its_user_may_use_notebooks(site, alices, way):
    fields = site.token("alice").fields
    assert passed(site, way, "sync", fields)
    site.policy.disabled.add("alice")
    try:
        answer = send(site, way, "sync", fields)
    finally:
        site.policy.disabled.clear()
    assert answer.status == 403
    assert "does not exist any more" in answer.text
    assert passed(site, way, "sync", fields)


@pytest.mark.parametrize("way", WAYS)
def test_no_token_passes_where_the_site_does_not_say_who_may(folder, way):
    class Silent(Policy):
        user_permits = None

    with small_site(folder, Silent("shell")) as site, recording_server(site.manager, "alice") as server:
        answer = send(site, way, "sync", site.token("alice").fields)
        assert answer.status == 403
        assert "config.set_notebook_permits" in answer.text
        assert server.requests == []


@pytest.mark.parametrize("way", WAYS)
def test_an_address_that_fails_too_often_has_to_wait(folder, way):
    with (
        small_site(folder, Policy("shell"), token_failures_per_minute=5) as site,
        recording_server(site.manager, "alice") as server,
    ):
        good, guess = site.token("alice").fields, {"Authorization": f"Bearer pnb_{'a' * 43}"}
        assert [send(site, way, "sync", guess).status for _ in range(5)] == [401] * 5
        for fields in (guess, good):
            answer = send(site, way, "sync", fields)
            assert answer.status == 429
            assert 0 < int(answer.headers["Retry-After"]) <= 60
        assert passed(site, way, "sync", {"X-User": "alice", "Origin": site.url})  # people are not held up
        assert len(server.requests) == 1
