"""What a real site answers to programs that sign in, and to the user who lets them in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.errors import ProtocolError, TokenRevoked
from pyramid_notebook.tokens.device_endpoints import GRANT_TYPE
from pyramid_notebook.tokens.device_store import WRONG_CODES_PER_MINUTE
from pyramid_notebook.tokens.oauth import LONGEST_FORM, read_form
from tests.door.sites import ask

from .device_sites import CLIENT, DEVICE, FORM, DeviceSite, device_site

CODE, TOKEN, REVOKE = f"{DEVICE}/code", f"{DEVICE}/token", "/notebook/-/tokens/revoke"
METADATA = f"{DEVICE}/.well-known/oauth-authorization-server"


@pytest.fixture
def site(folder) -> Iterator[DeviceSite]:
    with device_site(folder / "notebooks", token_failures_per_minute=5) as running:
        yield running


def begin(site: DeviceSite, **fields: str) -> dict:
    answer = site.post(CODE, CLIENT | fields)
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


def poll(site: DeviceSite, device_code: str, fields: dict[str, str] | None = None):
    sent = {"grant_type": GRANT_TYPE, "client_id": "test", "device_code": device_code}
    answer = site.post(TOKEN, sent | (fields or {}))
    return answer, json.loads(answer.text)


def decide(site: DeviceSite, codes: dict, decision: str, *scopes: str):
    return site.page(
        "POST", DEVICE, [("user_code", codes["user_code"]), ("decision", decision), *(("scope", one) for one in scopes)]
    )


def sign_in(site: DeviceSite) -> dict:
    codes = begin(site)
    assert decide(site, codes, "approve", "sync").status == 200
    return poll(site, codes["device_code"])[1]


def test_a_program_gets_codes_and_is_told_where_its_user_goes(site):
    answer = site.post(CODE, CLIENT)
    codes = json.loads(answer.text)
    assert re.fullmatch("[A-Z]{4}-[A-Z]{4}", codes["user_code"])
    assert codes["verification_uri"] == f"{site.url}{DEVICE}"
    assert codes["verification_uri_complete"] == f"{site.url}{DEVICE}?user_code={codes['user_code']}"
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    assert "Set-Cookie" not in answer.headers


def test_what_the_user_approves_is_what_the_program_gets(site):
    codes = begin(site)
    shown = site.page("POST", DEVICE, {"user_code": codes["user_code"].lower()}).text
    for text in ("my editor", "127.0.0.1", "alice", codes["user_code"], "only reports/*.ipynb", "just now", "90 days"):
        assert text in shown
    done = decide(site, codes, "approve", "sync", "run:reports/*.ipynb")
    assert (done.status, 'data-approved="yes"' in done.text) == (200, True)
    answer, values = poll(site, codes["device_code"])
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert (values["token_type"], values["expires_in"]) == ("Bearer", 7776000)
    assert values["scope"] == "sync run:reports/*.ipynb"
    assert (values["user"], values["notebooks"]) == ("alice", "/notebook/alice/")
    assert site.tokens.check(values["access_token"], "192.0.2.1").name == "my editor"
    assert poll(site, codes["device_code"])[1]["error"] == "invalid_grant"


def test_a_program_is_told_to_wait_then_to_wait_longer_then_that_it_was_denied(site):
    codes = begin(site)
    assert poll(site, codes["device_code"])[1]["error"] == "authorization_pending"
    answer, values = poll(site, codes["device_code"])
    assert (answer.status, values["error"]) == (400, "slow_down")
    assert 'data-approved="no"' in decide(site, codes, "deny").text
    assert poll(site, codes["device_code"])[1]["error"] == "access_denied"
    assert site.tokens.list("alice") == ()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"scope": ""}, "invalid_request"),
        ({"scope": "root"}, "invalid_scope"),
        ({"scope": "sync:a.ipynb"}, "invalid_scope"),
        ({"scope": "run:../x"}, "invalid_scope"),
        ({"scope": " "}, "invalid_scope"),
        ({"scope": " ".join(f"run:{number}" for number in range(21))}, "invalid_scope"),
        ({"client_id": ""}, "invalid_request"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_its_code(site, fields, error):
    answer = site.post(CODE, CLIENT | fields)
    assert (answer.status, json.loads(answer.text)["error"]) == (400, error)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
        ({"client_id": ""}, "invalid_request"),
        ({"device_code": ""}, "invalid_request"),
        ({}, "invalid_grant"),
    ],
)
def test_a_poll_that_makes_no_sense_is_refused_by_its_code(site, fields, error):
    answer, values = poll(site, "unknown", fields)
    assert (answer.status, values["error"]) == (400, error)


def test_endpoints_take_forms_by_post_only(site):
    for path in (CODE, TOKEN, REVOKE):
        answer = ask(site.port, "GET", path, {})
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    for path in (CODE, TOKEN):
        assert site.post(path, {}, **{"Content-Type": "application/json"}).status == 400
        assert ask(site.port, "POST", path, FORM, b"x=" + b"y" * LONGEST_FORM).status == 413
        assert ask(site.port, "POST", f"{path}?client_id=x&scope=sync", FORM, b"").status == 400


def test_a_stranger_who_guesses_device_codes_is_soon_told_to_stop(site):
    codes = begin(site)
    for number in range(5):
        assert poll(site, f"guess{number}")[1]["error"] == "invalid_grant"
    answer, _ = poll(site, codes["device_code"])
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60


def test_a_user_who_guesses_user_codes_is_soon_told_to_stop(site):
    for _ in range(WRONG_CODES_PER_MINUTE):
        assert site.page("POST", DEVICE, {"user_code": "BBBB-BBBB"}).status == 400
    answer = site.page("POST", DEVICE, {"user_code": begin(site)["user_code"]})
    assert (answer.status, "my editor" in answer.text) == (429, False)
    assert 0 < int(answer.headers["Retry-After"]) <= 60


def test_reading_the_page_tells_nothing_about_a_code(site):
    codes = begin(site)
    right = site.page("GET", f"{DEVICE}?user_code={codes['user_code']}")
    wrong = site.page("GET", f"{DEVICE}?user_code=BBBB-BBBB")
    assert right.status == wrong.status == 200
    assert right.text.replace(codes["user_code"], "BBBB-BBBB") == wrong.text
    assert "my editor" not in right.text


def test_a_stranger_signs_in_first_and_comes_back_with_the_code(site):
    codes = begin(site)
    answer = ask(site.port, "GET", f"{DEVICE}?user_code={codes['user_code']}", {"Accept": "text/html"})
    assert answer.status == 303
    assert answer.location == f"/login?next=%2Fnotebook%2F-%2Fdevice%3Fuser_code%3D{codes['user_code']}"


def test_who_lacks_the_permission_can_neither_look_nor_decide(site):
    codes = begin(site)
    fields = {"user_code": codes["user_code"], "decision": "approve", "scope": "sync"}
    assert site.page("GET", DEVICE, user="guest").status == 403
    assert site.page("POST", DEVICE, fields, user="guest").status == 403
    assert poll(site, codes["device_code"])[1]["error"] == "authorization_pending"


def test_a_foreign_page_approves_nothing(site):
    codes = begin(site)
    fields = f"user_code={codes['user_code']}&decision=approve&scope=sync".encode()
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}, {}):
        answer = ask(site.port, "POST", DEVICE, FORM | {"Cookie": "user=alice", **headers}, fields)
        assert answer.status == 403
    assert poll(site, codes["device_code"])[1]["error"] == "authorization_pending"


def test_no_page_can_frame_any_answer_of_the_page(site):
    codes = begin(site)
    answers = [
        site.page("GET", DEVICE),
        site.page("POST", DEVICE, {"user_code": codes["user_code"]}),
        site.page("POST", DEVICE, {"user_code": "BBBB-BBBB"}),
        decide(site, codes, "approve"),
        decide(site, codes, "approve", "sync"),
        ask(site.port, "POST", DEVICE, FORM | {"Cookie": "user=alice"}, b""),
    ]
    assert [answer.status for answer in answers] == [200, 200, 400, 400, 200, 403]
    for answer in answers:
        assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answers[0].headers["Cache-Control"] == "no-store"


def test_scopes_that_nobody_asked_for_cannot_be_slipped_in(site):
    codes = begin(site)
    assert decide(site, codes, "approve", "shell", "run").status == 400
    assert decide(site, codes, "approve", "shell", "sync").status == 200
    assert poll(site, codes["device_code"])[1]["scope"] == "sync"


def test_a_decision_is_made_once(site):
    codes = begin(site)
    assert decide(site, codes, "deny").status == 200
    late = decide(site, codes, "approve", "sync")
    assert (late.status, "decided already" in late.text) == (400, True)
    assert poll(site, codes["device_code"])[1]["error"] == "access_denied"


def test_html_that_a_program_calls_itself_stays_text(site):
    codes = begin(site, client_name="<img src=x onerror=alert(1)>", scope="run:<b>&.ipynb")
    shown = site.page("POST", DEVICE, {"user_code": codes["user_code"]}).text
    assert "<img" not in shown
    assert "<b>&" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    echoed = site.page("GET", f"{DEVICE}?user_code=%22%3E%3Cimg%3E")
    assert "<img>" not in echoed.text


@pytest.mark.parametrize("query", ["user_code=%ff", "user_code=%00%1b", "user_code=BBBB-BBBB&user_code=x", "%ff"])
def test_an_address_that_makes_no_sense_shows_the_page(site, query):
    assert site.page("GET", f"{DEVICE}?{query}").status == 200


def test_a_file_is_no_code(site):
    head = b'--x\r\nContent-Disposition: form-data; name="user_code"; filename="a"\r\n\r\nBBBB-BBBB\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Origin": site.url, "Cookie": "user=alice"}
    assert ask(site.port, "POST", DEVICE, headers, head).status == 400


def test_a_token_revokes_itself(site):
    values = sign_in(site)
    secret = values["access_token"]
    answer = site.post(REVOKE, Authorization=f"Bearer {secret}")
    assert (answer.status, answer.text) == (200, "{}")
    with pytest.raises(TokenRevoked):
        site.tokens.check(secret, "192.0.2.1")
    again = site.post(REVOKE, Authorization=f"Bearer {secret}")
    assert again.status == 401
    assert 'error="invalid_token"' in again.headers["WWW-Authenticate"]


@pytest.mark.parametrize("headers", [{}, {"Cookie": "user=alice"}, {"Authorization": "Basic YWxpY2U6"}])
def test_nothing_but_a_token_revokes_a_token(site, headers):
    secret = sign_in(site)["access_token"]
    assert site.post(REVOKE, {}, **headers).status == 401
    assert site.post(REVOKE, {"token": secret}, **headers).status == 400  # not even a token in the wrong place
    assert site.tokens.check(secret, "192.0.2.1")


def test_a_cookie_beside_the_token_of_another_changes_nothing(site):
    mine = sign_in(site)["access_token"]
    assert site.post(REVOKE, Authorization=f"bearer {mine}", Cookie="user=bob").status == 200
    assert site.tokens.list("alice") == ()


def test_metadata_say_where_to_ask(site):
    values = json.loads(ask(site.port, "GET", METADATA, {}).text)
    assert values["device_authorization_endpoint"] == site.url + CODE
    assert (values["token_endpoint"], values["revocation_endpoint"]) == (site.url + TOKEN, site.url + REVOKE)
    assert values["grant_types_supported"] == [GRANT_TYPE]
    assert values["scopes_supported"] == ["sync", "run", "console", "shell"]


def test_no_secret_is_ever_logged(site, caplog):
    caplog.set_level("DEBUG")
    codes = begin(site)
    decide(site, codes, "approve", "sync")
    secret = poll(site, codes["device_code"])[1]["access_token"]
    site.post(REVOKE, Authorization=f"Bearer {secret}")
    assert "Device login" in caplog.text
    for text in (secret, codes["device_code"], codes["user_code"], codes["user_code"].replace("-", "")):
        assert text not in caplog.text


@given(st.text(), st.binary())
def test_any_body_is_a_form_or_refused(content_type, body):
    for declared in (content_type, FORM["Content-Type"]):
        try:
            fields = read_form(declared, body)
        except ProtocolError as error:
            assert error.reason == "invalid_request"
        else:
            assert all(name is not None and value for name, value in fields.items())


@pytest.mark.parametrize(
    "body", [b"a=sync&a=shell", b"a", b"a=%ff", b"a=\xff", b"&".join(b"%d=1" % number for number in range(21))]
)
def test_a_form_that_can_be_read_in_two_ways_is_refused(body):
    with pytest.raises(ProtocolError):
        read_form(FORM["Content-Type"], body)


def test_where_the_site_does_not_say_who_may_no_program_can_begin_and_no_user_approve(folder):
    with device_site(folder / "notebooks", permits=None) as site:
        decided = site.page("POST", DEVICE, {"user_code": "x"})
        for answer in (site.post(CODE, CLIENT), site.page("GET", DEVICE), decided):
            assert answer.status == 403
            assert "config.set_notebook_permits" in answer.text


@pytest.mark.parametrize("kind", ["multipart/form-data", "application/x-www-form-urlencoded; charset=latin-1"])
def test_a_form_that_cannot_be_read_is_refused_in_words(site, kind):
    headers = {"Accept": "text/html", "Origin": site.url, "Cookie": "user=alice", "Content-Type": kind}
    for address in (DEVICE, "/notebook/-/tokens", "/notebook/-/open", "/notebook/alice/-/start"):
        answer = ask(site.port, "POST", address, headers, b"user_code=x")
        assert (answer.status, "This form cannot be read" in answer.text) == (400, True), address
