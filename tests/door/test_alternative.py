"""Notebooks on a host of their own: nobody is signed in there but by a ticket, and for no longer than on the site."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from pyramid.config import Configurator

from pyramid_notebook.errors import SettingsError
from pyramid_notebook.handover import store
from pyramid_notebook.proxy import passages

from .sites import HANDSHAKE, HTML, JSON, Policy, ask, ends, recording_server, small_site

SITE, OWN = "http://shop.example.com", "http://notebooks.example.net"
SETTINGS = {"alternative_domain": OWN, "site_domain": SITE}
PAGE = "/notebook/alice/notebooks/a.ipynb?x=1"
FILE = "/notebook/alice/api/contents/a.ipynb"
SOCKET = "/notebook/alice/api/kernels/1/channels"


@pytest.fixture
def site(notebooks, monkeypatch):
    monkeypatch.setattr(passages, "INTERVAL", 0.3)
    with small_site(notebooks / "alternative", Policy("shell"), **SETTINGS) as running:
        yield running


@pytest.fixture(autouse=True)
def theirs(site):
    with recording_server(site.manager, "alice") as server:
        yield server


@dataclass
class Browser:
    """Keeps cookies for each host, follows no redirect by itself, and says what it says to the site in a header."""

    site: object
    user: str = "alice"
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    def ask(self, method, url, headers=HTML):
        parts = urlsplit(url)
        fields = {"Host": parts.netloc, "Origin": f"{parts.scheme}://{parts.netloc}", **headers}
        if f"{parts.scheme}://{parts.netloc}" == SITE and self.user:
            fields["X-User"] = self.user  # the site's own session, which browsers send to the site only
        jar = self.cookies.setdefault(parts.netloc, {})
        if jar:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        answer = ask(self.site.port, method, url.removeprefix(f"{parts.scheme}://{parts.netloc}"), fields)
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            jar[name] = value
        return answer

    def follow(self, url, headers=HTML):
        """Go on until there is no redirect; returns the answer and all addresses."""
        way = []
        while True:
            way.append(url)
            answer = self.ask("GET", url, headers)
            if answer.status != 303:
                return answer, way
            assert len(way) < 8, way
            url = answer.headers["Location"]
            url = url if "://" in url else f"{way[-1].partition('//')[0]}//{urlsplit(way[-1]).netloc}{url}"

    def to_ticket(self):
        """Go on until a ticket is there, and do not use it; returns its address."""
        location = self.ask("GET", f"{OWN}{PAGE}").headers["Location"]
        return self.ask("GET", location).headers["Location"]


@pytest.fixture
def browser(site):
    return Browser(site)


@pytest.fixture
def inside(browser):
    """A browser that has a visit."""
    answer, _ = browser.follow(f"{OWN}{PAGE}")
    assert answer.status == 200
    return browser


def test_a_page_is_opened_on_the_site_and_ends_on_the_own_host_without_the_ticket_in_its_address(browser, theirs):
    answer, way = browser.follow(f"{SITE}{PAGE}")
    assert answer.status == 200
    assert [url.partition("?")[0] for url in way] == [
        *(f"{SITE}{PAGE}".partition("?")[0], f"{OWN}{PAGE}".partition("?")[0]),
        *(f"{SITE}/notebook/-/hand-over", f"{OWN}/notebook/-/enter", f"{OWN}{PAGE}".partition("?")[0]),
    ]
    assert way[-1] == f"{OWN}{PAGE}"
    assert theirs.targets == [f"GET {PAGE}"]
    assert b"notebook-" not in theirs.requests[-1] and b"ticket" not in theirs.requests[-1]
    assert b"Host: notebooks.example.net" in theirs.requests[-1]


def test_the_visit_is_good_for_all_that_the_page_asks_for(inside, theirs):
    assert inside.ask("PUT", f"{OWN}{FILE}", JSON).status == 200
    assert inside.ask("GET", f"{OWN}{SOCKET}", HANDSHAKE).status == 101
    assert inside.ask("GET", f"{OWN}/notebook/alice/-/launch.js").status == 200
    again, way = inside.follow(f"{OWN}{PAGE}")
    assert (again.status, len(way)) == (200, 1)


def test_cookies_are_for_that_host_only_and_hidden_from_scripts(browser):
    lines = []
    url = f"{OWN}{PAGE}"
    for _ in range(3):
        answer = browser.ask("GET", url)
        lines += answer.headers.get_all("Set-Cookie") or []
        url = answer.headers["Location"]
    names = [line.partition("=")[0] for line in lines]
    assert names == ["notebook-browser", "notebook-visit-alice"]
    for line in lines:
        assert re.fullmatch(r"[a-z-]+=[A-Za-z0-9_-]{43}; Path=/; HttpOnly; SameSite=Lax", line)


def test_over_https_cookies_are_secure_and_no_other_host_can_set_them(notebooks):
    settings = {"alternative_domain": "https://notebooks.example.net", "site_domain": "https://shop.example.com"}
    proxied = {"X-Forwarded-Proto": "https", "Host": "notebooks.example.net", **HTML}
    with small_site(notebooks / "tls", Policy("shell"), **settings, trusted_proxies="127.0.0.1 ::1") as site:
        answer = ask(site.port, "GET", PAGE, proxied)
    assert answer.headers["Location"].startswith("https://shop.example.com/notebook/-/hand-over?")
    assert re.fullmatch(
        r"__Host-notebook-browser=\S+; Path=/; HttpOnly; SameSite=Lax; Secure", answer.headers["Set-Cookie"]
    )


def test_the_session_of_the_site_opens_nothing_on_the_own_host(site, theirs):
    fields = {"Host": "notebooks.example.net", "Origin": OWN, "X-User": "alice", "Cookie": "session=of-the-site"}
    for method, target, more in (("PUT", FILE, {}), ("GET", FILE, JSON), ("GET", SOCKET, HANDSHAKE)):
        assert ask(site.port, method, target, fields | more).status == 403
    assert ask(site.port, "GET", PAGE, fields | HTML).status == 303
    assert theirs.requests == []


def test_the_session_of_the_site_opens_no_notebooks_on_the_sites_host(site, browser, theirs):
    for method, target, more in (("PUT", FILE, JSON), ("GET", FILE, JSON), ("GET", SOCKET, HANDSHAKE)):
        answer = browser.ask(method, f"{SITE}{target}", more)
        assert (answer.status, OWN in answer.text) == (403, True)
    assert browser.ask("GET", f"{SITE}{PAGE}").headers["Location"] == f"{OWN}{PAGE}"
    assert theirs.requests == []
    other = Browser(site, "bob").ask("GET", f"{SITE}{PAGE}")
    assert other.status == 403


@pytest.mark.parametrize(
    "target",
    [
        *("/", "/shell", "/sign-out", "/login", "/notebook", "/notebook/", "/notebook/-/tokens", "/notebook/-/open"),
        *("/notebook/-/device", "/notebook/-/hand-over", "/notebook/-/selftest", "/favicon.ico", "/notebook/-/x"),
    ],
)
def test_nothing_else_of_the_site_is_on_the_own_host(inside, target):
    for method in ("GET", "POST"):
        answer = inside.ask(method, f"{OWN}{target}")
        assert (answer.status, "notebooks, and nothing else" in answer.text) == (404, True)


@pytest.mark.parametrize(
    "host", ["notebooks.example.net:81", "NOTEBOOKS.example.net", "notebooks.example.net.", "notebooks.example.net:443"]
)
def test_no_spelling_of_the_own_host_has_the_sites_pages(site, host):
    fields = {"Host": host, "X-User": "alice", "Sec-Fetch-Site": "none"}
    assert ask(site.port, "GET", "/sign-out", fields).status == 404
    assert ask(site.port, "GET", FILE, fields | JSON).status == 403


def test_who_enters_is_on_the_own_host_only(browser):
    ticket = browser.to_ticket()
    assert browser.ask("GET", ticket.replace(OWN, SITE)).status == 404
    assert browser.ask("GET", ticket).status == 303


def test_tokens_of_programs_go_on_at_the_sites_host(site, theirs):
    fields = site.token("alice").fields | {"Host": "shop.example.com"}
    assert ask(site.port, "GET", FILE, fields).status == 200
    assert len(theirs.requests) == 1


# tickets


def test_a_ticket_is_good_once(site, browser):
    ticket = browser.to_ticket()
    thief = Browser(site, "", {"notebooks.example.net": dict(browser.cookies["notebooks.example.net"])})
    assert browser.ask("GET", ticket).status == 303
    answer = thief.ask("GET", ticket)
    assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)
    assert "This way in is over" in answer.text


def test_a_ticket_is_good_for_the_browser_only_that_asked_for_it(site, browser):
    stolen = browser.to_ticket()
    mallory = Browser(site, "")
    mallory.ask("GET", f"{OWN}{PAGE}")
    answer = mallory.ask("GET", stolen)
    assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)
    assert browser.ask("GET", stolen).status == 403  # and whoever tried has used it up


def test_nobody_can_be_signed_in_as_somebody_else(site, browser):
    mallory = Browser(site, "mallory")
    location = mallory.ask("GET", f"{OWN}/notebook/mallory/tree").headers["Location"]
    ticket = mallory.ask("GET", location).headers["Location"]
    browser.ask("GET", f"{OWN}{PAGE}")
    assert browser.ask("GET", ticket).status == 403


def test_a_ticket_is_good_for_half_a_minute(site, browser, monkeypatch):
    monkeypatch.setattr(store, "TICKET_SECONDS", 0)
    assert browser.ask("GET", browser.to_ticket()).status == 403


def test_a_ticket_opens_no_notebooks_of_others(site, browser):
    mallory = Browser(site, "mallory")
    location = mallory.ask("GET", f"{OWN}{PAGE}").headers["Location"]
    assert mallory.ask("GET", location).status == 403
    location = mallory.ask("GET", f"{OWN}/notebook/mallory/tree").headers["Location"]
    mallory.follow(location)
    visit = mallory.cookies["notebooks.example.net"]["notebook-visit-mallory"]
    mallory.cookies["notebooks.example.net"]["notebook-visit-alice"] = visit
    assert mallory.ask("GET", f"{OWN}{FILE}", JSON).status == 403


@pytest.mark.parametrize(
    "target",
    [
        *("https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:x", "", "/"),
        "/notebook/bob/tree",
        *("/notebook/alice/../bob/tree", "/notebook/alice/%2e%2e/bob", "/notebook/alice/-/stop", "/notebook/alice"),
        "/notebook/alice/tree\r\nSet-Cookie: a=b",
    ],
)
def test_a_ticket_leads_nowhere_but_to_the_users_own_notebooks(browser, target):
    address = f"{SITE}/notebook/-/hand-over?state={'a' * 64}&to={quote(target, safe='')}"
    answer = browser.ask("GET", address)
    assert (answer.status, "Location" in answer.headers) == (403, False)


@pytest.mark.parametrize("state", ["", "a", "A" * 64, "a" * 65])
def test_no_ticket_is_given_to_nobody(browser, state):
    assert browser.ask("GET", f"{SITE}/notebook/-/hand-over?state={state}&to={quote(PAGE)}").status == 403


def test_a_ticket_is_given_to_those_with_the_permission_only(site, browser):
    location = browser.ask("GET", f"{OWN}{PAGE}").headers["Location"]
    assert Browser(site, "").ask("GET", location).status == 403
    site.policy.granted = ()
    assert browser.ask("GET", location).status == 403


@pytest.mark.parametrize("ticket", ["", "x", "a" * 43, "../../alice", "%00", "a" * 5000])
def test_what_is_no_ticket_lets_nobody_in(inside, ticket):
    assert inside.ask("GET", f"{OWN}/notebook/-/enter?ticket={ticket}").status == 403


def test_other_methods_use_no_ticket_up(browser):
    ticket = browser.to_ticket()
    for method in ("HEAD", "POST"):
        assert browser.ask(method, ticket).status == 405
    assert browser.ask("GET", ticket).status == 303


def test_no_secret_is_stored_sent_on_or_logged(site, browser, caplog):
    caplog.set_level("DEBUG")
    ticket = browser.to_ticket()
    answers = [browser.ask("GET", ticket), browser.ask("GET", ticket)]
    secrets = [parse_qs(urlsplit(ticket).query)["ticket"][0], *browser.cookies["notebooks.example.net"].values()]
    assert len(secrets) == 3
    kept = [path for path in Path(site.manager.root).rglob("*") if path.is_file()]
    for secret in secrets:
        assert secret not in caplog.text
        assert not [path for path in kept if secret.encode() in path.read_bytes() or secret in path.name]
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept if ".handover" in path.parts)
    for answer in answers:
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer.headers["Cache-Control"]


def test_tickets_that_nobody_uses_go_away(site, browser, monkeypatch):
    browser.to_ticket()
    monkeypatch.setattr(store, "TICKET_SECONDS", -1)
    browser.to_ticket()
    assert len(list((site.manager.root / ".handover" / "visits" / "-").iterdir())) == 1


# the end of a visit


def open_socket(browser):
    """Open a websocket on the own host; returns the connection."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies["notebooks.example.net"].items())
    fields = {"Host": "notebooks.example.net", "Origin": OWN, "Cookie": cookies, **HANDSHAKE}
    connection = socket.create_connection(("localhost", browser.site.port))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    connection.sendall(f"GET {SOCKET} HTTP/1.1\r\n{lines}\r\n".encode())
    assert b" 101 " in connection.recv(65536)
    return connection


def sign_out(site):
    Browser(site).ask("GET", f"{SITE}/sign-out")


def disable(site):
    site.policy.disabled.add("alice")


def take_permission(site):
    site.policy.granted = ()


@pytest.mark.parametrize("change", [sign_out, disable, take_permission])
def test_who_may_not_use_notebooks_any_more_may_not_there_either(site, inside, change):
    with open_socket(inside) as connection:
        change(site)
        assert inside.ask("GET", f"{OWN}{FILE}", JSON).status == 403
        assert inside.ask("PUT", f"{OWN}{FILE}", JSON).status == 403
        assert inside.ask("GET", f"{OWN}{SOCKET}", HANDSHAKE).status == 403
        assert ends(connection)


def test_signing_out_ends_visits_of_those_who_never_had_a_server(site):
    browser = Browser(site, "bob")
    url = f"{OWN}/notebook/bob/tree"
    assert browser.follow(url)[0].status == 502
    browser.ask("GET", f"{SITE}/sign-out")
    assert browser.ask("GET", f"{OWN}/notebook/bob/api/status", JSON).status == 403


def test_a_ticket_from_before_the_sign_out_is_good_no_more(site, browser):
    ticket = browser.to_ticket()
    sign_out(site)
    assert browser.ask("GET", ticket).status == 403


def test_a_visit_ends_by_itself_and_the_page_gets_a_new_one(inside, monkeypatch):
    monkeypatch.setattr(store, "VISIT_SECONDS", 0)
    assert inside.ask("GET", f"{OWN}{FILE}", JSON).status == 403
    monkeypatch.undo()
    assert inside.follow(f"{OWN}{PAGE}")[0].status == 200


def test_one_user_has_so_many_visits_and_the_oldest_ends(site, monkeypatch):
    monkeypatch.setattr(store, "MOST_VISITS", 2)
    browsers = [Browser(site) for _ in range(3)]
    for browser in browsers:
        browser.follow(f"{OWN}{PAGE}")
    statuses = [browser.ask("GET", f"{OWN}{FILE}", JSON).status for browser in browsers]
    assert statuses == [403, 200, 200]


# origins, and the way back


@pytest.mark.parametrize("origin", [SITE, "null", "http://notebooks.example.net:81", "https://notebooks.example.net"])
def test_origins_are_compared_with_the_host_of_the_request(inside, origin):
    assert inside.ask("PUT", f"{OWN}{FILE}", JSON | {"Origin": origin}).status == 403
    assert inside.ask("GET", f"{OWN}{SOCKET}", HANDSHAKE | {"Origin": origin}).status == 403


def test_a_page_of_the_own_host_changes_nothing_on_the_sites(site, browser):
    for target in ("/shell", "/shutdown", "/notebook/-/open", "/notebook/-/stop", "/notebook/alice/-/stop"):
        assert browser.ask("POST", f"{SITE}{target}", HTML | {"Origin": OWN}).status == 403
    assert site.manager.find("alice")


def test_back_to_site_leads_to_the_sites_host(site, inside):
    answer = inside.ask("POST", f"{OWN}/notebook/alice/api/shutdown", JSON)
    assert f'"{SITE}/"' in answer.text
    page = inside.ask("GET", f"{OWN}{PAGE}")
    assert (page.status, f'href="{SITE}/"' in page.text) == (502, True)


def test_a_browser_without_cookies_is_told_and_not_sent_round(site):
    forgetful = Browser(site)
    url = f"{OWN}{PAGE}"
    for _ in range(2):
        url = forgetful.ask("GET", url).headers["Location"]
        forgetful.cookies.clear()
    assert forgetful.ask("GET", url).status == 403


def test_the_setting_needs_the_directive_that_says_who_may(folder):
    prefixed = {f"pyramid_notebook.{name}": value for name, value in SETTINGS.items()}
    with Configurator(settings={"pyramid_notebook.notebook_folder": str(folder), **prefixed}) as config:
        config.include("pyramid_notebook")
        with pytest.raises(SettingsError, match="set_notebook_permits"):
            config.make_wsgi_app()
