"""``pyramid-notebook login`` and ``logout``: real processes that speak with real sites."""

from __future__ import annotations

import http.server
import json
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.device_login import LONGEST_PAUSE, has_browser, wait_for_token
from pyramid_notebook.errors import LoginFailed, TokenRevoked
from pyramid_notebook.site_client import (
    Endpoints,
    SiteError,
    SiteUnreachable,
    at_origin,
    candidates,
    discover,
    shown,
    site_address,
)
from pyramid_notebook.tokens import device_endpoints, device_store

from .running import wait_until
from .running_login import Laptop
from .tokens.device_sites import DEVICE, DeviceSite, device_site


@pytest.fixture
def laptop(folder: Path) -> Laptop:
    home = folder / "home"
    home.mkdir()
    return Laptop(home)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sites of this process are content with a poll each second."""
    for module in (device_endpoints, device_store):
        monkeypatch.setattr(module, "INTERVAL_SECONDS", 1)


@pytest.fixture
def site(folder: Path, quick: None) -> Iterator[DeviceSite]:
    with device_site(folder / "notebooks") as running:
        yield running


def decide(site: DeviceSite, code: str, decision: str = "approve", prefix: str = "/notebook") -> None:
    fields = [("user_code", code), ("decision", decision), ("scope", "sync"), ("scope", "console")]
    assert site.page("POST", DEVICE.replace("/notebook", prefix), fields).status == 200


def sign_in(laptop: Laptop, site: DeviceSite, *options: str) -> tuple[int, str, str]:
    with laptop.start("login", site.url, *options) as login:
        decide(site, login.code())
        return login.end()


def test_a_user_signs_in_and_out_again(laptop, site):
    code, output, errors = sign_in(laptop, site, "--name", "my laptop")
    assert (code, errors) == (0, "")
    assert f"Signed in to {site.url}/notebook as alice, for: sync console\n" in output
    path = laptop.credentials.path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    credential = laptop.credentials.find(f"{site.url}/notebook")
    assert credential.token not in output
    assert credential.notebooks == f"{site.url}/notebook/alice/"
    info = site.tokens.check(credential.token, "192.0.2.1")
    assert (info.user, info.name, abs(info.expires - credential.expires) < 60) == ("alice", "my laptop", True)
    assert laptop.run("logout") == (0, f"Signed out of {site.url}/notebook.\n", "")
    with pytest.raises(TokenRevoked):
        site.tokens.check(credential.token, "192.0.2.1")
    assert laptop.credentials.read() == {}
    assert laptop.run("logout") == (1, "You are not signed in to any site.\n", "")


def test_it_shows_where_to_go_and_says_what_it_waits_for(laptop, site):
    with laptop.start("login", f"localhost:{site.port}") as login:
        login.read_until(f"^    {site.url}{DEVICE}$")
        login.code()
        login.read_until("Waiting for your approval, 10 minutes at most. Ctrl-C ends it.")


def test_a_user_who_denies_is_told_so_and_nothing_is_kept(laptop, site):
    with laptop.start("login", site.url) as login:
        decide(site, login.code(), "deny")
        code, _, errors = login.end()
    assert (code, errors) == (1, "pyramid-notebook: The sign-in was denied on the site.\n")
    assert laptop.credentials.read() == {}


def test_ctrl_c_ends_it_and_nothing_is_kept(laptop, site):
    with laptop.start("login", site.url) as login:
        login.read_until("Waiting")
        login.interrupt()
        code, output, errors = login.end()
    assert (code, errors) == (130, "")
    assert output.endswith("Cancelled. Nothing was stored.\n")
    assert laptop.credentials.read() == {}


def test_signing_in_again_revokes_what_it_replaces(laptop, site):
    sign_in(laptop, site)
    old = laptop.credentials.find(f"{site.url}/notebook")
    sign_in(laptop, site)
    new = laptop.credentials.find(f"{site.url}/notebook")
    assert [info.id for info in site.tokens.list("alice")] == [site.tokens.check(new.token, "192.0.2.1").id]
    with pytest.raises(TokenRevoked):
        site.tokens.check(old.token, "192.0.2.1")


def test_a_user_is_signed_in_to_several_sites_at_once(laptop, site, folder):
    with device_site(folder / "others", route_prefix="/jupyter") as other:
        sign_in(laptop, site)
        with laptop.start("login", f"{other.url}/jupyter") as login:
            decide(other, login.code(), prefix="/jupyter")
            assert login.end()[0] == 0
        assert set(laptop.credentials.read()) == {f"{site.url}/notebook", f"{other.url}/jupyter"}
        code, output, _ = laptop.run("logout")
        assert code == 2
        assert f"Say which site, or --all:\n    {site.url}/notebook\n    {other.url}/jupyter\n" in output
        assert laptop.run("logout", site.url)[0] == 0
        assert set(laptop.credentials.read()) == {f"{other.url}/jupyter"}
        code, output, _ = laptop.run("logout", site.url)
        assert (code, output) == (1, f"You are not signed in to that site.\n    {other.url}/jupyter\n")
        assert laptop.run("logout", "--all")[0] == 0
        assert (site.tokens.list("alice"), other.tokens.list("alice")) == ((), ())


def test_programs_read_one_json_object_in_each_line(laptop, site):
    with laptop.start("login", site.url, "--json") as login:
        told = json.loads(login.read_until("^.*$")[0])
        assert told["event"] == "code"
        assert told["verification_uri"] == site.url + DEVICE
        decide(site, told["user_code"])
        code, output, _ = login.end()
    [line] = output.splitlines()
    assert (code, json.loads(line)["event"], json.loads(line)["scope"]) == (0, "signed-in", "sync console")
    code, output, _ = laptop.run("logout", "--json")
    assert json.loads(output) == {"event": "signed-out", "site": f"{site.url}/notebook", "revoked": True}


@pytest.fixture
def browser(folder: Path) -> tuple[str, Path]:
    """What stands for a browser: it writes down the address that it should open."""
    program, opened = folder / "browser", folder / "opened"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.new && mv {opened}.new {opened}\n')
    program.chmod(0o755)
    return f"{program} %s", opened


def test_a_browser_opens_with_the_code_filled_in(laptop, site, browser):
    command, opened = browser
    with laptop.start("login", site.url, BROWSER=command) as login:
        code = login.code()
        wait_until(opened.exists, "the browser opens")
        assert opened.read_text() == f"{site.url}{DEVICE}?user_code={code}"


@pytest.mark.parametrize(("options", "environment"), [(["--no-browser"], {}), ([], {"SSH_CONNECTION": "a 1 b 22"})])
def test_no_browser_opens_where_it_is_not_wanted_or_not_seen(laptop, site, browser, options, environment):
    command, opened = browser
    with laptop.start("login", site.url, *options, BROWSER=command, **environment) as login:
        decide(site, login.code())
        assert login.end()[0] == 0
    assert not opened.exists()


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({"BROWSER": "firefox"}, "linux", True),
        ({}, "darwin", True),
        ({"SSH_TTY": "/dev/pts/1"}, "darwin", False),
        ({"SSH_CONNECTION": "a 1 b 22", "BROWSER": "lynx"}, "linux", False),
        ({"SSH_CONNECTION": "a 1 b 22", "DISPLAY": "localhost:10.0"}, "linux", True),
    ],
)
def test_a_browser_is_only_where_the_user_sees_it(environment, platform, expected):
    assert has_browser(environment, platform) is expected


def test_a_token_that_cannot_be_revoked_now_is_kept_unless_the_user_insists(laptop, folder, quick):
    with device_site(folder / "notebooks") as site:
        sign_in(laptop, site)
    code, output, _ = laptop.run("logout")
    assert (code, "Still signed in" in output, "--forget" in output) == (1, True, True)
    assert laptop.credentials.read()
    code, output, _ = laptop.run("logout", "--forget")
    assert (code, "still valid" in output) == (0, True)
    assert laptop.credentials.read() == {}


def test_a_token_that_is_not_valid_any_more_is_forgotten(laptop, site):
    sign_in(laptop, site)
    site.tokens.revoke_all("alice")
    assert laptop.run("logout")[0] == 0
    assert laptop.credentials.read() == {}


def test_a_token_that_cannot_be_stored_is_revoked(laptop, site):
    with laptop.start("login", site.url) as login:
        code = login.code()
        laptop.credentials.path.write_text("something else")
        decide(site, code)
        status, _, errors = login.end()
    assert (status, "could not be stored, so it was revoked" in errors) == (1, True)
    assert site.tokens.list("alice") == ()


def test_nothing_begins_where_the_file_cannot_be_used(laptop, site):
    laptop.credentials.path.parent.mkdir(parents=True)
    laptop.credentials.path.write_text("something else")
    laptop.credentials.path.chmod(0o600)
    code, output, errors = laptop.run("login", site.url)
    assert (code, output, "does not hold credentials" in errors) == (1, "", True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["http://example.com/"], "must begin with https://"),
        (["ftp://localhost/"], "is not the address of a site"),
        (["https://alice:secret@localhost/"], "must not hold a user name or password"),
        (["http://localhost/", "--scope", "root"], "There is no scope 'root'"),
        (["http://localhost:{port}/elsewhere"], "No notebooks were found"),
    ],
)
def test_what_cannot_work_is_said_at_once(laptop, site, arguments, complaint):
    code, output, errors = laptop.run("login", *(argument.format(port=site.port) for argument in arguments))
    assert (code, output) == (1, "")
    assert complaint in errors
    assert "Traceback" not in errors


def test_a_site_that_does_not_answer_is_said(laptop):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    code, output, errors = laptop.run("login", f"http://localhost:{port}")
    assert (code, output) == (1, "")
    assert errors.startswith(f"pyramid-notebook: localhost:{port} cannot be reached: ")


# The parts that a real site does not show on demand


class ScriptedSite(http.server.BaseHTTPRequestHandler):
    answers: list[tuple[int, dict[str, str], bytes]]
    asked: list[str]

    def answer(self) -> None:
        self.asked.append(f"{self.command} {self.path} {self.headers.get('Authorization', '')}".strip())
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, body = self.answers.pop(0)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815 - the names that the base class looks for

    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def scripted_site(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[str]]]:
    """Run a site that gives these answers one after the other; yields its address and what it was asked."""
    handler = type("Handler", (ScriptedSite,), {"answers": list(answers), "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", handler.asked
        finally:
            server.shutdown()
            thread.join()


def error(reason: str, status: int = 400) -> tuple[int, dict[str, str], bytes]:
    return status, {}, json.dumps({"error": reason}).encode()


class Clock:
    """Time that goes by when somebody waits, and that remembers how long they did."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)

    def now(self) -> float:
        return sum(self.waited)


def poll(url: str, clock: Clock, lifetime: int = 600):
    endpoints = Endpoints(site=url, device_code="", token=f"{url}/token", revoke="")
    return wait_for_token(endpoints, "code", interval=5, lifetime=lifetime, wait=clock.wait, clock=clock.now)


def test_it_polls_as_slowly_as_the_site_wants():
    clock = Clock()
    pending, slow = error("authorization_pending"), error("slow_down")
    with scripted_site(pending, slow, pending, error("too-many-failures", 429), (200, {}, b'{"a": 1}')) as (url, _):
        assert poll(url, clock).values == {"a": 1}
    assert clock.waited == [5, 5, 10, 10, 15]


def test_trouble_on_the_way_makes_it_wait_longer_and_go_on():
    clock = Clock()
    trouble = [error("server_error", 503)] * 5
    with scripted_site(*trouble, error("authorization_pending"), (200, {}, b'{"a": 1}')) as (url, _):
        assert poll(url, clock).status == 200
    assert clock.waited == [5, 10, 20, 40, LONGEST_PAUSE, LONGEST_PAUSE, 5]


def test_a_site_that_is_away_for_a_while_does_not_end_it():
    clock = Clock()
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(LoginFailed, match="Nobody approved in time"):
        poll(f"http://127.0.0.1:{port}", clock, lifetime=100)
    assert clock.waited == [5, 10, 20, 40]


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("access_denied", "denied on the site"),
        ("expired_token", "Nobody approved in time"),
        ("invalid_grant", "does not know this sign-in any more"),
        ("un\x1b[31mheard", r"refused: un\?\[31mheard"),
    ],
)
def test_a_refusal_ends_it_with_a_sentence(reason, text):
    with scripted_site(error(reason)) as (url, _), pytest.raises(LoginFailed, match=text):
        poll(url, Clock())


def test_it_does_not_wait_beyond_the_end():
    clock = Clock()
    with scripted_site(*[error("authorization_pending")] * 3) as (url, _), pytest.raises(LoginFailed, match="in time"):
        poll(url, clock, lifetime=19)
    assert clock.waited == [5, 5, 5]


def test_redirects_are_told_and_not_followed():
    with scripted_site((302, {"Location": "https://evil.example/"}, b"")) as (url, asked):
        with pytest.raises(SiteError, match=r"It sends you on to https://evil\.example/"):
            discover(url)
        assert asked == ["GET /notebook/-/device/.well-known/oauth-authorization-server"]


@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_that_breaks_off_is_trouble_with_the_site(status):
    with scripted_site((status, {"Content-Length": "100"}, b"{")) as (url, _), pytest.raises(SiteUnreachable):
        discover(url)


def test_a_site_that_is_in_trouble_is_not_taken_for_one_without_notebooks():
    with scripted_site(error("server_error", 502)) as (url, _), pytest.raises(SiteUnreachable, match="server_error"):
        discover(url)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"<html>", b"\xff", b"[" * 60000, b'{"device_authorization_endpoint": 1}']
)
def test_what_is_not_metadata_is_no_site_of_ours(body):
    with scripted_site((200, {}, body)) as (url, _), pytest.raises(SiteError):
        discover(url)


def test_a_site_is_only_asked_at_its_own_origin():
    names = ("device_authorization_endpoint", "token_endpoint", "revocation_endpoint")
    values = json.dumps({name: f"http://evil.example:99/{name}?x=1" for name in names}).encode()
    with scripted_site((200, {}, values)) as (url, _):
        found = discover(url)
    assert found.site == f"{url}/notebook"
    assert (found.device_code, found.token) == (f"{url}/{names[0]}?x=1", f"{url}/{names[1]}?x=1")


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "", "evil", "//[", "https://x/\x1b", "https://x/ä", "https://x/a b"]
)
def test_what_is_not_the_address_of_a_page_is_refused(address):
    with pytest.raises(SiteError):
        at_origin("https://example.com", address)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("https://Example.COM/", "https://example.com"),
        (" example.com ", "https://example.com"),
        ("https://example.com:443/notebook/", "https://example.com/notebook"),
        ("https://example.com:8443/a/?x=1#y", "https://example.com:8443/a"),
        ("http://localhost:9999/", "http://localhost:9999"),
        ("localhost:9999", "http://localhost:9999"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("http://[::1]:80/", "http://[::1]"),
        ("bücher.example", "https://xn--bcher-kva.example"),
        ("https://example.com./ä", "https://example.com/%C3%A4"),
    ],
)
def test_an_address_has_one_form(typed, address):
    assert site_address(typed) == address
    assert site_address(address) == address


@pytest.mark.parametrize(
    "typed",
    [
        *("", "https://", "http://example.com", "http://localhost.example", "http://127.0.0.1.example", "HTTP://x"),
        *("file:///etc/passwd", "https://a b", "https://x:0", "https://x:99999", "https://[", "https://x@y", "x\\y"),
        *("https://x/\ny", "http://169.254.169.254", "javascript://localhost", "https://x\u202e"),
    ],
)
def test_what_is_not_the_address_of_a_safe_site_is_refused(typed):
    with pytest.raises(SiteError):
        site_address(typed)


@given(st.text() | st.from_regex(r"(https?://)?[a-z0-9.:@\[\]/%?#\\-]{0,30}", fullmatch=True))
def test_any_text_is_an_address_in_its_one_form_or_refused(typed):
    try:
        address = site_address(typed)
    except SiteError:
        return
    assert site_address(address) == address
    assert address.startswith(("https://", "http://localhost", "http://127.", "http://[::"))
    assert address.isascii()
    assert not address.endswith("/")


def test_notebooks_are_looked_for_where_sites_keep_them():
    assert candidates("https://example.com") == ("https://example.com/notebook",)
    assert candidates("https://example.com/x") == ("https://example.com/x", "https://example.com/x/notebook")


@given(st.text())
def test_what_a_site_says_cannot_control_a_terminal(text):
    assert shown(text).isprintable()


@pytest.mark.parametrize("token", ["pnb_x\ny", "pnb x", "p\u00e4", "x" * 600])
def test_what_a_site_gives_instead_of_a_token_is_not_kept(laptop, token):
    codes = {"device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": "http://x/p", "expires_in": 60}
    metadata = {
        "device_authorization_endpoint": "http://x/code", "token_endpoint": "http://x/token",
        "revocation_endpoint": "http://x/revoke",
    }  # fmt: skip
    granted = {"access_token": token, "user": "alice", "notebooks": "http://x/n/", "scope": "sync", "expires_in": 60}
    answers = [(200, {}, json.dumps(values).encode()) for values in (metadata, codes | {"interval": 1}, granted)]
    with scripted_site(*answers) as (url, _asked):
        code, _, errors = laptop.run("login", f"{url}/notebook")
    assert (code, errors) == (1, "pyramid-notebook: The site's answer cannot be understood: its token is none.\n")
    assert laptop.credentials.read() == {}


def test_a_token_that_cannot_be_sent_does_not_keep_the_others_from_being_revoked(laptop, site):
    assert sign_in(laptop, site)[0] == 0
    good = laptop.credentials.find(f"{site.url}/notebook")
    laptop.credentials.save(good._replace(site="http://localhost:1/notebook", token="pnb_x\ny"))
    code, output, errors = laptop.run("logout", "--all")
    assert (code, errors) == (1, "")
    assert f"Signed out of {site.url}/notebook." in output
    with pytest.raises(TokenRevoked):
        site.tokens.check(good.token, "192.0.2.1")


def test_who_has_no_home_folder_is_told_so(laptop, site):
    code, _, errors = laptop.run("login", site.url, HOME="/dev/null", XDG_CONFIG_HOME="")
    assert code == 1
    assert errors.startswith("pyramid-notebook: ")
    assert "Traceback" not in errors


def test_a_name_that_is_no_text_is_told_so(laptop, site):
    code, _, errors = laptop.run("login", site.url, "--name", "\udcff")
    assert code == 1
    assert errors.startswith("pyramid-notebook: ")
    assert "Traceback" not in errors
