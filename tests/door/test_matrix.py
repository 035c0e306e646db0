"""The door against the design: whoever comes, with whatever, for whichever address, in whichever way.

``expected`` says what must happen. It is written from the table of ``inventory.py`` and from the text of the design
about addresses and security, and takes nothing from the product.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, note, settings

from pyramid_notebook.record import TOKEN_HEADER

from .inventory import ACTIONS, PREFIX, PROGRAMS, ROUTES, Needs, Route, Who
from .matrix_cases import PATTERNS, Case, cases, filled
from .roles import PERMITTED, Crowd, crowded_site
from .sites import HANDSHAKE, SECRET, Answer, ask

EXAMPLES = 2000
_READING = ("GET", "HEAD", "OPTIONS")
_ADDRESS = re.compile(rf"{PREFIX}/([a-z]+)/(.*)")
_ACTIONS = [(action.method, action.below) for action in ACTIONS]


class Outcome(StrEnum):
    """What becomes of a request."""

    PASSES = "the user server whose address it is gets it, and answers"
    ANSWERED = "the door answers it itself, as it was asked to"
    REFUSED = "it is refused, and no user server gets it"
    OPEN = "the door answers it, whoever it is from; no user server gets it"


def expected(case: Case) -> Outcome:
    """Return what must become of a request."""
    path = re.split("[?#]", case.target, maxsplit=1)[0]
    address = _ADDRESS.fullmatch(path)
    if address:
        return _at_user_server(case, *address.groups())
    route = next((route for route in ROUTES if route.example == unquote(path)), None)
    return _at_route(case, route) if route else Outcome.REFUSED


def _at_route(case: Case, route: Route) -> Outcome:
    if not route.takes(case.method) or route.who in (Who.ADMIN, Who.NOBODY):
        return Outcome.REFUSED
    if route.who is Who.ANYBODY:
        return Outcome.OPEN
    if case.misplaced:
        return Outcome.REFUSED
    if route.who is Who.TOKEN:
        return Outcome.ANSWERED if case.token and case.token.state == "good" else Outcome.REFUSED
    may = case.token is None and case.person in PERMITTED and _is_from_the_site(case)
    if not may:
        return Outcome.REFUSED
    # what is no proper form is refused in the same way as who may not
    return Outcome.ANSWERED if case.method == route.first else Outcome.OPEN


def _at_user_server(case: Case, whose: str, below: str) -> Outcome:
    segments = [segment for segment in unquote(below).split("/") if segment]
    is_hidden = not _is_text(below) or {".", ".."} & set(segments)
    if is_hidden or not _may(case, whose, below):
        return Outcome.REFUSED
    if (case.method, below) in _ACTIONS:
        return Outcome.ANSWERED
    return Outcome.REFUSED if segments[:1] == ["-"] else Outcome.PASSES


def _may(case: Case, whose: str, below: str) -> bool:
    """Tell whether a request may pass at the address of a user: by its token if it has one, else by its session."""
    if case.misplaced or whose not in PERMITTED:
        return False
    if case.token is None:
        # a session may not call a function because a page that nobody knows made the browser send a GET
        is_known = case.origin == "own" if below.partition("/")[0] == "restified" else True
        return case.person == whose and is_known and _is_from_the_site(case)
    if case.token.state != "good" or case.token.user != whose:
        return False
    first, _, notebook = below.partition("/")
    needs = PROGRAMS.get(first) or PROGRAMS.get("/".join(below.split("/")[:2]), Needs.SHELL)
    if needs is Needs.SESSION:
        return False
    # what stands behind "/-/" are the runs of the notebook before it
    notebook = unquote(re.split(r"(?<=\.ipynb)/-/", notebook, maxsplit=1)[0])
    return any(_grants(grant, needs, notebook) for grant in case.token.grants)


def _grants(grant: str, needs: Needs, notebook: str) -> bool:
    if grant in ("shell", needs):
        return True
    if grant not in PATTERNS or needs is not Needs.RUN or re.search(r"[\\\x00-\x1f\x7f]", notebook):
        return False
    is_plain = not {"", ".", ".."} & set(notebook.split("/"))
    return is_plain and re.fullmatch(PATTERNS[grant], notebook) is not None


def _is_from_the_site(case: Case) -> bool:
    """Tell whether a request with a session is harmless, or says that a page of the site sent it."""
    return case.origin == "own" or (case.method in _READING and not case.is_websocket)


def _is_text(path: str) -> bool:
    try:
        return bool(unquote_to_bytes(path).decode() or True)
    except UnicodeDecodeError:
        return False


# the real thing


@pytest.fixture(scope="module")
def crowd(notebooks: Path) -> Iterator[Crowd]:
    with crowded_site(notebooks / "matrix") as running:
        yield running


def send(crowd: Crowd, case: Case) -> tuple[Answer, str]:
    """Send the request of a case; return the answer, and the token that it came with."""
    origins = {"own": crowd.site.url, "foreign": "https://evil.example"}
    fields = {"Origin": origins[case.origin]} if case.origin in origins else {}
    if case.origin == "own":
        fields["Sec-Fetch-Site"] = "same-origin"
    if case.person:
        fields["X-User"] = case.person
    secret = ""
    if case.token:
        secret = _secret_of(crowd, case)
        fields["Authorization"] = f"Bearer {secret}"
    if case.has_handshake:
        fields |= HANDSHAKE
    target, body = case.target, case.body.encode()
    if case.misplaced:
        wrong = crowd.kept_token("alice", "shell").secret
        target, more, body = filled(case, wrong)
        fields |= more
    if body:
        fields["Content-Type"] = "application/x-www-form-urlencoded"
    return ask(crowd.site.port, case.method, target, fields, body or None), secret


def _secret_of(crowd: Crowd, case: Case) -> str:
    assert case.token
    if case.token.state == "unknown":
        return f"pnb_{'a' * 43}"
    if case.token.state == "malformed":
        return "nonsense"
    return crowd.token(case.token.user, case.token.grants, case.token.state).secret


def check(crowd: Crowd, case: Case, outcome: Outcome, answer: Answer, secret: str) -> None:
    status, reached = answer.status, crowd.reached
    if outcome is Outcome.PASSES:
        user = case.target.split("/")[2]
        assert reached == {user: [f"{case.method} {case.target.partition('#')[0]}"]}
        assert status == (101 if case.is_websocket else 200)
        head = crowd.heads[user][0].decode().lower()
        assert (TOKEN_HEADER.lower() in head) == bool(secret)
        assert f"x-pyramid-notebook-secret: {SECRET}" in head
        assert not secret or secret.lower() not in head
    elif outcome is Outcome.REFUSED:
        assert reached == {}
        assert 400 <= status < 500
    else:
        assert crowd.passed_on == {}
        # a restart ends the server, and no other can be started on this site
        is_restart = outcome is Outcome.ANSWERED and case.target.partition("?")[0].endswith("/-/restart")
        assert status == 503 if is_restart else status < (400 if outcome is Outcome.ANSWERED else 500)


def test_the_door_does_what_the_design_says_of_every_request(crowd):
    seen: Counter[tuple[Outcome, str]] = Counter()

    @settings(max_examples=EXAMPLES, derandomize=False, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
    @given(cases())
    def compare(case: Case) -> None:
        crowd.start_over()
        outcome = expected(case)
        note(f"expected: {outcome}")
        answer, secret = send(crowd, case)
        note(f"answer: {answer.status} {answer.text[:300]!r}, user servers got: {crowd.reached}")
        check(crowd, case, outcome, answer, secret)
        seen[outcome, "token" if case.token else "session" if case.person else "nothing"] += 1

    compare()
    # a comparison in which nobody passes would prove little
    for outcome in (Outcome.PASSES, Outcome.ANSWERED):
        for credential in ("session", "token"):
            assert seen[outcome, credential] >= 5, seen
    assert sum(seen.values()) >= 500
