"""The configuration of nginx is made from what the door itself does."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from string import Template

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.request import Request

from pyramid_notebook import cli
from pyramid_notebook.addresses import classify, may_pass_on
from pyramid_notebook.errors import SettingsError
from pyramid_notebook.nginx_config import _ENCODINGS, _KEPT_COOKIE, Server, configuration
from pyramid_notebook.proxy.headers import HOP_BY_HOP, NOT_TO_CLIENT, NOT_UPSTREAM, _stays_within
from pyramid_notebook.proxy.nginx import Gate
from pyramid_notebook.proxy.target import raw_target
from pyramid_notebook.proxy.variants import accepted_codings
from pyramid_notebook.record import LEASE_HEADER, SECRET_HEADER, TOKEN_HEADER
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.secret import holds_token

from .nginx_server import GROUP, command, write

BASE = "/notebook/alice/"


def settings(folder: str = "/srv/shop/notebooks", **more: str) -> Settings:
    return Settings(notebook_folder=folder, **({"socket_group": "www-data"} | more))


def location(text: str, name: str) -> str:
    return text.partition(f"location {name} {{")[2].partition("\n    }\n")[0]


def lines(block: str, directive: str) -> dict[str, str]:
    found = re.findall(rf"^\s+{directive} (\S+) ?(.*);$", block, re.MULTILINE)
    return {name.lower(): value for name, value in found}


def test_every_field_that_the_door_drops_is_dropped():
    text = configuration(settings(), Server())
    upstream, hidden = (lines(location(text, "/notebook/"), name) for name in ("proxy_set_header", "proxy_hide_header"))
    for name in (HOP_BY_HOP | NOT_UPSTREAM) - {"connection", "upgrade", "transfer-encoding", "cookie"}:
        assert upstream[name] == '""', name
    assert (HOP_BY_HOP | NOT_TO_CLIENT) - {"connection", "upgrade", "transfer-encoding"} <= hidden.keys()
    for name in (SECRET_HEADER, TOKEN_HEADER, LEASE_HEADER):
        assert upstream[name.lower()].startswith("$pnb_")
        assert name.lower() in hidden


@pytest.mark.parametrize(
    ("server", "more"),
    [
        (Server(), {}),
        (Server(upstream="http://unix:/run/shop/site.sock", mount="/app", server_name="a.example b.example"), {}),
        (Server(listens=["127.0.0.1:8080", "[::1]:8080"]), {"route_prefix": "/lab.books/x-y"}),
    ],
)
def test_nginx_understands_it(folder: Path, server: Server, more: dict[str, str]):
    (folder / "note books").mkdir(mode=0o700)
    made = settings(str(folder / "note books"), socket_group=GROUP, **more)
    Gate(folder / "note books").make()
    main = write(folder, made, replace(server, cache=f"{folder}/cache"))
    done = subprocess.run(command(folder, main, "-t"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


@pytest.mark.parametrize(
    ("server", "more", "reason"),
    [
        (Server(), {"socket_group": ""}, "socket_group"),
        (Server(upstream="https://example.com"), {}, "--upstream"),
        (Server(upstream="http://a:1; }"), {}, "--upstream"),
        (Server(mount="/a b"), {}, "--mount"),
        (Server(mount="app"), {}, "--mount"),
        (Server(server_name="a; }"), {}, "--server-name"),
        (Server(listens=["80;"]), {}, "--listen"),
        (Server(cache="relative"), {}, "--cache"),
        (Server(), {"route_prefix": "/a b"}, "/a b"),
        (Server(), {"notebook_folder": '/a"b'}, '/a"b'),
    ],
)
def test_what_nginx_would_not_understand_is_refused(server: Server, more: dict[str, str], reason: str):
    with pytest.raises(SettingsError, match=re.escape(reason)):
        configuration(settings(folder=more.pop("notebook_folder", "/x"), **more), server)


def test_the_command_makes_the_key_and_prints_no_secret(folder: Path, capsys: pytest.CaptureFixture[str]):
    ini = folder / "site.ini"
    ini.write_text(
        "[app:main]\nuse = egg:pyramid_notebook#demo\n"
        f"pyramid_notebook.notebook_folder = {folder}/notebooks\npyramid_notebook.socket_group = {GROUP}\n"
    )
    assert cli.main(["nginx-config", str(ini), "--upstream", "http://127.0.0.1:9999", "--listen", "8080"]) == 0
    printed = capsys.readouterr().out
    key = Gate(folder / "notebooks")._read()
    assert key
    assert key not in printed
    assert f'include "{folder}/notebooks/.nginx/gate.conf";' in printed
    assert cli.main(["nginx-config", str(ini), "--upstream", "x"]) == 1


_PCRE = {_KEPT_COOKIE: re.compile(_KEPT_COOKIE.replace("(?<pnb", "(?P<pnb").replace(r"\k<pnb_e>", "(?P=pnb_e)"))}
_NAMES = st.sampled_from(["a", "_xsrf", "path", "Path", "PATH", "domain", "Domain", "Secure", "Max-Age", "", " "])
_VALUES = st.sampled_from(
    [BASE, BASE[:-1], f"{BASE}x", "/", "/notebook/", "/notebook/bob/", f"{BASE[:-1]}x", BASE.title(), "", "1", "|"]
)


@given(st.lists(st.tuples(_NAMES, st.sampled_from(["=", "", " = "]), _VALUES), min_size=1, max_size=5))
def test_no_cookie_passes_that_the_door_would_drop(parts: list[tuple[str, str, str]]):
    cookie = ";".join(f"{name}{equals}{value}" for name, equals, value in parts).strip()
    if _PCRE[_KEPT_COOKIE].match(f"{BASE}|{cookie}"):
        assert _stays_within(cookie, BASE)


@pytest.mark.parametrize(
    "cookie",
    [f"a=1; Path={BASE}", f"_xsrf=2|a; expires=Wed, 21 Oct 2026 07:28:00; Path={BASE}; Secure", f"a=; path={BASE}x"],
)
def test_a_cookie_within_the_path_passes(cookie: str):
    assert _PCRE[_KEPT_COOKIE].match(f"{BASE}|{cookie}")["pnb_cookie"] == cookie


_PIECES = st.sampled_from(
    [
        *("/", "//", ".", "..", "-", "a", "b.txt", "sync", "restified", "%20", "%2e", "%2E%2e", "%2f", "%2d"),
        *("%c3%a9", "%c3", "%ff", "%E2%82%AC"),
        *("?", "#", "=", "&", "pnb_", "%70nb_", "A" * 43, "static", "é", "%", ";", "+", "~"),
    ]
)


TARGETS = st.lists(_PIECES, max_size=8).map(lambda pieces: BASE + "".join(pieces))


def class_of(target: str) -> str:
    """Return what the configuration calls an address, under which nginx keeps answers of the door; or nothing."""
    text = configuration(settings(), Server())
    block = text.partition("map $request_uri $pnb_class {")[2].partition("\n}")[0]
    for pattern, value in re.findall(r'^    "~(.*)" "(.*)";$', block, re.MULTILINE):
        match = re.search(pattern.replace("(?<pnb", "(?P<pnb"), target)
        if match:
            return Template(value).substitute(match.groupdict())
    return ""


@given(TARGETS)
def test_an_answer_is_kept_only_for_addresses_that_mean_what_they_say(target: str):
    if not class_of(target):
        return
    environ = Request.blank(target).environ | {"REQUEST_URI": target}
    assert Request(environ).path  # Pyramid can decode it
    assert may_pass_on(target.partition("?")[0], BASE)
    assert raw_target(environ) == target
    assert not holds_token(Request(environ).path_qs)


@given(TARGETS, TARGETS)
def test_an_answer_is_kept_for_addresses_that_the_door_answers_alike(one: str, other: str):
    if class_of(one) and class_of(one) == class_of(other):
        first, second = (classify(target.partition("?")[0].removeprefix(BASE)) for target in (one, other))
        assert first == second


def file_of(target: str) -> str:
    """Return which of Notebook's files nginx takes an address for, or nothing."""
    text = configuration(settings(), Server())
    block = text.partition("$pnb_file {")[2].partition("\n}")[0]
    (pattern,) = re.findall(r'^    "~(.*)" \$pnb_f;$', block, re.MULTILINE)
    match = re.search(pattern.replace("(?<pnb", "(?P<pnb"), f"{0 if class_of(target) else 1}::{target}")
    return match["pnb_f"] if match else ""


_FILES = st.lists(_PIECES | st.sampled_from(["notebook/", "lab/", "?v=", "?v=1", ".js", "v="]), max_size=6)


@given(_FILES.map(lambda pieces: f"{BASE}static/{''.join(pieces)}"))
def test_nginx_asks_for_the_file_and_the_version_that_an_address_names(target: str):
    file = file_of(target)
    if not file:
        return
    path, _, query = target.partition("?")
    request = Request(Request.blank(target).environ | {"REQUEST_URI": target})
    assert path == BASE + file
    assert raw_target(request.environ) == target
    assert may_pass_on(path, BASE)
    assert bool(request.GET.get("v")) == query.startswith("v=")
    assert set(request.GET) <= {"v"}


@pytest.mark.parametrize("target", ["static/notebook/main.js", "static/lab/a.b/c.css?v=0a", "static/notebook/a%20b.js"])
def test_nginx_knows_the_files_that_are_the_same_for_all(target: str):
    assert file_of(BASE + target) == target.partition("?")[0]


_CODINGS = st.sampled_from(["gzip", "x-gzip", "GZip", "br", "BR", "brotli", "*", "gzipped", "not-gzip", ""])
_WEIGHTS = st.sampled_from(
    ["", ";q=0", ";q=0.000", ";q=0.5", "; q=1", ";q=1.0", ";Q=1", " ; q=.5", ";q=0.25", ";q=2", ";x"]
)


@given(st.lists(st.tuples(_CODINGS, _WEIGHTS).map("".join), max_size=4), st.sampled_from([",", ", ", " ,\t"]))
def test_the_site_sends_nginx_what_it_would_send_the_browser(codings: list[str], comma: str):
    value = comma.join(codings)
    assert accepted_codings(encoding_of(value)) == accepted_codings(value)


def encoding_of(value: str) -> str:
    """Return the ``Accept-Encoding`` with which nginx asks the site, which names what it keeps as well."""
    told = next((told for accepted, told in _ENCODINGS if re.search(accepted, value, re.IGNORECASE)), "")
    return told.strip('"').replace("$http_accept_encoding", value)


@pytest.mark.parametrize("value", ["gzip, deflate, br", "gzip, deflate, br, zstd", "br, gzip;q=0.8", "x-gzip,br;q=1.0"])
def test_what_is_kept_for_one_browser_is_good_for_all_that_read_brotli(value: str):
    assert encoding_of(value) == "br, gzip"


@pytest.mark.parametrize("value", ["br;q=0.5|file, gzip", "br;q=0.5, gzip" + ", x" * 30, "br;q=0.5, gzip, $pnb_a"])
def test_nothing_odd_or_long_is_part_of_a_key(value: str):
    assert encoding_of(value) == "gzip"


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("api/contents?content=1&123", "/alice/"), ("files/a%20b%c3%a9.txt", "/alice/"), ("", "/alice/"),
        ("-x", "/alice/"),
        ("sync", "/alice/sync"), ("sync/status?x", "/alice/sync"), ("synchron", "/alice/"), ("rpc", "/alice/rpc"),
        ("restified/a.ipynb", ""), ("-/page.css", ""), ("a/../b", ""), ("a/%2e%2e/b", ""), ("a?x=%70nb_", ""),
        ("a?pnb_", ""),
    ],
)  # fmt: skip
def test_plain_addresses_are_kept_and_odd_ones_are_asked_about_each_time(target: str, kept: str):
    assert class_of(BASE + target) == kept
