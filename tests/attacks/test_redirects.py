"""Row 8: where redirects lead, and what becomes of what somebody else wrote into a page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote, urlencode, urljoin, urlsplit

import pytest
import requests

import pyramid_notebook
from tests.door import sites
from tests.door.sites import CLICK, HTML, JSON, STREAM, Policy, recording_server, small_site

from .attackers import MARKUP, assert_harmless, hidden_values, pairs, send, session_of, untouched
from .rows import both_ways

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
#: ``{host}`` is the site's own host and port.
ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "/\\/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "http://evil.example",
    "http://{host}//evil.example",
    "http://{host}////evil.example",
    "http://{host}@evil.example",
    "http://{host}.evil.example",
    "//{host}@evil.example",
    "//{host}/",
    "%2f%2fevil.example",
    "%2F%2Fevil.example",
    "/%2fevil.example",
    "/%5cevil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\x00//evil.example",
    "/\r\nLocation: http://evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/notebook/user/..//evil.example",
    "/notebook/alice/..//evil.example",
    "/notebook/alice/%2e%2e//evil.example",
    "/notebook/alice/../../evil.example",
    "/notebook/alice\\evil.example",
    "/notebook/alice/\\..\\..\\evil.example",
    "/notebook/alicex/tree",
    "/notebook/bob/tree",
    "/notebook/alice/-/stop",
    "/notebook/alice/%2d/stop",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "javascript://{host}/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "evil.example",
    "@evil.example",
    ".evil.example",
    "\u2044\u2044evil.example",
    "/\uff0fevil.example",
    "/\u3002evil",
]


def as_browsers_read(location: str) -> str:
    """Return an address without what browsers leave out, and with the slashes that they read (WHATWG URL standard)."""
    return re.sub("[\t\r\n]", "", location).strip("\x00\x20").replace("\\", "/")


def stays(location: str, own: str) -> bool:
    resolved = urlsplit(urljoin(f"{own}/page", as_browsers_read(location)))
    return f"{resolved.scheme}://{resolved.netloc}" == own


@pytest.mark.row(8, "http")
@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_signing_in_leads_to_no_other_site(demo, wanted):
    wanted = wanted.format(host=f"localhost:{demo.port}")
    session = requests.Session()
    page = session.get(f"{demo.url}/login", params={"next": wanted}, timeout=10)
    assert_harmless(page.text)
    token = re.search('name="csrf_token" value="([^"]+)"', page.text)
    assert token
    shown = [value for value in hidden_values(page.text) if value and value != token[1]]
    assert all(stays(value, demo.url) for value in shown)
    fields = {"name": "user", "password": "password", "csrf_token": token[1], "next": wanted}
    answer = session.post(f"{demo.url}/login", data=fields, timeout=10, allow_redirects=False)
    assert answer.status_code == 303
    assert stays(answer.headers["Location"], demo.url)
    assert answer.headers["Location"].startswith(f"{demo.url}/")


@pytest.mark.row(8, "http")
@pytest.mark.parametrize(
    "target", ["/notebook/-/open", "/notebook/alice/-/start", "/notebook/alice/-/start?next=//evil.example"]
)
def test_a_launch_leads_nowhere_but_into_the_users_own_notebooks(site, alices, target):
    for wanted in ELSEWHERE:
        body = urlencode({"next": wanted.format(host=f"localhost:{site.port}")}).encode()
        for fields in (HTML, JSON, STREAM):
            sent = {**session_of(site, "alice"), **FORM, **fields}
            answer = send(site.port, "http", target, sent, method="POST", body=body)
            if fields is HTML:
                assert answer.headers["Location"] == f"{site.url}/notebook/alice/notebooks/recorded.ipynb"
            else:
                last = json.loads(answer.text.splitlines()[-1])
                assert last["location"] == "/notebook/alice/notebooks/recorded.ipynb"


@pytest.mark.row(8, "http")
@pytest.mark.parametrize("wanted", ["/notebook/alice/tree", "/notebook/alice/lab/tree/x%20y?z=//evil.example#a//b"])
def test_a_launch_leads_back_to_a_page_of_the_users_own(site, alices, wanted):
    sent = {**session_of(site, "alice"), **FORM, **HTML}
    body = urlencode({"next": wanted}).encode()
    answer = send(site.port, "http", "/notebook/alice/-/start", sent, method="POST", body=body)
    assert answer.headers["Location"] == f"{site.url}{wanted}"


@pytest.mark.row(8, "websocket")
def test_a_handshake_is_never_redirected(demo, theirs, signed_in):
    for wanted in ELSEWHERE:
        target = f"/notebook/user/api/kernels?next={quote(wanted)}"
        for fields in ({}, {"Cookie": signed_in("user2")["Cookie"], "Origin": demo.url}, HTML):
            answer = send(demo.port, "websocket", target, fields)
            assert (answer.status, answer.headers["Location"]) == (403, None), wanted
            assert_harmless(answer.text)
    assert untouched(theirs)


@pytest.mark.row(8)
@both_ways
@pytest.mark.parametrize(
    "path",
    [
        "/evil.example/",
        "//evil.example/%2e%2e",
        "%2f%2fevil.example/",
        "%5cevil.example/",
        "%5c%5cevil.example/%2e%2e",
        "login?next=//evil.example",
        "login?next=https://evil.example",
        "logout?next=//evil.example",
        "files//evil.example/",
        "tree//evil.example/",
        "notebooks//evil.example/",
        "lab//evil.example",
        "lab?redirect=//evil.example",
        "?next=//evil.example",
        "api//evil.example/",
        "static//evil.example/",
        "custom//evil.example/",
        "view//evil.example/",
        "edit//evil.example/",
        "a%0d%0aLocation:%20http://evil.example/",
    ],
)
def test_no_address_of_a_real_user_server_redirects_to_another_site(demo, owner, path, way):
    fields = {"Cookie": f"{owner.cookie}; _xsrf={owner.xsrf}", "Origin": demo.url, **HTML}
    answer = send(demo.port, way, f"{owner.base}{path}", fields)
    assert stays(answer.headers["Location"] or "/", demo.url)
    assert "evil.example" not in answer.headers.get("Location", "").partition(owner.base)[0]


QUERIES = [f"?x={MARKUP}", f"?{MARKUP}=1", f"?next={quote(MARKUP)}", f"?notebook_launch={MARKUP}", "?next=javascript:1"]
#: A request line has no spaces; all else goes out as it is.
SPACELESS = str.maketrans(" ", "+")


def page_of(site, target: str, *, method: str = "GET", user: str = "alice", **fields: str) -> str:
    body = urlencode(fields).encode() if fields else b""
    sent = {**session_of(site, user), **CLICK, **(FORM if fields else {})}
    answer = send(site.port, "http", target.translate(SPACELESS), sent, method=method, body=body)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert_harmless(answer.text)
    return answer.text


@pytest.mark.row(8, "http")
@pytest.mark.parametrize("query", QUERIES)
def test_the_address_of_a_page_that_offers_to_start_or_to_go_on_is_text(site, query):
    for target in ("/notebook/nobody/tree", '/notebook/nobody/a"><pnb-evil>/x', "/notebook/nobody/-/x"):
        page_of(site, f"{target}{query}", user="nobody")
    for target, method in (("/shell", "GET"), ("/shell", "POST"), ("/notebook/-/open", "POST")):
        text = page_of(site, f"{target}{query}", method=method, user="nobody")
        assert 'id="pnb-launch"' in text or "notebook_launch" in query


@pytest.mark.row(8, "http")
def test_the_fields_of_a_form_that_is_sent_once_more_are_text(site):
    fields = {MARKUP: MARKUP, "next": MARKUP, "javascript:1": "javascript:1"}
    for target in ("/shell", "/notebook/-/open", "/notebook/nobody/-/start"):
        text = page_of(site, target, method="POST", user="nobody", **fields)
        assert MARKUP in hidden_values(text)


@pytest.mark.row(8, "http")
def test_the_title_of_a_notebook_is_text(site, monkeypatch):
    monkeypatch.setattr(sites, "TITLE", MARKUP)
    assert "&lt;pnb-evil" in page_of(site, "/shell", method="POST", user="nobody")


@pytest.mark.row(8, "http")
def test_the_log_of_a_launch_that_failed_is_text(folder, notebooks):
    broken = folder / "python"
    broken.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{MARKUP}\nEND\nexit 1\n")
    broken.chmod(0o755)
    with small_site(notebooks, Policy("shell"), python=broken) as site:
        text = page_of(site, "/notebook/-/open", method="POST", user="erin", notebook_launch="wait")
    assert re.search('class="pnb-(log|message)">[^<]*&lt;pnb-evil', text)


@pytest.mark.row(8, "http")
def test_the_name_of_a_user_is_text_on_every_page(site):
    for target, method in (
        *(("/shell", "POST"), ("/notebook/-/open", "POST"), ("/notebook/-/device", "GET")),
        *(("/notebook/-/tokens", "GET"), ("/notebook/-/stop", "GET")),
    ):
        sent = {**session_of(site, MARKUP), **CLICK}
        assert_harmless(send(site.port, "http", target, sent, method=method).text)
    assert "&lt;pnb-evil" in page_of(site, "/notebook/-/tokens", user=MARKUP)


def cannot_save(upstream, connection, number):
    """Say of documents with odd names that they cannot be saved, for odd reasons."""
    head = upstream.read_head(connection)
    body = json.dumps({"unsaved": [{"path": MARKUP, "reason": MARKUP}]}).encode()
    if b"/-/save" not in head:
        body = b"{}"
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    connection.sendall(b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.row(8, "http")
def test_what_a_user_server_says_in_a_page_of_ours_is_text(site):
    with recording_server(site.manager, "carol", speak=cannot_save):
        for target in ("/shutdown", "/notebook/-/stop", "/notebook/carol/-/stop"):
            text = page_of(site, target, method="POST", user="carol", **{MARKUP: MARKUP})
            assert "this could not be saved: &#39;&#34;&gt;&lt;pnb-evil" in text
        assert site.manager.find("carol")


@pytest.mark.row(8, "http")
def test_what_a_program_tells_of_itself_is_text_on_the_page_that_lets_it_in(site):
    asked = {"client_id": MARKUP, "client_name": MARKUP, "scope": "sync"}
    fields = {**FORM, "User-Agent": MARKUP}
    answer = send(site.port, "http", "/notebook/-/device/code", fields, method="POST", body=urlencode(asked).encode())
    code = json.loads(answer.text)["user_code"]
    for decision in ({}, {"decision": "approve"}, {"decision": "deny"}):
        text = page_of(site, "/notebook/-/device", method="POST", user=MARKUP, user_code=code, **decision)
        assert "pnb-evil" in text
    for typed in (MARKUP[:20], '"><pnb-evil>', "javascript:1"):
        page_of(site, f"/notebook/-/device?user_code={quote(typed)}")
        page_of(site, f"/notebook/-/device?user_code={typed}")
        page_of(site, "/notebook/-/device", method="POST", user_code=typed, decision=MARKUP)


@pytest.mark.row(8, "http")
def test_what_a_user_types_is_text_on_the_page_of_tokens(site):
    good = {"action": "make", "name": MARKUP, "scope": "run", "paths": "*.ipynb", "days": "9"}
    assert "pnb_" in page_of(site, "/notebook/-/tokens", method="POST", user="dora", **good)
    assert "&lt;pnb-evil" in page_of(site, "/notebook/-/tokens", user="dora")
    for field in ("action", "name", "scope", "paths", "days", "id", "sure"):
        page_of(site, "/notebook/-/tokens", method="POST", user="dora", **(good | {field: MARKUP}))
    for info in site.tokens.list("dora"):
        text = page_of(site, "/notebook/-/tokens", method="POST", user="dora", action="revoke", id=info.id)
        assert "&lt;pnb-evil" in text
    page_of(site, f"/notebook/-/tokens?{MARKUP}", user="dora")


@pytest.mark.row(8, "websocket")
@pytest.mark.parametrize("fields", [HTML, JSON, {}], ids=["page", "script", "nothing"])
def test_what_a_handshake_says_is_text_in_the_refusal(site, fields):
    for user, target in (("nobody", f"/notebook/nobody/x?{MARKUP}"), ("bob", f"/notebook/nobody/{MARKUP}")):
        for name in ("Sec-WebSocket-Protocol", "User-Agent", "Accept-Language", "Sec-WebSocket-Key"):
            sent = [*pairs(session_of(site, user)), *pairs(fields), (name, MARKUP)]
            answer = send(site.port, "websocket", target.translate(SPACELESS), sent)
            assert answer.status >= 400
            if answer.headers["Content-Type"].startswith("text/html"):
                assert_harmless(answer.text)
            else:
                assert answer.headers["Content-Type"].startswith(("text/plain", "application/json"))


@pytest.mark.row(8, "http", "websocket")
def test_no_template_calls_something_safe_that_is_not_a_constant():
    constant = re.compile(r"'[^'{}]*'\s*\|\s*safe")
    for path in Path(pyramid_notebook.__file__).parent.rglob("*.jinja2"):
        text = constant.sub("", path.read_text())
        assert not re.search(r"\|\s*safe|\|\s*n\b|Markup\(|autoescape\s+false", text), path
