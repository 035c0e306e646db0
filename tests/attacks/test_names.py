"""Row 17: users whose names are paths, patterns, options, or look like the names of others."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyramid_notebook.errors import TokenNotMade
from pyramid_notebook.names import slug
from tests.door.sites import JSON, recording_server

from .attackers import is_passed, is_refused, pairs, send, session_of
from .rows import both_ways

NAMES = [
    *("../x", "../../etc", "a/b", "/root", ".", "..", "...", "~root", "~", "-", "--", "-rf", "--help"),
    *("*", "$HOME", "`id`"),
    *("%2e%2e", "a%00b", "a%2fb", "%", "a\\b", "C:\\x", "con", "nul", "x" * 300, "\u79c0\u6a39", "\U0001f600"),
    *(unicodedata.normalize("NFC", "\u00e9ve"), unicodedata.normalize("NFD", "\u00e9ve"), "\u0435ve", "eve"),
    *("Admin", "admin", "ADMIN", "\uff41dmin", "admin.", "admin ", " admin", "admin\t", "admin\u200b", "\u202enimda"),
    *("has@", "user@example.com", "user--server", "-server", "user-", "user", "root"),
    *("None", "null", "true", "0", "00"),
    *("a;b", "a&b", "a=b", "a?b", "a#b", "a'b", 'a"b', "a<b>", "{user}", "{0}"),
    *("a,b", "a:b", "a|b", "\x1b[31m", "a\nb", "\r\n"),
]
#: Names that a careless site could take for one.
LOOK_ALIKES = [
    *({"Admin", "admin", "ADMIN", "\uff41dmin", "admin.", "admin ", " admin", "admin\t", "admin\u200b"},),
    *({unicodedata.normalize(form, "\u00e9ve") for form in ("NFC", "NFD")} | {"\u0435ve", "eve"},),
    *({"user--server", "user-", "-server", "user", "user-server", "user--", "user---server"},),
    *({slug("A b"), "A b", "a-b", "a b"},),
    *({"x" * 300, "x" * 301, "x" * 299, slug("x" * 300)},),
]
KINDS = ("session", "token")
SAFE = re.compile("[a-z0-9][a-z0-9._-]{0,47}")


def credentials(site, name: str, kind: str) -> list[tuple[str, str]]:
    """Return what a user or a program of theirs sends."""
    fields = session_of(site, name) if kind == "session" else site.token(name).fields
    return [*pairs(fields), *pairs(JSON)]


@pytest.mark.row(17)
@both_ways
def test_whatever_a_user_is_called_they_reach_their_own_server_and_their_neighbours_do_not(site, way):
    fields = {(name, kind): credentials(site, name, kind) for name in (*NAMES, "mallory") for kind in KINDS}
    for number, name in enumerate(NAMES):
        target = f"/notebook/{slug(name)}/sync"
        with recording_server(site.manager, name) as own:
            for kind in KINDS:
                assert is_passed(send(site.port, way, target, fields[name, kind]), way), name
                for other in (NAMES[number - 1], NAMES[number - 7], "mallory"):
                    assert send(site.port, way, target, fields[other, kind]).status == 403, (name, other)
            assert len(own.requests) == len(KINDS)


@pytest.mark.row(17)
@both_ways
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", LOOK_ALIKES, ids=lambda names: ascii(min(names))[:12])
def test_no_name_passes_for_another_that_looks_like_it(site, names, way, kind):
    fields = {name: credentials(site, name, kind) for name in names}
    for name in sorted(names):
        with recording_server(site.manager, name) as own:
            for other in sorted(names):
                passed = is_passed(send(site.port, way, f"/notebook/{slug(name)}/sync", fields[other]), way)
                assert passed == (name == other), (name, other)
            assert len(own.requests) == 1


@pytest.mark.row(17)
@both_ways
def test_a_name_that_is_spelled_out_in_an_address_opens_nobodys_server(site, alices, way):
    for name in NAMES:
        for spelled in {quote(name, safe=""), quote(name), quote(quote(name, safe=""), safe="")} - {slug(name)}:
            for user in ("alice", name):
                target = f"/notebook/{spelled}/sync"
                assert is_refused(send(site.port, way, target, credentials(site, user, "session"))), (spelled, user)
    assert alices.requests == []


@pytest.mark.row(17, "http", "websocket")
def test_no_two_names_share_a_segment_and_all_segments_are_harmless_in_files_and_addresses(site):
    every = {*NAMES}.union(*LOOK_ALIKES)
    assert len({slug(name).casefold() for name in every}) == len(every)
    for name in every:
        assert SAFE.fullmatch(slug(name))
        assert quote(slug(name), safe="") == slug(name)
        assert site.manager.folder(name).path.parent == site.manager.root


@pytest.mark.row(17)
@both_ways
@pytest.mark.parametrize("name", ["", "\0", "a\0b", "alice\0", "\0alice"], ids=ascii)
def test_a_user_with_no_name_or_a_nul_has_no_token_and_is_not_who_comes_before_the_nul(site, alices, name, way):
    with pytest.raises(TokenNotMade):
        site.token(name)
    answer = send(site.port, way, "/notebook/alice/sync", session_of(site, name))
    assert answer.status in (401, 403)
    assert alices.requests == []


@pytest.mark.row(17)
@both_ways
@given(name=st.text(min_size=1, max_size=60), other=st.text(min_size=1, max_size=60))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_two_users_with_any_names_never_meet(site, way, name, other):
    encodable = all(ord(character) and not 0xD800 <= ord(character) < 0xE000 for character in name + other)
    if name == other or not encodable:
        return
    assert slug(name) != slug(other)
    for kind in ("session", "token"):
        fields = credentials(site, other, kind)
        assert send(site.port, way, f"/notebook/{slug(name)}/sync", fields).status == 403
        assert send(site.port, way, f"/notebook/{slug(other)}/-/launch.js", fields).status in (200, 404)
