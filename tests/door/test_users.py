"""Users whose names are no good folder names."""

from __future__ import annotations

import pytest

from pyramid_notebook.names import slug

from .sites import HANDSHAKE, HTML, JSON, STREAM, recording_server

# "\uff21" is a wide letter A, which some file systems take for a plain one
NAMES = ["../x", "a/b", "ümlaut", "a b", "A", "a", "x" * 200, "-", ".", "..", "\uff21", "a--b", '"><script>', "a%2fb"]


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_user_is_called_they_reach_their_own_server_and_nobody_elses(site, name):
    base = f"/notebook/{slug(name)}/"
    with recording_server(site.manager, name) as own:
        answer = site.ask("POST", "/shell", HTML, user=name)
        assert (answer.status, answer.location) == (303, f"{base}notebooks/recorded.ipynb")
        own.requests.clear()
        for headers, status in ((HTML, 200), (HANDSHAKE, 101)):
            assert site.ask("GET", f"{base}tree", headers, user=name).status == status
            for other in {*NAMES, "bob"} - {name}:
                assert site.ask("GET", f"{base}tree", headers, user=other).status == 403
        assert own.targets == [f"GET {base}tree"] * 2
    page = site.ask("POST", "/shell", HTML, user=name)
    assert f'src="{base}-/launch.js"' in page.text
    assert site.ask("GET", f"{base}-/launch.js", user=name).status == 200
    assert site.ask("GET", f"{base}tree", HTML, user=name).status == 502


def test_no_two_of_them_share_a_folder_even_where_letter_case_is_ignored(site):
    folders = [site.manager.folder(name).path for name in NAMES]
    assert len({str(folder).lower() for folder in folders}) == len(NAMES)
    assert {folder.parent for folder in folders} == {site.manager.root}


@pytest.mark.parametrize("name", ["../x", "x" * 200])
def test_a_real_server_starts_for_them_and_serves_its_pages(site, name):
    *_, last = site.ask("POST", "/notebook/-/open", STREAM, user=name).lines
    assert last["location"].startswith(f"/notebook/{slug(name)}/notebooks/")
    assert site.ask("GET", last["location"], HTML, user=name).status == 200
    me = site.ask("GET", f"/notebook/{slug(name)}/api/me", JSON, user=name)
    assert f'"username": "{name}"' in me.text
    assert site.ask("POST", "/shutdown", HTML, user=name).status == 303
    assert site.manager.find(name) is None
