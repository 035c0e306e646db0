"""What the door has decided a moment ago, and that nobody else profits by it."""

from __future__ import annotations

from typing import Any

import pytest

from pyramid_notebook.proxy.decisions import MOST_SECONDS, Decisions, asked_of_environ, asked_of_scope, forget_decisions
from pyramid_notebook.tokens.secret import PREFIX

from .upstreams import BASE


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def scope(path: str = f"{BASE}api/contents", method: str = "GET", query: str = "", **fields: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): text for name, text in fields.items()}
    headers = {"host": "site", "cookie": "auth=alice", **named}
    return {
        "method": method,
        "scheme": "http",
        "client": ("127.0.0.1", 5000),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
    }


class Kept:
    """Decisions of which one is kept: that alice may read her contents."""

    def __init__(self, seconds: float = 2.0) -> None:
        self.clock = Clock()
        self.decisions: Decisions[str] = Decisions(self.clock)
        self.seconds = seconds
        self.keep(scope())

    def keep(self, asked: dict[str, Any], generation: int | None = None) -> None:
        decided = self.decisions.generation if generation is None else generation
        self.decisions.keep(asked_of_scope(asked), BASE, "yes", seconds=self.seconds, generation=decided)

    def finds(self, asked: dict[str, Any]) -> bool:
        return self.decisions.find(asked_of_scope(asked)) is not None


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_a_decision_holds_for_another_address_of_the_same_kind(kept: Kept) -> None:
    assert kept.finds(scope(f"{BASE}static/notebook/main.js", query="v=1", accept="text/javascript"))


def test_a_decision_holds_for_two_seconds_at_most(kept: Kept) -> None:
    kept.clock.now += MOST_SECONDS - 0.01
    assert kept.finds(scope())
    kept.clock.now += 0.02
    assert not kept.finds(scope())


def test_a_site_can_do_without_decisions_that_are_kept() -> None:
    assert not Kept(0).finds(scope())


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_what_may_change_something_is_put_to_the_site_each_time(kept: Kept, method: str) -> None:
    assert not kept.finds(scope(method=method))


@pytest.mark.parametrize(
    "fields",
    [
        {"cookie": "auth=bob"},
        {"cookie": "auth=alice; more=1"},
        {"authorization": "Bearer x"},
        {"x_forwarded_user": "root"},
        {"host": "other"},
        {"origin": "http://evil.example"},
        {"upgrade": "websocket"},
        {"content_length": "1"},
        {"transfer_encoding": "chunked"},
        {"referer": f"http://site/?t={PREFIX}x"},
    ],
)
def test_other_credentials_are_another_question(kept: Kept, fields: dict[str, str]) -> None:
    assert not kept.finds(scope(**fields))


def test_another_client_is_another_question(kept: Kept) -> None:
    assert not kept.finds({**scope(), "client": ("127.0.0.2", 5000)})


def test_a_client_over_a_unix_socket_has_no_address(kept: Kept) -> None:
    nameless = {**scope(), "client": None}
    assert not kept.finds(nameless)
    kept.keep(nameless)
    assert kept.finds(nameless)


@pytest.mark.parametrize(
    "path",
    [
        "/notebook/bob/api/contents",
        f"{BASE}-/record",
        f"{BASE}../bob/api",
        f"{BASE}%2e%2e/bob/api",
        f"{BASE}sync/status",
        f"{BASE}restified/a.ipynb",
        "/notebook/alice",
        "/",
    ],
)
def test_a_decision_holds_for_no_other_room(kept: Kept, path: str) -> None:
    assert not kept.finds(scope(path))


@pytest.mark.parametrize(
    "asked",
    [
        scope(query=f"token={PREFIX}x"),
        scope(query="token=%70nb_x"),
        scope(f"{BASE}api/{PREFIX}x"),
        scope(f"{BASE}api/pn%62_x"),
        scope(accept="%70nb_x"),
    ],
    ids=["query", "hidden in the query", "path", "hidden in the path", "field"],
)
def test_a_token_in_a_wrong_place_is_put_to_the_site_which_refuses_it(kept: Kept, asked: dict[str, Any]) -> None:
    assert not kept.finds(asked)


def test_decisions_are_forgotten_when_a_right_ends(kept: Kept) -> None:
    forget_decisions()
    assert not kept.finds(scope())


def test_what_was_decided_before_a_right_ended_is_not_kept_after_it(kept: Kept) -> None:
    before = kept.decisions.generation
    forget_decisions()
    kept.keep(scope(), before)
    assert not kept.finds(scope())


def environ(path: str = f"{BASE}api/contents", **changed: Any) -> dict[str, Any]:
    made = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "5000",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "site",
        "HTTP_COOKIE": "auth=alice",
        "HTTP_ACCEPT": "*/*",
    }
    return {**made, **changed}


def finds(kept: Kept, asked: dict[str, Any]) -> bool:
    decided = kept.decisions.generation
    kept.decisions.keep(asked_of_environ(environ()), BASE, "yes", seconds=2, generation=decided)
    return kept.decisions.find(asked_of_environ(asked)) is not None


def test_under_wsgi_a_decision_holds_for_the_next_file_on_another_connection(kept: Kept) -> None:
    asked = environ(f"{BASE}static/a.js", QUERY_STRING="v=1", REMOTE_PORT="5001", HTTP_ACCEPT="text/javascript")
    assert finds(kept, asked)


@pytest.mark.parametrize(
    "changed",
    [
        {"HTTP_COOKIE": "auth=bob"},
        {"HTTP_AUTHORIZATION": "Bearer x"},
        {"HTTP_X_FORWARDED_USER": "root"},
        {"HTTP_X_FORWARDED_FOR": "192.0.2.1"},
        {"HTTP_HOST": "other"},
        {"HTTP_ORIGIN": "http://evil.example"},
        {"HTTP_UPGRADE": "websocket"},
        {"REMOTE_ADDR": "127.0.0.2"},
        {"REMOTE_USER": "bob"},
        {"SSL_CLIENT_S_DN": "CN=bob"},
        {"wsgi.url_scheme": "https"},
        {"SCRIPT_NAME": "/app"},
        {"REQUEST_METHOD": "POST"},
        {"CONTENT_LENGTH": "1"},
        {"HTTP_TRANSFER_ENCODING": "chunked"},
        {"QUERY_STRING": f"token={PREFIX}x"},
        {"QUERY_STRING": "token=%70nb_x"},
        {"HTTP_REFERER": f"http://site/?t={PREFIX}x"},
        {"PATH_INFO": "/notebook/bob/static/a.js"},
        {"PATH_INFO": f"{BASE}../bob/static/a.js"},
        {"PATH_INFO": f"{BASE}-/record"},
        {"PATH_INFO": f"{BASE}sync/status"},
        {"PATH_INFO": f"{BASE}a\n"},
    ],
    ids=lambda changed: " ".join(map(str, *changed.items())).replace(PREFIX, "token "),
)
def test_under_wsgi_too_another_question_is_put_to_the_site(kept: Kept, changed: dict[str, Any]) -> None:
    assert not finds(kept, environ(**changed))


def test_old_decisions_make_room_for_new_ones(kept: Kept) -> None:
    for number in range(1200):
        kept.keep(scope(cookie=f"auth={number}"))
    assert not kept.finds(scope(cookie="auth=1199"))
    kept.clock.now += MOST_SECONDS
    kept.keep(scope(cookie="auth=new"))
    assert kept.finds(scope(cookie="auth=new"))
