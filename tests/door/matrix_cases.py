"""Random requests to the door, about as many that may pass as that may not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from hypothesis import strategies as st

from .inventory import ACTIONS, HANDLERS, METHODS, PREFIX, ROUTES, Who, path_of

#: Grants that are restricted to notebooks, and which paths that means.
PATTERNS = {"run:reports/*.ipynb": r"reports/[^/]*\.ipynb", "run:open/**": r"open/.*", "run:a.ipynb": r"a\.ipynb"}
#: Where no token may stand; ``{}`` is the token, ``{tail}`` all of it but its first letter.
PLACES: dict[str, dict[str, str]] = {
    "query": {"query": "?token={}"},
    "query, encoded": {"query": "?x=%70{tail}"},
    "path": {"path": "/{}"},
    "path, encoded": {"path": "/x%2f%70{tail}"},
    "body": {"body": "access_token={}"},
    "body, encoded": {"body": "a=%70{tail}"},
    "cookie": {"Cookie": "a=b; token={}"},
    "field of its own": {"X-Token": "{}"},
    "referer": {"Referer": "http://localhost/?token={}"},
    "subprotocol": {"Sec-WebSocket-Protocol": "bearer, {}"},
    "another scheme": {"Authorization": "token {}"},
    "no scheme": {"Authorization": "{}"},
    "twice in the field": {"Authorization": "Bearer {}, Bearer {}"},
}
#: Pieces from which paths are made that could be misread.
_PIECES = (
    *("-", ".", "..", "/", "//", "%2d", "%2D", "%2e", "%2E%2e", "%2f", "%2F", "%5c", "\\", "%25", "%252e", "%00"),
    *("%ff", "%c3%bc", "%", ";", ":", "@", "?", "#", "?x=/../", "tree", "api", "sync", "rpc", "restified", "channel"),
    *("%73ync", "rp%63", "reports", "open", "a.ipynb", "-/stop", "-/status", "-/page.css", "api/shutdown", "lab"),
    *("../bob/tree", "kernels", "api/kernels", "api/kernelspecs", "api//kernels", "api/kernel%73", "kernelspecs"),
)
#: Addresses that programs may mean, and those that only look like these.
_NOTEBOOKS = (
    *("a.ipynb", "b.ipynb", "%61.ipynb", "reports/a.ipynb", "reports/%61.ipynb", "reports/x/a.ipynb", "open/%c3%bc"),
    *("reports/.ipynb", "reports/%2e%2e/a.ipynb", "reports%2fa.ipynb", "open/", "open/x/y", "open//y", "open/x//y"),
    *("open/%5c", "open/%7f"),
)
_SPELLINGS = ("%73ync", "Sync", "sync;x", "sync%2fx", "sync/x", "%72pc", "rpc/", "%72estified/a.ipynb", "channe%6c/k1")


@dataclass(frozen=True)
class TokenCase:
    """A token in the header field ``Authorization``: whose, what for, and what became of it."""

    user: str
    grants: tuple[str, ...]
    state: str


@dataclass(frozen=True)
class Case:
    """A request.

    Attributes:
        person: who is signed in by the session that it comes with; empty for none.
        token: that it comes with as it should.
        misplaced: one of ``PLACES``, where a good token of alice stands, or empty.
        target: path and query.
        method: of HTTP.
        has_handshake: whether it has all header fields of a handshake.
        origin: ``own``, ``foreign`` or ``missing``.
        body: a form.
    """

    person: str
    token: TokenCase | None
    misplaced: str
    target: str
    method: str
    has_handshake: bool
    origin: str
    body: str = ""

    @property
    def is_websocket(self) -> bool:
        """Whether it asks for a websocket, which only GET does (RFC 6455 section 4.1)."""
        return self.has_handshake and self.method == "GET"


def filled(case: Case, secret: str) -> tuple[str, dict[str, str], bytes]:
    """Return target, more header fields and body of a case with a misplaced token."""

    def fill(text: str) -> str:
        return text.replace("{}", secret).replace("{tail}", secret[1:])

    place = {name: fill(text) for name, text in PLACES[case.misplaced].items()}
    path = re.split("[?#]", case.target, maxsplit=1)[0]
    bare = "query" in place or "path" in place
    target = path.rstrip("/") + place.pop("path", "") + place.pop("query", "") if bare else case.target
    body = place.pop("body", case.body).encode()
    return target, place, body


_NAMES = ("alice", "bob", "guest", "carol")
_scopes = st.sampled_from(["shell", "sync", "run", "console", *PATTERNS])
_grants = st.lists(_scopes, min_size=1, max_size=3, unique=True).map(tuple)
_one_grant = _scopes.map(lambda scope: (scope,))
_restricted = st.sampled_from(list(PATTERNS)).map(lambda pattern: (pattern,))
_states = st.sampled_from(["good"] * 12 + ["expired", "revoked", "unknown", "malformed"])


def _respelled(example: str) -> st.SearchStrategy[str]:
    """Encode a character of an address, or put a piece into it that could be misread."""

    def encoded(place: int) -> str:
        return example[:place] + "".join(f"%{ord(it):02x}" for it in example[place : place + 1]) + example[place + 1 :]

    def widened(place: int, piece: str) -> str:
        return example[:place] + piece + example[place:]

    places = st.integers(0, max(0, len(example) - 1))
    return places.map(encoded) | st.builds(widened, places, st.sampled_from(_PIECES))


_examples = st.sampled_from([entry.example for entry in HANDLERS["lab"] if not entry.example.startswith("/")])
_of_programs = st.sampled_from(["rpc", "sync", "sync/run", *_SPELLINGS])
_of_notebooks = st.sampled_from([f"restified/{notebook}" for notebook in _NOTEBOOKS])
_texts = st.lists(st.sampled_from(_PIECES), max_size=6).map("".join) | st.text("-./%2eEdDfF57c\\;", max_size=12)
_below = st.one_of(
    _examples,
    _of_programs,
    (_examples | _of_programs | _of_notebooks).flatmap(_respelled),
    _texts,
    st.text(max_size=6).map(lambda text: quote(text.replace("\n", ""), errors="replace")),
)
_at_routes = [route for route in ROUTES if route.who is not Who.BELOW]
_elsewhere = st.sampled_from(
    [
        *("/robots.txt", "/notebook", "/notebook/alice", "/notebook/", "/notebook//alice/tree", "/notebook/ALICE/tree"),
        *("/notebook/%61lice/tree", "/notebook/%61lice/-/stop", "/notebook/alice%2ftree", "/%6eotebook/alice/tree"),
        *("/notebook/-/tree", "/notebook/-/", "/notebook/-/device/", "/notebook/-/device/../tokens", "/notebook/-/x"),
    ]
)
_places = st.sampled_from([""] * 90 + list(PLACES))
_methods = st.sampled_from(["GET", "GET", "POST", "POST", *METHODS, "PROPFIND"])


@dataclass(frozen=True)
class _Aim:
    """What a request is for: target, method and form."""

    target: str
    method: str
    form: str = ""


def _aims(whose: str) -> st.SearchStrategy[_Aim]:
    """Return what may be asked about the notebooks of a user."""
    in_order = [
        *(_Aim(path_of(action.below, whose), action.method) for action in ACTIONS),
        *(_Aim(route.example, route.first, route.form) for route in _at_routes),
    ]
    targets = st.one_of(
        *[_below.map(lambda below: f"{PREFIX}/{whose}/{below}")] * 4,
        st.sampled_from([aim.target for aim in in_order]),
        _elsewhere,
    )
    anything = st.builds(_Aim, targets, _methods)
    return st.one_of(anything, anything, anything, st.sampled_from(in_order))


@st.composite
def _of_a_program(draw: st.DrawFn) -> Case:
    """Draw a request of a program, for what only some tokens open."""
    whose = draw(st.sampled_from(["alice", "bob"]))
    is_notebook = draw(st.booleans())
    return Case(
        person="",
        token=TokenCase(whose, draw(_restricted if is_notebook else _one_grant), "good"),
        misplaced="",
        target=f"{PREFIX}/{whose}/{draw(_of_notebooks if is_notebook else _of_programs)}",
        method=draw(_methods),
        has_handshake=draw(st.booleans()),
        origin="missing",
    )


@st.composite
def _of_anybody(draw: st.DrawFn) -> Case:
    """Draw a request of any kind."""
    whose = draw(st.sampled_from(["alice", "alice", "bob", *_NAMES]))
    somebody = st.sampled_from([whose] * 6 + list(_NAMES))
    credential = draw(st.sampled_from(["session", "session", "session", "token", "token", "both", "none"]))
    aim = draw(_aims(whose))
    tokens = st.builds(TokenCase, somebody, _grants, _states)
    return Case(
        person=draw(somebody) if credential in ("session", "both") else "",
        token=draw(tokens) if credential in ("token", "both") else None,
        misplaced=draw(_places),
        target=aim.target,
        method=aim.method,
        has_handshake=draw(st.sampled_from([False, False, True])),
        origin=draw(st.sampled_from(["own", "own", "own", "own", "foreign", "missing"])),
        body=aim.form,
    )


def cases() -> st.SearchStrategy[Case]:
    """Return requests of all kinds."""
    return st.one_of(_of_anybody(), _of_anybody(), _of_a_program())
