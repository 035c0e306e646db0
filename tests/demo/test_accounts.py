from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.paster import get_app
from sqlalchemy import create_engine, text
from webtest import TestApp

from pyramid_notebook.demo.views.accounts import own_address

ATTACKS = [
    "https://evil.example/",
    "https:evil.example",
    "https:///evil.example",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "/\t/evil.example/",
    "/\n/evil.example/",
    " //evil.example/",
    "javascript:alert(1)",
    "evil.example",
    "@evil.example",
    ".evil.example",
    "/path\r\nSet-Cookie: a=b",
    "/\u00e9",
    "",
]


@pytest.mark.parametrize("name", ["user", "user2", "admin", "guest"])
def test_each_user_of_the_demo_can_sign_in(site, sign_in, name):
    answer = sign_in(name)
    assert answer.status_int == 303
    assert answer.location == "http://localhost/"
    assert f"<h1>{name}</h1>" in site.get("/account")


@pytest.mark.parametrize(("name", "password"), [("user", "wrong"), ("user", ""), ("nobody", "password"), ("", "")])
def test_a_wrong_name_or_password_gets_the_form_again(site, sign_in, name, password):
    answer = sign_in(name, password)
    assert answer.status_int == 401
    assert "Name or password is wrong" in answer
    assert site.get("/account").status_int == 302


def test_the_session_cookie_is_http_only_and_same_site(sign_in):
    cookie = sign_in().headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie


def test_signing_in_begins_a_new_session(site, sign_in):
    before = site.get("/login").forms["log-in"]["csrf_token"].value
    sign_in()
    assert site.get("/account").forms["sign-out"]["csrf_token"].value != before


def test_a_stranger_is_sent_to_the_login_form_and_back(site, sign_in):
    answer = site.get("/account?tab=1", status=302)
    target = urlsplit(answer.location)
    assert target.path == "/login"
    assert parse_qs(target.query) == {"next": ["/account?tab=1"]}
    assert sign_in(address=answer.location).location == "http://localhost/account?tab=1"


def test_a_stranger_who_asks_for_a_notebook_is_sent_to_the_login_form(site):
    answer = site.get("/notebook/user/tree", status=302)
    assert parse_qs(urlsplit(answer.location).query) == {"next": ["/notebook/user/tree"]}


@pytest.mark.parametrize("mode", ["cors", "websocket", "no-cors"])
def test_a_script_of_a_stranger_gets_a_plain_refusal(site, mode):
    site.get("/account", headers={"Sec-Fetch-Mode": mode}, status=403)


def test_a_stranger_who_sends_a_form_is_refused(site):
    token = site.get("/login").forms["log-in"]["csrf_token"].value
    answer = site.post("/airports/ORD/shell", {"csrf_token": token}, status=403)
    assert "Sign in first" in answer


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_forged_next_leads_home(sign_in, attack):
    assert sign_in(address=f"/login?next={quote(attack, safe='')}").location == "http://localhost/"


@given(st.text(alphabet=st.sampled_from("/\\.:@?#%&=;\t\r\n ahttps\u00e9\u3000"), max_size=12) | st.text())
def test_an_own_address_never_leaves_the_site(address):
    kept = own_address(address)
    assert kept in ("/", address)
    # What browsers do first (URL Standard, 4.4): drop tabs and newlines, trim controls, read \ as /.
    read = kept.translate({9: None, 10: None, 13: None}).strip("".join(map(chr, range(33)))).replace("\\", "/")
    assert read == kept
    assert read.startswith("/")
    assert not read.startswith("//")


@given(st.lists(st.text(alphabet="abcXYZ019-._~%?=&", min_size=1), max_size=4))
def test_an_address_of_the_site_is_kept(parts):
    address = "/" + "/".join(parts)
    assert own_address(address) == address


def test_signing_out_ends_the_session(site, sign_in):
    sign_in()
    site.get("/").forms["sign-out"].submit(status=303)
    site.get("/account", status=302)


@pytest.mark.parametrize("address", ["/login", "/logout", "/airports/ORD/shell", "/states/AK/shell"])
def test_a_form_without_a_token_is_refused(site, sign_in, address):
    sign_in()
    answer = site.post(address, {"name": "user", "password": "password"}, status=400)
    assert "This form is out of date" in answer


def test_a_deleted_user_is_out_at_once(ini_file, tmp_path):
    url = f"sqlite:///{tmp_path}/demo.sqlite"
    site = TestApp(get_app(ini_file, options={"database": url, "notebook_folder": str(tmp_path)}))
    form = site.get("/login").forms["log-in"]
    form["name"], form["password"] = "user", "password"
    form.submit()
    site.get("/account", status=200)
    with create_engine(url).begin() as connection:
        connection.execute(text("delete from user where name = 'user'"))
    site.get("/account", status=302)


def test_the_account_page_tells_what_the_user_may_do(site, sign_in):
    sign_in("guest")
    guest = site.get("/account").text
    assert "not running" in guest
    sign_in("admin")
    assert site.get("/account").text.count("<dd>yes</dd>") == 2
    assert guest.count("<dd>no</dd>") == 2


def test_a_form_that_is_not_utf_8_is_a_bad_request(site):
    site.get("/?q=%ff", status=400)
    site.get("/%ff", status=400)
