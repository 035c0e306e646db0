"""What a real site answers to a user who makes, lists and revokes tokens."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from pyramid_notebook.errors import TokenRevoked
from pyramid_notebook.scopes import Grant, Scope, allows
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.wishes import Mistakes, Wishes
from tests.door.sites import Answer, ask

from .device_sites import FORM, DeviceSite, device_site

TOKENS = "/notebook/-/tokens"
HTML = "<img src=x onerror=alert(1)>"
SECRET = re.compile("pnb_[A-Za-z0-9_-]{43}")
DAY = 86400


@pytest.fixture
def site(folder: Path) -> Iterator[DeviceSite]:
    with device_site(folder / "notebooks") as running:
        yield running


@pytest.fixture(scope="module")
def refusing() -> Iterator[DeviceSite]:
    """A site for many tests in which no token comes to be."""
    with tempfile.TemporaryDirectory(prefix="pnb-test-") as folder, device_site(Path(folder)) as running:
        yield running


def make(site: DeviceSite, name: str = "my editor", *scopes: str, user: str = "alice", **fields: str) -> Answer:
    """Send the form as a browser does."""
    sent = [("action", "make"), ("name", name), *(("scope", scope) for scope in scopes or ("sync",))]
    return site.page("POST", TOKENS, [*sent, *({"paths": "", "days": "90"} | fields).items()], user=user)


def send(site: DeviceSite, action: str, user: str = "alice", **fields: str) -> Answer:
    return site.page("POST", TOKENS, {"action": action, **fields}, user=user)


def show(site: DeviceSite, user: str = "alice") -> str:
    answer = site.page("GET", TOKENS, user=user)
    assert answer.status == 200
    return answer.text


def secret_in(answer: Answer) -> str:
    assert answer.status == 200, mistakes_in(answer)
    (found,) = SECRET.findall(answer.text)
    return str(found)


def mistakes_in(answer: Answer) -> list[str]:
    return [unescape(sentence) for sentence in re.findall(r'<li><a href="#pnb-\w+">(.*?)</a></li>', answer.text)]


def words(page: str) -> str:
    """Return what a person reads on a page."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", page)).split())


def names_in(page: str) -> list[str]:
    return [unescape(name) for name in re.findall('<th scope="row">(.*?)</th>', page)]


def test_the_form_offers_every_scope_and_the_usual_lifetime(site):
    page = show(site)
    assert re.findall('name="scope" value="([a-z]+)"', page) == ["sync", "run", "console", "shell"]
    assert "checked" not in page
    assert 'name="days" value="90"' in page
    assert "365 days at most, empty for 90 days" in page
    assert "You have no tokens." in page


def test_a_token_that_is_made_works_and_is_shown_with_how_to_use_it(site):
    answer = make(site, " my editor ", "sync", "run", paths="reports/*.ipynb\r\n daily.ipynb,daily.ipynb", days="7")
    info = site.tokens.check(secret_in(answer), "192.0.2.1")
    assert (info.user, info.name) == ("alice", "my editor")
    assert info.grants == (Grant(Scope.SYNC), Grant(Scope.RUN, ("reports/*.ipynb", "daily.ipynb")))
    assert info.expires - info.created == 7 * DAY
    assert re.search(r'<input id="pnb-secret" value="pnb_[^"]+" readonly', answer.text)
    assert "Authorization: Bearer …" in answer.text
    assert f"{site.url}/notebook/alice/" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Location" not in answer.headers


def test_a_token_is_in_one_answer_only(site):
    secret = secret_in(make(site))
    (info,) = site.tokens.list("alice")
    answers = [
        site.page("GET", TOKENS),
        make(site),
        make(site, ""),
        send(site, "revoke_all"),
        send(site, "revoke", id="unknown"),
        send(site, "revoke", id=info.id),
    ]
    assert [answer.status for answer in answers] == [200, 400, 400, 200, 404, 200]
    for answer in answers:
        assert not SECRET.search(answer.text + str(answer.headers))
        assert secret not in answer.text


def test_no_secret_is_ever_logged(site, caplog):
    caplog.set_level("DEBUG")
    secret = secret_in(make(site))
    assert "was made" in caplog.text
    assert secret not in caplog.text


def test_an_empty_lifetime_is_the_usual_one(folder):
    with device_site(folder / "notebooks", token_lifetime=5400, token_max_lifetime=7200) as site:
        page = show(site)
        assert 'name="days" value=""' in page
        assert "2 hours at most, empty for 1 hour" in page
        info = site.tokens.check(secret_in(make(site, days=" ")), "192.0.2.1")
        assert info.expires - info.created == 5400
        assert mistakes_in(make(site, "another", days="1")) == [
            "Days that the token is valid for: write nothing for 2 hours, not '1'."
        ]


def test_the_usual_lifetime_is_never_longer_than_the_longest(folder):
    with device_site(folder / "notebooks", token_max_lifetime=2 * DAY) as site:
        assert 'name="days" value="2"' in show(site)
        info = site.tokens.check(secret_in(make(site, days="")), "192.0.2.1")
        assert info.expires - info.created == 2 * DAY


@pytest.mark.parametrize("days", ["366", "0", "-1", "1.5", "1,5", "1e2", "ninety", "٣", "9" * 5000, "nan"])
def test_days_that_are_none_are_refused_in_words(refusing, days):
    answer = make(refusing, days=days)
    assert answer.status == 400
    (mistake,) = mistakes_in(answer)
    assert mistake.startswith("Days that the token is valid for: write a whole number from 1 to 365, not '")
    assert f'name="days" value="{days}"' in answer.text
    assert refusing.tokens.list("alice") == ()


@pytest.mark.parametrize(
    ("scopes", "paths", "mistake"),
    [
        (["run"], "../x.ipynb", "The pattern '../x.ipynb' cannot be used."),
        (["run"], "/x.ipynb", "The pattern '/x.ipynb' cannot be used."),
        (["run"], "a\tb", "The pattern 'a\\tb' cannot be used."),
        (["run"], "x" * 251, "more than 250 characters"),
        (["run"], ",".join(map(str, range(21))), "20 patterns at most"),
        (["run"], " , \r\n", "Name a notebook"),
        (["sync"], "x.ipynb", "Tick run"),
        (["run", "shell"], "x.ipynb", "Untick shell"),
        (["root"], "", "One of the scopes does not exist."),
        (["sync", "run:x"], "", "One of the scopes does not exist."),
    ],
)
def test_scopes_that_cannot_be_given_are_refused_in_words(refusing, scopes, paths, mistake):
    answer = make(refusing, "my editor", *scopes, paths=paths)
    assert answer.status == 400
    assert mistake in mistakes_in(answer)[0]
    assert refusing.tokens.list("alice") == ()


def test_a_scope_that_is_sent_often_counts_once(site):
    make(site, "my editor", *["sync"] * 30)
    assert site.tokens.list("alice")[0].grants == (Grant(Scope.SYNC),)


def test_all_mistakes_are_told_at_once_and_what_was_typed_stays(refusing):
    fields = {"action": "make", "name": "x" * 101, "paths": "../a, b.ipynb,/c", "days": "half"}
    answer = refusing.page("POST", TOKENS, [*fields.items(), ("scope", "run"), ("scope", "root")])
    assert answer.status == 400
    assert [mistake[:24] for mistake in mistakes_in(answer)] == [
        "Give the token a name of",
        "One of the scopes does n",
        "The pattern '../a' canno",
        "The pattern '/c' cannot ",
        "Days that the token is v",
    ]
    assert f'name="name" value="{"x" * 101}"' in answer.text
    assert re.findall('value="([a-z]+)" id="[a-z-]+" checked', answer.text) == ["run"]
    assert ">\n../a, b.ipynb,/c</textarea>" in answer.text
    assert 'name="days" value="half"' in answer.text
    for field in ("name", "scopes", "paths", "days"):
        assert f'aria-invalid="true" aria-describedby="pnb-mistakes-{field}"' in answer.text
        assert f'id="pnb-mistakes-{field}"' in answer.text
        assert f'id="pnb-{field}"' in answer.text
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\tb", "a\x1bb", "a\u2028b", "a\x00b"])
def test_a_name_that_is_none_is_refused_in_words(refusing, name):
    (mistake,) = mistakes_in(make(refusing, name))
    assert mistake == "Give the token a name of 1 to 100 characters that says what it is for."


def test_a_form_that_is_sent_again_makes_no_second_token(site):
    secret = secret_in(make(site, "laptop"))
    again = make(site, "laptop ")
    assert again.status == 400
    (mistake,) = mistakes_in(again)
    assert "a token “laptop” already" in mistake
    assert len(site.tokens.list("alice")) == 1
    assert site.tokens.check(secret, "192.0.2.1")


def test_a_name_is_free_again_when_its_token_is_over(site):
    site.tokens.create("alice", "laptop", [Grant(Scope.SYNC)], 60, now=time.time() - 3600)
    assert secret_in(make(site, "laptop"))
    send(site, "revoke_all", sure="yes")
    assert secret_in(make(site, "laptop"))
    assert secret_in(make(site, "laptop", user="bob"))


def test_the_list_tells_what_is_known_of_each_token(site):
    now = time.time()
    grants = [Grant(Scope.CONSOLE), Grant(Scope.RUN, ("a.ipynb", "b/*"))]
    used, _ = site.tokens.create("alice", "laptop", grants, 10 * DAY, now=now - 2 * DAY - 60)
    site.tokens.create("alice", "phone", [Grant(Scope.SYNC)], 3600, now=now - DAY - 3600)
    site.tokens.touch(used.id, "192.0.2.7", now=now - 7260)
    site.tokens.wait_for_writes()
    make(site, "new")
    page = show(site)
    rows = [words(row) for row in re.findall("<tr data-id.*?</tr>", page, re.DOTALL)]
    assert rows == [
        "new Change your notebooks from an editor and run their code sync just now in 90 days never Revoke",
        "phone Change your notebooks from an editor and run their code sync 1 day ago Expired 1 day ago never Revoke",
        "laptop Attach to your kernels and run any code in them console Call your notebooks as functions, "
        "only a.ipynb, b/* run 2 days ago in 7 days 2 hours ago from 192.0.2.7 Revoke",
    ]
    assert page.count('class="pnb-over"') == 1
    times = re.findall(r'<time datetime="(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00)" title="[^"]+ UTC">', page)
    assert len(times) == 7
    assert page.count('<th scope="col">') == 6
    assert 'aria-label="Revoke laptop"' in page


def test_a_token_that_outlives_the_calendar_is_listed(folder):
    with device_site(folder / "notebooks", token_max_lifetime=10**13) as site:
        site.tokens.create("alice", "for ever", [Grant(Scope.SYNC)], 10**12)
        assert "9999-12-31" in show(site)


def test_a_revoked_token_is_refused_at_once(site):
    secrets = {name: secret_in(make(site, name)) for name in ("laptop", "phone")}
    token_id = site.tokens.check(secrets["laptop"], "192.0.2.1").id
    answer = send(site, "revoke", id=token_id)
    assert (answer.status, names_in(answer.text)) == (200, ["phone"])
    assert 'role="status">The token “laptop” is revoked.' in answer.text
    with pytest.raises(TokenRevoked):
        site.tokens.check(secrets["laptop"], "192.0.2.1")
    assert site.tokens.check(secrets["phone"], "192.0.2.1")


def test_an_expired_token_can_be_taken_off_the_list(site):
    info, _ = site.tokens.create("alice", "laptop", [Grant(Scope.SYNC)], 60, now=time.time() - 3600)
    assert send(site, "revoke", id=info.id).status == 200
    assert "You have no tokens." in show(site)


@pytest.mark.parametrize("token_id", ["unknown", "", "' or 1=1 --", "\x00", HTML])
def test_a_token_that_does_not_exist_cannot_be_revoked(refusing, token_id):
    answer = send(refusing, "revoke", id=token_id)
    assert answer.status == 404
    assert re.search('role="alert"><p class="pnb-message">You have no such token', answer.text)


def test_a_user_neither_sees_nor_revokes_the_tokens_of_others(site):
    secret = secret_in(make(site, "laptop"))
    info = site.tokens.check(secret, "192.0.2.1")
    assert "laptop" not in show(site, user="bob")
    answer = send(site, "revoke", user="bob", id=info.id)
    assert (answer.status, "laptop" in answer.text) == (404, False)
    assert answer.text == send(site, "revoke", user="bob", id="unknown").text
    assert send(site, "revoke_all", user="bob", sure="yes").status == 200
    assert site.tokens.check(secret, "192.0.2.1")


def test_revoking_all_asks_first(site):
    secrets = [secret_in(make(site, name)) for name in ("laptop", "phone")]
    asked = send(site, "revoke_all")
    assert "You have 2 tokens." in asked.text
    assert len(site.tokens.list("alice")) == 2
    fields = dict(re.findall('<input type="hidden" name="([^"]*)" value="([^"]*)">', asked.text))
    answer = site.page("POST", TOKENS, fields)
    assert "Revoked: 2 tokens." in answer.text
    assert "You have no tokens." in answer.text
    for secret in secrets:
        with pytest.raises(TokenRevoked):
            site.tokens.check(secret, "192.0.2.1")


def test_revoking_all_of_none_shows_the_page(site):
    assert "You have no tokens." in send(site, "revoke_all").text
    assert "Revoked: 0 tokens." in send(site, "revoke_all", sure="yes").text


def test_reading_changes_nothing(site):
    make(site)
    (info,) = site.tokens.list("alice")
    for fields in (
        {"action": "make", "name": "another", "scope": "sync"},
        {"action": "revoke", "id": info.id},
        {"action": "revoke_all", "sure": "yes"},
    ):
        for method in ("GET", "HEAD"):
            assert site.page(method, f"{TOKENS}?{urlencode(fields)}").status == 200
    assert site.tokens.list("alice") == (info,)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(refusing, method):
    answer = refusing.page(method, TOKENS, {"action": "revoke_all", "sure": "yes"})
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}, {}]
)
def test_a_foreign_page_changes_nothing(site, headers):
    make(site)
    (info,) = site.tokens.list("alice")
    for fields in (
        {"action": "make", "name": "another", "scope": "sync"},
        {"action": "revoke", "id": info.id},
        {"action": "revoke_all", "sure": "yes"},
    ):
        sent = FORM | {"Cookie": "user=alice", **headers}
        assert ask(site.port, "POST", TOKENS, sent, urlencode(fields).encode()).status == 403
    assert site.tokens.list("alice") == (info,)


def test_a_stranger_signs_in_first(refusing):
    answer = ask(refusing.port, "GET", TOKENS, {"Accept": "text/html"})
    assert (answer.status, answer.location) == (303, "/login?next=%2Fnotebook%2F-%2Ftokens")


def test_who_lacks_the_permission_can_neither_look_nor_make(site):
    assert site.page("GET", TOKENS, user="guest").status == 403
    assert make(site, user="guest").status == 403
    assert site.tokens.list("guest") == ()


def test_a_token_is_no_way_to_this_page(site):
    secret = secret_in(make(site, "my editor", "shell"))
    headers = FORM | {"Authorization": f"Bearer {secret}", "Origin": site.url}
    for cookie in ({}, {"Cookie": "user=alice"}):
        sent = urlencode({"action": "revoke_all", "sure": "yes"}).encode()
        assert ask(site.port, "POST", TOKENS, headers | cookie, sent).status == 403
    assert len(site.tokens.list("alice")) == 1


def test_no_page_can_frame_any_answer_and_nothing_keeps_it(site):
    answers = [
        site.page("GET", TOKENS),
        make(site),
        make(site, ""),
        send(site, "revoke", id="unknown"),
        send(site, "revoke_all"),
        send(site, "nonsense"),
        site.page("PUT", TOKENS, {}),
        ask(site.port, "GET", TOKENS, {"Authorization": "Bearer x", "Cookie": "user=alice"}),
        ask(site.port, "POST", TOKENS, FORM | {"Cookie": "user=alice"}, b""),
    ]
    assert [answer.status for answer in answers] == [200, 200, 400, 404, 200, 400, 405, 403, 403]
    for answer in answers:
        assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_page_has_no_script_or_style_of_its_own(site):
    for page in (show(site), make(site).text, send(site, "revoke_all").text):
        assert re.findall(r"<script[^>]*>([^<]*)</script>", page) in ([], [""])
        assert not re.search(r"<style|\sstyle=|\son\w+=", page)


def test_html_that_is_typed_stays_text(site):
    shown = make(site, HTML, "run", paths=f"</textarea>{HTML}.ipynb")
    assert secret_in(shown)
    pages = (
        shown.text,
        show(site),
        make(site, f'"{HTML}', "run", f"<b>{HTML}", paths=f"/</textarea>{HTML}", days=HTML).text,
        send(site, "revoke", id=site.tokens.list("alice")[0].id).text,
    )
    for page in pages:
        assert "<img" not in page
        assert "</textarea>&lt;" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_without_a_way_to_ask_for_permissions_none_can_be_made_but_all_revoked(folder):
    with device_site(folder / "notebooks", permits=None) as site:
        info, _ = site.tokens.create("alice", "laptop", [Grant(Scope.SYNC)], DAY)
        page = show(site)
        assert "its developer has to call config.set_notebook_permits" in page
        assert (names_in(page), 'name="name"' in page) == (["laptop"], False)
        refused = make(site)
        assert (refused.status, "config.set_notebook_permits" in refused.text) == (403, True)
        assert send(site, "revoke", id=info.id).status == 200
        assert site.tokens.list("alice") == ()


def test_a_database_that_does_not_answer_is_told(site):
    show(site)
    with site.tokens.engine.begin() as connection:
        connection.execute(text("alter table pnb_token rename to elsewhere"))
    for answer in (site.page("GET", TOKENS), make(site), send(site, "revoke_all", sure="yes")):
        assert answer.status == 503
        assert 'role="alert"' in answer.text
        assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense"),
        (FORM["Content-Type"], b"action=%ff&action"),
        ("application/x-www-form-urlencoded; charset=nonsense", b"action=make"),
        ("application/json", b'{"action": "revoke_all", "sure": "yes"}'),
        ("", b"action=revoke_all&sure=yes"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="action"; filename="a"\r\n\r\nmake\r\n--x--\r\n',
        ),
    ],
)
def test_what_is_no_form_is_refused(site, content_type, body):
    make(site)
    headers = {"Content-Type": content_type, "Origin": site.url, "Cookie": "user=alice", "Accept": "text/html"}
    answer = ask(site.port, "POST", TOKENS, headers, body)
    assert (answer.status, 'role="alert"' in answer.text) == (400, True)
    assert len(site.tokens.list("alice")) == 1


def test_a_file_is_no_name(site):
    head = b'--x\r\nContent-Disposition: form-data; name="action"\r\n\r\nmake\r\n'
    file = b'--x\r\nContent-Disposition: form-data; name="name"; filename="a"\r\n\r\nlaptop\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Origin": site.url, "Cookie": "user=alice"}
    answer = ask(site.port, "POST", TOKENS, headers, head + file)
    assert (answer.status, len(mistakes_in(answer))) == (400, 2)


@given(
    st.lists(st.sampled_from(list(Scope)) | st.text(max_size=5), max_size=6),
    st.text(alphabet=st.sampled_from("ab/*.,\r\n ") | st.characters(), max_size=40),
    st.text(max_size=6) | st.integers(-10, 400).map(str),
)
def test_any_wish_is_granted_as_it_was_typed_or_called_a_mistake(scopes, paths, days):
    mistakes: Mistakes = {}
    wishes = Wishes(scopes=tuple(scopes), paths=paths, days=days)
    grants = wishes.grants(mistakes)
    lifetime = wishes.lifetime(Settings(notebook_folder="/x"), mistakes)
    if mistakes:
        return
    assert {grant.scope for grant in grants} == set(scopes) != set()
    assert 1 <= lifetime <= 365 * DAY
    if paths.strip():  # what was meant to be restricted is
        assert not allows(grants, Scope.RUN, "no pattern has this name, for it is long enough to be no example's")
        assert all(grant.paths for grant in grants if grant.scope is Scope.RUN)
