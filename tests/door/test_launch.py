"""What a launch answers, to browsers with and without scripts and to programs."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from pyramid_notebook.errors import TooManyServers

from .sites import CLICK, HTML, JSON, STREAM, NumberedPolicy, Policy, ask, hidden_fields, recording_server, small_site

OPEN = "/notebook/-/open"
STAGES = ["starting", "loading", "opening"]
MULTIPART = "multipart/form-data; boundary=-"
FILE = b'---\r\nContent-Disposition: form-data; name="next"; filename="x"\r\n\r\nx\r\n-----\r\n'


@pytest.fixture
def admin(demo, signed_in):
    """Ask the demo site as its administrator, for whom nothing runs before and after the test."""

    def send(method, target, headers, body=None):
        form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        return ask(demo.port, method, target, signed_in("admin") | form | headers, body)

    yield send
    demo.manager.stop("admin")


def test_where_nothing_runs_a_form_gets_a_page_in_the_look_of_the_site(demo, admin):
    answer = admin("POST", OPEN, HTML, b"color=%22%3Cred%3E&csrf_token=1")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "site.css" in answer.text
    assert 'role="progressbar"' in answer.text
    assert [stage for stage in STAGES if f'data-stage="{stage}"' in answer.text] == STAGES
    assert '<form class="pnb-launch" method="post" action="/notebook/-/open">' in answer.text
    assert "<noscript><button" in answer.text
    fields = {"color": "&#34;&lt;red&gt;", "csrf_token": "1", "notebook_launch": "wait"}
    assert hidden_fields(answer.text).items() >= fields.items()
    assert demo.manager.find("admin") is None


@pytest.mark.parametrize(("name", "kind"), [("launch.js", "text/javascript"), ("page.css", "text/css")])
def test_the_files_of_the_page_come_without_a_user_server(admin, name, kind):
    assert f"/notebook/admin/-/{name}" in admin("POST", OPEN, HTML).text
    answer = admin("GET", f"/notebook/admin/-/{name}", {})
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (200, kind)
    assert (answer.headers["Cache-Control"], "pnb-" in answer.text) == ("no-cache, private", True)
    assert admin("POST", f"/notebook/admin/-/{name}", {}).status == 404


def test_the_script_of_the_page_is_told_each_stage_and_then_where_to_go(demo, admin):
    answer = admin("POST", OPEN, STREAM)
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert [line["stage"] for line in answer.lines] == STAGES
    assert answer.lines[-1]["location"].startswith("/notebook/admin/notebooks/default-")
    assert admin("GET", answer.lines[-1]["location"], HTML).status == 200
    again = admin("POST", OPEN, HTML)  # what runs needs no page
    assert (again.status, again.location) == (303, answer.lines[-1]["location"])


def test_a_browser_without_scripts_waits_and_is_redirected(admin):
    answer = admin("POST", OPEN, HTML, b"notebook_launch=wait")
    assert answer.status == 303
    assert admin("GET", answer.location, HTML).status == 200


@pytest.mark.parametrize("headers", [JSON, HTML | {"Sec-Fetch-Mode": "cors"}, {}])
def test_a_program_gets_json(admin, headers):
    answer = admin("POST", OPEN, headers)
    assert answer.status == 200, answer.text
    assert '"location":"/notebook/admin/notebooks/default-' in answer.text


def test_a_launch_by_get_keeps_its_query(site):
    answer = site.ask("GET", "/shell?color=red&notebook_launch=no", CLICK, user="new")
    assert '<form class="pnb-launch" method="get" action="/shell?color=red&amp;notebook_launch=no">' in answer.text
    assert hidden_fields(answer.text) == {"color": "red", "notebook_launch": "wait"}


def test_a_file_in_the_place_of_a_text_does_no_harm(site, alices):
    answer = site.ask("POST", "/notebook/alice/-/start", {"Content-Type": MULTIPART} | HTML, user="alice", body=FILE)
    assert (answer.status, answer.location) == (303, "/notebook/alice/notebooks/recorded.ipynb")
    page = site.ask("POST", "/shell", {"Content-Type": MULTIPART} | HTML, user="new", body=FILE)
    assert hidden_fields(page.text) == {"notebook_launch": "wait"}


def test_a_site_may_know_its_users_by_numbers(notebooks):
    with small_site(notebooks, NumberedPolicy("shell")) as numbered:
        page = numbered.ask("POST", "/shell", HTML, user="carol")
        assert "/notebook/carol/-/launch.js" in page.text
        assert numbered.ask("GET", "/notebook/7/tree", HTML, user="carol").status == 502
        assert "/notebook/7/-/launch.js" in numbered.ask("POST", OPEN, HTML, user="carol").text


def script(folder: Path, text: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


BROKEN = f"exec {sys.executable} -c \"import sys; sys.exit('no disk left')\""


@pytest.mark.parametrize(
    ("text", "reason"), [(None, "/no/such/python"), (BROKEN, "no disk left"), ("exit 3", "exit code 3")]
)
def test_a_failed_start_tells_its_reason_in_each_form_and_offers_another_try(notebooks, tmp_path, text, reason):
    python = script(tmp_path, text) if text else "/no/such/python"
    with small_site(notebooks, Policy("shell"), python=python) as broken:
        page = broken.ask("POST", "/shell?x=1", HTML, user="dora", body=b"color=red&notebook_launch=wait")
        assert page.status == 503
        assert reason in page.text
        assert '<form method="post" action="/shell?x=1">' in page.text
        assert hidden_fields(page.text) == {"color": "red"}
        assert "Try again" in page.text
        *_, last = broken.ask("POST", "/shell", STREAM, user="dora").lines
        assert (last["stage"], reason in last["message"]) == ("failed", True)
        answer = broken.ask("POST", "/shell", JSON, user="dora")
        assert (answer.status, reason in answer.text, '"error":"launch"' in answer.text) == (503, True, True)
        for shown in (page.text, answer.text, str(last)):
            assert "Traceback" not in shown


def test_a_failed_start_shows_the_end_of_the_log_to_its_owner(notebooks, tmp_path):
    # pid file and folder of the daemon are the fourth and fifth argument
    logging = script(tmp_path, 'echo "the <last> words" > "$5/notebook.stderr.log"; exit 1')
    with small_site(notebooks, Policy("shell"), python=logging) as broken:
        page = broken.ask("POST", "/shell", HTML, user="emil", body=b"notebook_launch=wait")
        assert '<pre class="pnb-log">the &lt;last&gt; words' in page.text
        *_, last = broken.ask("POST", "/shell", STREAM, user="emil").lines
        assert last["log"].strip() == "the <last> words"
        other = broken.ask("GET", "/notebook/emil/tree", HTML, user="dora")
        assert (other.status, "last" in other.text) == (403, False)


def test_a_start_that_takes_too_long_is_given_up(notebooks, tmp_path):
    slow = script(tmp_path, "exec sleep 61")
    with small_site(notebooks, Policy("shell"), python=slow, start_timeout=1) as waiting:
        page = waiting.ask("POST", "/shell", HTML, user="fritz", body=b"notebook_launch=wait")
        assert (page.status, "did not answer within 1 seconds" in page.text) == (504, True)
        assert "Try again" in page.text
    assert not [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", "61"]]


def test_a_folder_that_cannot_be_made_is_told_in_each_form(site):
    folder = site.manager.folder("gina").path
    folder.write_text("a file in its place")
    page = site.ask("POST", "/shell", HTML, user="gina", body=b"notebook_launch=wait")
    assert (page.status, "is not a folder" in page.text, "Try again" in page.text) == (500, True, True)
    *_, last = site.ask("POST", "/shell", STREAM, user="gina").lines
    assert (last["stage"], "is not a folder" in last["message"]) == ("failed", True)
    folder.unlink()


def test_an_unforeseen_failure_is_logged_and_tells_nothing_but_that(site, caplog, monkeypatch):
    monkeypatch.setattr("pyramid_notebook.manager.ProcessSpawner.start", lambda *_given, **_more: 1 / 0)
    *_, last = site.ask("POST", "/shell", STREAM, user="kurt").lines
    assert last == {"stage": "failed", "message": "Your notebook could not be opened: the site's log says why."}
    assert "A launch failed" in caplog.text


def test_where_all_places_are_taken_a_page_says_so_and_when_to_come_back(tmp_path):
    with small_site(tmp_path, Policy("shell"), max_servers=1) as full, recording_server(full.manager, "alice"):
        for headers, sign in ((HTML, "All 1 notebook places are taken"), (JSON, '"error":"full"')):
            answer = full.ask("POST", "/shell", headers, user="bob")
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) == TooManyServers(1).retry_after
            assert sign in answer.text
        assert "Try again" in full.ask("POST", "/shell", HTML, user="bob").text
        *_, last = full.ask("POST", "/shell", STREAM, user="bob").lines
        assert "All 1 notebook places are taken" in last["message"]
        assert full.ask("POST", "/shell", HTML, user="alice").status == 303


def test_a_notebook_context_that_cannot_be_used_is_named(notebooks, monkeypatch):
    with small_site(notebooks, Policy("shell")) as site:
        monkeypatch.setattr("tests.door.sites.TITLE", 7)
        page = site.ask("POST", "/shell", HTML, user="hans")
    assert (page.status, "'title' must be a text" in page.text.replace("&#39;", "'")) == (500, True)
    assert "<form" not in page.text
