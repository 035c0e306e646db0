"""Every route of the door and every handler of a user server stands in a table, and the door does what that says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.interfaces import IRoutesMapper
from pyramid.paster import get_app
from pyramid.request import Request

from tests.running import DEMO_INI

from .inventory import (
    ACTIONS,
    HANDLERS,
    METHODS,
    OTHER_VIEWS,
    PREFIX,
    PROGRAMS,
    ROUTES,
    Handler,
    Kind,
    Needs,
    Route,
    Who,
    path_of,
)
from .roles import ADMIN, Crowd, crowded_site
from .sites import HANDSHAKE, Answer, ask
from .user_server_handlers import BASE, Found, handlers_of

TABLE = "tests/door/inventory.py"
EVERY = HANDLERS["lab"]
PLAIN_ROUTES = [route for route in ROUTES if route.who not in (Who.BELOW, Who.NOBODY)]
SCOPES = ("sync", "run", "console", "shell")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
Differences = list[str]


def differences(found: Iterable[Any], table: Iterable[Any], what: str) -> Differences:
    """Tell in words how the program and the table differ."""
    there, written = set(found), set(table)
    missing = [f"{what} without an entry: {item}. Decide who may pass there, and add it to {TABLE}."
               for item in sorted(there - written, key=str)]  # fmt: skip
    gone = [f"entry without a {what}: {item}. Remove it from {TABLE}." for item in sorted(written - there, key=str)]
    return [*missing, *gone]


# the door


@dataclass(frozen=True)
class Site:
    """Names and patterns of the routes of a site; its views as route and module."""

    routes: set[tuple[str, str]]
    views: list[tuple[str, str]]
    methods: dict[str, tuple[str, ...] | None]


def site_of(registry: Any) -> Site:
    categories = {name: registry.introspector.get_category(name, []) for name in ("routes", "views")}
    routes, views = ([item["introspectable"] for item in items] for items in categories.values())
    return Site(
        {(route["name"], route["pattern"]) for route in routes},
        [(view["route_name"] or "", view["callable"].__module__) for view in views],
        {route["name"]: route["request_methods"] for route in routes},
    )


def configured(folder: Path, *changes: Callable[[Configurator], Any]) -> Any:
    config = Configurator(settings={"pyramid_notebook.notebook_folder": str(folder / "notebooks")})
    for change in changes:
        change(config)
    config.commit()
    return config.registry


def include(config: Configurator) -> None:
    config.include("pyramid_notebook")


def route_differences(site: Site) -> Differences:
    return differences(site.routes, [(route.name, route.pattern) for route in ROUTES], "route")


def view_differences(views: Iterable[tuple[str, str]]) -> Differences:
    return differences([route or f"a view of {module}" for route, module in views],
                       [*(route.name for route in ROUTES), *OTHER_VIEWS], "view")  # fmt: skip


def test_every_route_of_the_door_has_an_entry_and_every_entry_a_route(folder):
    assert not route_differences(site_of(configured(folder, include)))


def test_every_view_of_the_door_is_the_only_one_of_a_route_with_an_entry(folder):
    bare = site_of(configured(folder)).views
    ours = [view for view in site_of(configured(folder, include)).views if view not in bare]
    assert not view_differences(ours)
    assert len(ours) == len(ROUTES) + len(OTHER_VIEWS)


def test_a_route_takes_the_methods_of_its_entry(folder):
    methods = site_of(configured(folder, include)).methods
    for route in ROUTES:
        restricted = methods[route.name]
        assert restricted is None or set(restricted) == set(route.methods.split()), route


def test_a_route_or_a_view_that_nobody_has_thought_of_is_found(folder):
    def add(config: Configurator) -> None:
        config.add_route("notebook_new", f"{PREFIX}/-/new")
        config.add_view(lambda request: None, route_name="notebook_new")
        config.add_view(lambda request: None, name="anywhere")

    site = site_of(configured(folder, include, add))
    assert [line.partition(":")[0] for line in route_differences(site)] == ["route without an entry"]
    assert f"('notebook_new', '{PREFIX}/-/new')" in route_differences(site)[0]
    found = "".join(view_differences(site.views))
    assert "notebook_new" in found
    assert f"a view of {__name__}" in found


def test_every_address_of_the_door_leads_to_its_own_route(folder):
    mapper = configured(folder, include).getUtility(IRoutesMapper)
    for route in ROUTES:
        address = path_of("tree", "alice") if route.who is Who.BELOW else route.example
        assert mapper(Request.blank(address, method=route.first))["route"].name == route.name


def test_the_demo_site_opens_no_other_way_through_the_door(folder):
    options = {"notebook_folder": str(folder / "notebooks"), "database": f"sqlite:///{folder}/demo.sqlite"}
    site = site_of(get_app(str(DEMO_INI), options=options).registry)
    ours = {route for route in site.routes if route[0].startswith("notebook_") or route[1].startswith(PREFIX)}
    assert not route_differences(Site(ours, [], {}))
    views = [(route, module) for route, module in site.views
             if module.startswith("pyramid_notebook.") and not module.startswith("pyramid_notebook.demo.")]  # fmt: skip
    assert not view_differences(views)


# the user server


def entry_of(found: Found) -> tuple[str, str, Kind | None]:
    kind = Kind.WEBSOCKET if found.is_websocket else Kind.OPEN if found.is_open else None
    return found.pattern.removeprefix(BASE), found.name, kind


@pytest.mark.parametrize("ui", HANDLERS)
def test_every_handler_of_a_user_server_has_an_entry_and_every_entry_a_handler(ui):
    entries = HANDLERS[ui]
    found, answers = handlers_of(ui, [path_of(entry.example, "alice") for entry in entries])
    assert not differences(map(entry_of, found), [(item.pattern, item.name, item.kind) for item in entries], "handler")
    assert answers == {path_of(entry.example, "alice"): entry.name for entry in entries}


def test_a_handler_that_nobody_has_thought_of_is_named():
    new = entry_of(Found(f"{BASE}api/new", "NewHandler", is_websocket=True, is_open=True))
    assert new == ("api/new", "NewHandler", Kind.WEBSOCKET)
    (line,) = differences([new], [], "handler")
    assert line.startswith("handler without an entry: ('api/new', 'NewHandler', ")
    assert line.endswith(f"add it to {TABLE}.")


def test_no_entry_stands_in_the_table_twice():
    for entries in HANDLERS.values():
        assert len({(entry.pattern, entry.name) for entry in entries}) == len(entries)
        assert len({entry.example for entry in entries}) == len(entries)


def test_a_handler_needs_what_the_design_says_of_its_address():
    for entry in HANDLERS["lab"]:
        first, *rest = entry.pattern.split("/")
        needs = PROGRAMS.get(first) or PROGRAMS.get("/".join([first, *rest[:1]]), Needs.SHELL)
        assert entry.needs == (Needs.NOBODY if first in ("-", "") else needs), entry


# who passes


@pytest.fixture(scope="module")
def crowd(notebooks: Path) -> Iterator[Crowd]:
    with crowded_site(notebooks / "inventory") as running:
        yield running


@dataclass(frozen=True)
class Visitor:
    """Somebody, and whose notebooks they want."""

    about: str
    fields: dict[str, str]
    whose: str = "alice"


@dataclass
class Visit:
    """What came of asking for an address with every method, and once for a websocket."""

    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def let_in(self) -> list[str]:
        return [way for way, status in self.statuses.items() if not 400 <= status < 500]


def session(crowd: Crowd, name: str) -> dict[str, str]:
    return {"X-User": name, "Origin": crowd.site.url, "Sec-Fetch-Site": "same-origin"}


def visit(crowd: Crowd, path: str, fields: dict[str, str], methods: Iterable[str] = METHODS) -> Visit:
    answers: dict[str, Answer] = {method: ask(crowd.site.port, method, path, fields) for method in methods}
    answers["websocket"] = ask(crowd.site.port, "GET", path, fields | HANDSHAKE)
    return Visit({way: answer.status for way, answer in answers.items()})


def strangers(crowd: Crowd, needs: Needs) -> list[Visitor]:
    """Return all kinds of people and programs that must not pass."""
    others = " ".join(scope for scope in SCOPES if scope not in (needs, "shell"))
    wrong = crowd.kept_token("alice", " ".join(SCOPES) if needs is Needs.SESSION else others).fields
    return [
        Visitor("nobody", {"Origin": crowd.site.url}),
        Visitor("somebody without the permission, with their own", session(crowd, "guest"), "guest"),
        Visitor("somebody without the permission", session(crowd, "guest")),
        Visitor("another user", session(crowd, "bob")),
        Visitor("a disabled user, with their own", session(crowd, "carol"), "carol"),
        Visitor("a token of another user", crowd.kept_token("bob", "shell").fields),
        Visitor("a token of somebody without the permission", crowd.kept_token("guest", "shell").fields, "guest"),
        Visitor("a token of a disabled user", crowd.kept_token("carol", "shell").fields, "carol"),
        Visitor("a token for something else", wrong),
        Visitor("a token for something else with the session of the owner", session(crowd, "alice") | wrong),
    ]


def name_of(entry: Handler | Route) -> str:
    suffix = " (websocket)" if isinstance(entry, Handler) and entry.kind is Kind.WEBSOCKET else ""
    return f"{entry.pattern}{suffix}"


@pytest.mark.parametrize("entry", EVERY, ids=name_of)
def test_nobody_passes_at_a_user_server_but_whom_the_table_names(crowd, entry):
    crowd.start_over()
    visits = {visitor.about: visit(crowd, path_of(entry.example, visitor.whose), visitor.fields)
              for visitor in strangers(crowd, entry.needs)}  # fmt: skip
    assert {about: made.let_in for about, made in visits.items() if made.let_in} == {}
    assert crowd.reached == {}


@pytest.mark.parametrize("entry", [entry for entry in EVERY if entry.needs is not Needs.NOBODY], ids=name_of)
def test_the_owner_and_a_token_for_it_pass_with_every_method(crowd, entry):
    path = path_of(entry.example, "alice")
    taken = [action.method for action in ACTIONS if action.below == entry.example]
    methods = [method for method in METHODS if method not in taken]
    programs = [] if entry.needs is Needs.SESSION else [crowd.kept_token("alice", entry.needs).fields]
    for fields in (session(crowd, "alice"), *programs):
        crowd.start_over()
        assert visit(crowd, path, fields, methods).statuses == {**dict.fromkeys(methods, 200), "websocket": 101}
        assert crowd.reached == {"alice": [*(f"{method} {path}" for method in methods), f"GET {path}"]}


@pytest.mark.parametrize("entry", [entry for entry in EVERY if entry.needs is Needs.NOBODY], ids=name_of)
def test_what_is_for_the_door_alone_nobody_reaches(crowd, entry):
    crowd.start_over()
    for fields in (session(crowd, "alice"), crowd.kept_token("alice", "shell").fields):
        statuses = visit(crowd, path_of(entry.example, "alice"), fields).statuses
        assert statuses == dict.fromkeys([*METHODS, "websocket"], 404)
    assert crowd.reached == {}


@pytest.mark.parametrize("entry", [entry for entry in EVERY if entry.kind is Kind.OPEN], ids=name_of)
def test_what_jupyter_leaves_open_to_everybody_is_behind_the_door_all_the_same(crowd, entry):
    crowd.start_over()
    for fields in ({}, {"Origin": crowd.site.url}, {"Authorization": "token "}, {"X-User": "guest"}):
        assert visit(crowd, path_of(entry.example, "alice"), fields).let_in == []
    assert crowd.reached == {}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: f"{action.method} {action.below}")
def test_what_the_door_answers_itself_it_answers_to_those_who_may_pass(crowd, action):
    path = path_of(action.below, "alice")
    for visitor in strangers(crowd, action.needs):
        crowd.start_over()
        answer = ask(crowd.site.port, action.method, path_of(action.below, visitor.whose), visitor.fields)
        assert 400 <= answer.status < 500, visitor.about
        assert crowd.reached == {}
    assert crowd.site.manager.find("alice")
    for fields in (session(crowd, "alice"), crowd.kept_token("alice", action.needs).fields):
        crowd.start_over()
        answer = ask(crowd.site.port, action.method, path, fields)
        # a restart ends the server, and no other can be started on this site
        assert answer.status == (503 if action.below == "-/restart" else 200)
        assert crowd.passed_on == {}


@pytest.mark.parametrize("route", [route for route in PLAIN_ROUTES if route.who is not Who.ANYBODY], ids=name_of)
def test_nobody_passes_at_a_route_but_whom_the_table_names(crowd, route):
    crowd.start_over()
    nobody, guest, disabled = {}, session(crowd, "guest"), session(crowd, "carol")
    program = crowd.kept_token("alice", " ".join(SCOPES)).fields
    visitors = [{"Origin": crowd.site.url}, nobody, guest, disabled]
    if route.who is Who.USER:
        visitors += [program, program | session(crowd, "alice")]
    elif route.who is Who.ADMIN:
        visitors += [program, session(crowd, "alice"), program | session(crowd, ADMIN)]
    else:
        visitors += [session(crowd, "alice"), {"Authorization": "Bearer "}, {"Authorization": f"Bearer pnb_{'a' * 43}"}]
    for fields in visitors:
        assert visit(crowd, route.example, fields).let_in == []
    assert crowd.reached == {}
    assert crowd.site.manager.find("alice")


@pytest.mark.parametrize("route", PLAIN_ROUTES, ids=name_of)
def test_whom_the_table_names_passes_at_a_route_with_its_methods_and_no_others(crowd, route):
    for method in METHODS:
        crowd.start_over()
        token = crowd.token("guest", ["sync"])
        by_who = {
            Who.ANYBODY: {},
            Who.USER: session(crowd, "alice"),
            Who.ADMIN: session(crowd, ADMIN),
            Who.TOKEN: token.fields,
        }
        first = method == route.first
        form = route.form.encode() if first else b""
        fields = by_who[route.who] | (FORM if form else {})
        answer = ask(crowd.site.port, method, route.example, fields, form or None)
        if first:
            assert answer.status == route.status, answer.text
        elif not route.takes(method):
            assert answer.status in (403, 404, 405), method
        else:
            assert answer.status in (200, 400), method
        assert crowd.passed_on == {}


def test_the_holder_of_a_token_can_revoke_that_one_only(crowd):
    first, second = crowd.token("guest", ["sync"]), crowd.token("guest", ["sync"])
    assert ask(crowd.site.port, "POST", f"{PREFIX}/-/tokens/revoke", first.fields).status == 200
    assert [info.id for info in crowd.site.tokens.list("guest") if info.id in (first.id, second.id)] == [second.id]
