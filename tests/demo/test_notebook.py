from __future__ import annotations

import html
import subprocess
import sys

import mistune
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.scripting import prepare

from pyramid_notebook import startup
from pyramid_notebook.demo import notebook
from pyramid_notebook.demo.models import Airport, State
from pyramid_notebook.demo.views import shells

HOSTILE = 'O\'Hare """ {0} {config_uri} `x` **b** [a](javascript:1) <img src=x onerror=1> $1$ # \n\n# \\'


@pytest.fixture
def request_of_the_site(application):
    with prepare(registry=application.registry) as environment:
        yield environment["request"]


@pytest.fixture
def launched(monkeypatch):
    """The notebook contexts that the site launches."""
    contexts = []

    def launch(request, username, notebook_context):
        contexts.append((username, notebook_context))
        return request.response

    monkeypatch.setattr(shells, "launch_notebook", launch)
    return contexts


def test_the_button_of_an_airport_opens_a_shell_that_knows_it(site, sign_in, launched):
    sign_in()
    site.get("/airports/ORD").forms["open-airport-shell"].submit()
    [(name, context)] = launched
    assert name == "user"
    assert context["title"] == "Chicago O'Hare International (ORD)"
    assert "airport = session.get(Airport, 'ORD')" in context["startup"]
    assert "<strong>airport</strong> - Chicago O'Hare International" in mistune.html(context["greeting"])


def test_the_button_of_a_state_opens_a_shell_that_knows_it(site, sign_in, launched):
    sign_in("admin")
    site.get("/states/WA").forms["open-state-shell"].submit()
    [(name, context)] = launched
    assert (name, context["title"]) == ("admin", "Washington")
    assert "state = session.get(State, 'WA')" in context["startup"]
    assert "* **state** - Washington" in context["greeting"]


@pytest.mark.parametrize("address", ["/", "/airports/ORD", "/states/WA"])
def test_only_those_with_the_permission_see_a_button(site, sign_in, address):
    assert "Open shell" not in site.get(address)
    sign_in("guest")
    assert "Open shell" not in site.get(address)
    sign_in("user")
    assert "Open shell" in site.get(address)


@pytest.mark.parametrize("address", ["/airports/ORD/shell", "/states/WA/shell", "/notebook/-/open", "/notebook/-/stop"])
def test_a_user_without_the_permission_is_refused_in_the_look_of_the_site(site, sign_in, address, launched):
    sign_in("guest")
    token = site.get("/").forms["sign-out"]["csrf_token"].value
    page = site.post(address, {"csrf_token": token}, status=403)
    assert "Not allowed" in page
    assert "site.css" in page
    assert launched == []


def test_an_airport_that_does_not_exist_opens_no_shell(site, sign_in, launched):
    sign_in()
    token = site.get("/").forms["sign-out"]["csrf_token"].value
    site.post("/airports/XXXX/shell", {"csrf_token": token}, status=404)
    assert launched == []


def test_the_page_of_a_launch_has_the_look_of_the_site(site, sign_in):
    sign_in()
    page = site.get("/").forms["open-shell"].submit(status=200)
    assert "site.css" in page
    assert "pnb-page" in page


def test_a_notebook_that_runs_is_shown_and_can_be_shut_down(site, sign_in, application):
    sign_in("user2")
    form = site.get("/airports/ORD").forms["open-airport-shell"]
    assert "shut-down" not in form.response.forms
    with prepare(registry=application.registry) as environment:
        try:
            answer = site.post(form.action, form.submit_fields(), headers={"Accept": "application/json"})
            assert answer.json["location"].startswith("/notebook/user2/")
            page = site.get("/account")
            assert ">running<" in page
            assert page.forms["shut-down"].submit().location == "http://localhost/"
            assert ">not running<" in site.get("/account")
        finally:
            environment["request"].notebooks.stop("user2")


def test_what_is_in_the_data_never_becomes_code(request_of_the_site):
    airport = Airport(iata="ORD", name=HOSTILE, city="", country="", latitude=0, longitude=0, state_code="IL")
    state = State(code="IL", name=HOSTILE)
    for context in (
        notebook.airport_context(request_of_the_site, airport),
        notebook.state_context(request_of_the_site, state),
    ):
        assert "onerror" not in context["startup"]
        compile(context["startup"], "startup", "exec")
        rendered = mistune.html(context["greeting"])
        assert "<img" not in rendered
        assert "<a " not in rendered
        assert "<h1" not in rendered
        assert html.escape(" ".join(HOSTILE.split())) in rendered.replace("'", "&#x27;")


@given(st.text(alphabet=st.characters(exclude_categories=["C"])) | st.text(alphabet="<>&;#*_`[]()!\\$~-+.1 a\n:/w@|"))
def test_escaped_text_reads_as_the_text_itself(text):
    escaped = startup.escape_markdown(text)
    rendered = mistune.html(f"* **x** - {escaped}|")
    assert html.unescape(rendered) == f"<ul>\n<li><strong>x</strong> - {' '.join(text.split())}|</li>\n</ul>\n"


def test_the_startup_script_finds_the_database_that_the_site_was_started_with(options, request_of_the_site):
    airport = Airport(iata="ORD", name="", city="", country="", latitude=0, longitude=0, state_code="IL")
    script = notebook.airport_context(request_of_the_site, airport)["startup"] + (
        "print(session.bind.url)\n"
        "print(registry.settings['pyramid_notebook.notebook_folder'])\n"
        "print(airport.name, request.route_path('home'), len(airport.state.airports))\n"
        "print(len(frame(select(Airport).where(Airport.state_code == 'DE'))))\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60)
    assert answer.stdout.splitlines() == [
        options["database"],
        options["notebook_folder"],
        "Chicago O'Hare International / 88",
        "5",
    ], answer.stderr
