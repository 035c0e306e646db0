"""The contract of the store of the tokens, on SQLite and on PostgreSQL."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from pyramid_notebook.errors import (
    TokenExpired,
    TokenInvalid,
    TokenNotMade,
    TokenRefused,
    TokenRevoked,
    TokenStoreError,
    TooManyFailures,
)
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from pyramid_notebook.tokens.limits import by_address, by_user
from pyramid_notebook.tokens.model import Failure, Token
from pyramid_notebook.tokens.secret import digest, new_token
from pyramid_notebook.tokens.store import KEPT_SECONDS, TokenStore

from .conftest import NOW, OpenStore
from .databases import PostgreSQL

HERE = "192.0.2.1"
SYNC = (Grant(Scope.SYNC),)
HOUR = 3600


def test_a_token_that_was_made_is_known_with_all_that_was_said_of_it(store: TokenStore) -> None:
    grants = (Grant(Scope.SYNC), Grant(Scope.RUN, ("reports/*.ipynb", "Übersicht/a b, c.ipynb")))
    made, secret = store.create("älice@example.com", " my editor ", grants, HOUR, NOW)
    found = store.check(secret, HERE, NOW + 1)
    assert found == made
    assert (found.user, found.name, found.grants) == ("älice@example.com", "my editor", grants)
    assert (found.created, found.expires, found.last_used, found.revoked) == (NOW, NOW + HOUR, None, None)


def test_a_token_that_was_found_answers_what_it_allows(store: TokenStore) -> None:
    _, secret = store.create("alice", "x", [Grant(Scope.RUN, ("reports/*",))], HOUR, NOW)
    found = store.check(secret, HERE, NOW)
    assert found.allows(Scope.RUN, "reports/a.ipynb")
    assert not found.allows(Scope.RUN, "other/a.ipynb")
    assert not found.allows(Scope.SHELL)


def test_nothing_in_the_database_is_the_token_itself(store: TokenStore) -> None:
    _, secret = store.create("alice", "x", SYNC, HOUR)
    with store.engine.connect() as connection:
        row = connection.execute(select(Token.__table__)).one()
    assert row.digest == digest(secret)
    assert secret.removeprefix("pnb_") not in repr(tuple(row))


@pytest.mark.parametrize(
    "wrong",
    ["", "pnb_", "x", "pnb_" + "A" * 42, "pnb_" + "A" * 44, "pnb_" + "é" * 43, "\0", "\ud800" * 47, "A" * 10**6],
)
def test_what_is_no_token_is_refused(store: TokenStore, wrong: str) -> None:
    with pytest.raises(TokenInvalid):
        store.check(wrong, HERE)


def test_a_token_with_one_character_changed_is_refused(store: TokenStore) -> None:
    _, secret = store.create("alice", "x", SYNC, HOUR)
    for changed in (secret.swapcase(), secret[:10] + ("A" if secret[10] != "A" else "B") + secret[11:], f" {secret}"):
        with pytest.raises(TokenInvalid):
            store.check(changed, HERE)


def test_a_token_is_valid_until_the_moment_at_which_it_expires(store: TokenStore) -> None:
    _, secret = store.create("alice", "x", SYNC, HOUR, NOW)
    assert store.check(secret, HERE, NOW + HOUR - 0.001)
    with pytest.raises(TokenExpired):
        store.check(secret, HERE, NOW + HOUR)


def test_a_revoked_token_is_refused_by_the_next_check_in_every_worker(store: TokenStore, open_again: OpenStore) -> None:
    other = open_again()
    made, secret = store.create("alice", "x", SYNC, HOUR)
    assert other.check(secret, HERE).id == store.check(secret, HERE).id == made.id
    assert other.look(secret).id == made.id
    assert store.revoke(made.id, "alice")
    for worker in (other, store):
        with pytest.raises(TokenRevoked):
            worker.check(secret, HERE)
        with pytest.raises(TokenRevoked):
            worker.look(secret)


def test_a_stranger_is_told_the_same_whatever_was_wrong(store: TokenStore) -> None:
    _, expired = store.create("alice", "x", SYNC, HOUR, NOW - HOUR)
    made, revoked = store.create("alice", "x", SYNC, HOUR, NOW)
    store.revoke(made.id, "alice")
    told = set()
    for secret in (expired, revoked, new_token(), "nonsense"):
        with pytest.raises(TokenRefused) as caught:
            store.check(secret, HERE, NOW)
        told.add((str(caught.value), caught.value.status, caught.value.reason, tuple(caught.value.headers.items())))
    assert len(told) == 1
    status, reason, headers = told.pop()[1:]
    assert (status, reason) == (401, "invalid_token")
    assert headers == (("WWW-Authenticate", 'Bearer realm="pyramid_notebook", error="invalid_token"'),)


def test_the_log_tells_why_and_never_the_token(store: TokenStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made, secret = store.create("alice", "x", SYNC, HOUR, NOW)
    store.check(secret, HERE, NOW)
    stranger = new_token()
    for token, moment in ((secret, NOW + HOUR), (stranger, NOW)):
        with pytest.raises(TokenInvalid):
            store.check(token, f"{HERE}\nforged line", moment)
    store.revoke(made.id, "alice")
    with pytest.raises(TokenRevoked):
        store.check(secret, HERE, NOW)
    assert f"token {made.id} refused (TokenExpired)" in caplog.text
    assert f"token {made.id} refused (TokenRevoked)" in caplog.text
    assert "unknown token refused" in caplog.text
    assert secret not in caplog.text
    assert stranger not in caplog.text
    assert "\nforged line" not in caplog.text


@pytest.mark.parametrize("name", ["", "  ", "a" * 101, "a\nb", "a\0b", "a\u2028b", "\ud800"])
def test_a_name_that_people_could_not_read_is_refused(store: TokenStore, name: str) -> None:
    with pytest.raises(TokenNotMade, match="name of 1 to 100 characters"):
        store.create("alice", name, SYNC, HOUR)


@pytest.mark.parametrize("seconds", [0, -1, 31536001, float("nan"), float("inf")])
def test_a_lifetime_that_is_none_or_too_long_is_refused(store: TokenStore, seconds: float) -> None:
    with pytest.raises(TokenNotMade, match=r"31536000 seconds \(365 days\)"):
        store.create("alice", "x", SYNC, seconds)


def test_the_longest_lifetime_is_that_of_the_settings(open_again: OpenStore) -> None:
    store = open_again(token_max_lifetime=60)
    assert store.create("alice", "x", SYNC, 60)
    with pytest.raises(TokenNotMade):
        store.create("alice", "x", SYNC, 61)


def test_a_token_without_a_user_or_a_scope_is_refused(store: TokenStore) -> None:
    with pytest.raises(TokenNotMade, match="user"):
        store.create("", "x", SYNC, HOUR)
    with pytest.raises(TokenNotMade, match="at least one scope"):
        store.create("alice", "x", [], HOUR)


def test_a_user_sees_their_own_tokens_only_the_newest_first(store: TokenStore) -> None:
    first, _ = store.create("alice", "first", SYNC, HOUR, NOW)
    second, _ = store.create("alice", "second", SYNC, HOUR, NOW + 1)
    other, _ = store.create("Alice", "other", SYNC, HOUR, NOW + 2)
    assert store.list("alice") == (second, first)
    assert store.list("nobody") == ()
    assert store.list_all() == (other, second, first)


def test_a_list_shows_tokens_that_have_expired_but_none_that_was_revoked(store: TokenStore) -> None:
    expired, _ = store.create("alice", "old", SYNC, HOUR, NOW - 2 * HOUR)
    revoked, _ = store.create("alice", "gone", SYNC, HOUR, NOW)
    store.revoke(revoked.id, "alice")
    assert store.list("alice") == (expired,)


def test_nobody_revokes_the_token_of_somebody_else(store: TokenStore) -> None:
    made, secret = store.create("alice", "x", SYNC, HOUR)
    for user in ("bob", "", "ALICE", "alice "):
        assert not store.revoke(made.id, user)
    assert not store.revoke("0" * 16, "alice")
    assert store.check(secret, HERE)


def test_a_token_is_revoked_once(store: TokenStore) -> None:
    made, _ = store.create("alice", "x", SYNC, HOUR)
    assert store.revoke(made.id, "alice")
    assert not store.revoke(made.id, "alice")


def test_revoking_all_tokens_of_a_user_leaves_those_of_others(store: TokenStore) -> None:
    secrets = [store.create("alice", "x", SYNC, HOUR)[1] for _ in range(3)]
    _, other = store.create("bob", "x", SYNC, HOUR)
    assert store.revoke_all("alice") == 3
    assert store.revoke_all("alice") == 0
    for secret in secrets:
        with pytest.raises(TokenRevoked):
            store.check(secret, HERE)
    assert store.check(other, HERE)


def test_the_token_of_a_connection_is_good_until_it_expires(store: TokenStore) -> None:
    made, secret = store.create("alice", "x", SYNC, HOUR, NOW)
    assert store.look(secret, NOW + HOUR - 1).id == made.id
    with pytest.raises(TokenExpired):
        store.look(secret, NOW + HOUR)


def test_a_look_at_the_token_of_a_connection_counts_neither_as_a_failure_nor_as_a_use(open_again: OpenStore) -> None:
    store = open_again(token_failures_per_minute=1)
    made, secret = store.create("alice", "x", SYNC, HOUR)
    store.look(secret)
    store.revoke(made.id, "alice")
    _, good = store.create("alice", "y", SYNC, HOUR)
    for _ in range(3):
        with pytest.raises(TokenRevoked):
            store.look(secret)
    store.wait_for_writes()
    assert [token.last_used for token in store.list("alice")] == [None]
    assert store.check(good, HERE)


def test_the_last_use_is_written_down_with_the_address(store: TokenStore) -> None:
    made, secret = store.create("alice", "x", SYNC, HOUR, NOW)
    store.check(secret, "2001:db8::1", NOW + 5)
    store.wait_for_writes()
    (found,) = store.list("alice")
    assert (found.id, found.last_used, found.last_address) == (made.id, NOW + 5, "2001:db8::1")


def test_a_use_is_written_at_most_once_a_minute_whichever_worker_sees_it(
    store: TokenStore, open_again: OpenStore
) -> None:
    other = open_again()
    made, _ = store.create("alice", "x", SYNC, HOUR, NOW)

    def last() -> tuple[float | None, str]:
        for worker in (store, other):
            worker.wait_for_writes()
        (found,) = store.list("alice")
        return found.last_used, found.last_address

    store.touch(made.id, "a", NOW)
    assert last() == (NOW, "a")
    for worker in (store, other):
        worker.touch(made.id, "b", NOW + 59)
        assert last() == (NOW, "a")
    other.touch(made.id, "c", NOW + 120)
    assert last() == (NOW + 120, "c")


def test_telling_a_use_does_not_wait_for_whoever_writes_to_the_database(store: TokenStore) -> None:
    made, secret = store.create("alice", "x", SYNC, HOUR, NOW)
    with store.engine.begin() as connection:
        connection.execute(Token.__table__.update().values(name="held"))
        assert store.check(secret, HERE, NOW).id == made.id
        with store.engine.connect() as reader:
            assert reader.execute(select(Token.last_used)).scalar_one() is None
    store.wait_for_writes()
    assert store.list("alice")[0].last_used == NOW


def test_an_address_with_too_many_failures_is_refused_even_with_a_right_token(open_again: OpenStore) -> None:
    store = open_again(token_failures_per_minute=5)
    _, secret = store.create("alice", "x", SYNC, HOUR, NOW)
    for number in range(5):
        with pytest.raises(TokenInvalid):
            store.check(new_token(), HERE, NOW + number)
    with pytest.raises(TooManyFailures) as caught:
        store.check(secret, HERE, NOW + 10)
    assert (caught.value.status, caught.value.retry_after) == (429, 50)
    assert store.check(secret, "192.0.2.2", NOW + 10)
    assert store.check(secret, HERE, NOW + 60.5)


def test_what_is_refused_for_the_limit_counts_no_more(open_again: OpenStore) -> None:
    store = open_again(token_failures_per_minute=3)
    for _ in range(3):
        with pytest.raises(TokenInvalid):
            store.check(new_token(), HERE, NOW)
    for second in range(59):
        with pytest.raises(TooManyFailures):
            store.check(new_token(), HERE, NOW + second)
    with pytest.raises(TokenInvalid):
        store.check(new_token(), HERE, NOW + 60)


def test_all_workers_share_the_limit(open_again: OpenStore) -> None:
    workers = [open_again(token_failures_per_minute=6) for _ in range(3)]
    for attempt in range(6):
        with pytest.raises(TokenInvalid):
            workers[attempt % 3].check(new_token(), HERE, NOW)
    for worker in workers:
        with pytest.raises(TooManyFailures):
            worker.check(new_token(), HERE, NOW)


def test_revoked_tokens_of_one_user_count_together_from_many_addresses(open_again: OpenStore) -> None:
    store = open_again(token_failures_per_minute=4)
    old, secret = store.create("alice", "old", SYNC, HOUR, NOW)
    _, valid = store.create("alice", "new", SYNC, HOUR, NOW)
    store.revoke(old.id, "alice")
    for number in range(4):
        with pytest.raises(TokenRevoked):
            store.check(secret, f"192.0.2.{number}", NOW)
    with pytest.raises(TooManyFailures):
        store.check(secret, "192.0.2.9", NOW)
    assert store.check(valid, "192.0.2.9", NOW), "an old program must not lock out the user's others"


def test_failures_are_forgotten_once_they_count_no_more(store: TokenStore) -> None:
    store.limit.record(by_address(HERE), by_user("alice"), now=NOW)
    store.limit.record(by_address("192.0.2.2"), now=NOW + 61)
    with store.engine.connect() as connection:
        assert connection.execute(select(Failure.subject)).scalars().all() == ["address:192.0.2.2"]


def test_guesses_from_many_threads_at_once_pass_the_limit_by_one_for_each_at_most(open_again: OpenStore) -> None:
    store = open_again(token_failures_per_minute=10)
    answers: list[type[TokenRefused]] = []

    def guess() -> None:
        for _ in range(20):
            try:
                store.check(new_token(), HERE, NOW)
            except TokenRefused as error:
                answers.append(type(error))

    threads = [threading.Thread(target=guess) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 80
    assert 10 <= answers.count(TokenInvalid) <= 13


def test_tokens_long_expired_leave_the_database_when_a_new_one_comes(store: TokenStore) -> None:
    store.create("alice", "old", SYNC, HOUR, NOW)
    store.create("alice", "new", SYNC, HOUR, NOW + HOUR + KEPT_SECONDS + 1)
    with store.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(Token)).scalar_one() == 1


def test_a_database_that_does_not_answer_lets_nobody_pass(store: TokenStore) -> None:
    _, secret = store.create("alice", "x", SYNC, HOUR)
    Token.__table__.drop(store.engine)
    for attempt in (
        lambda: store.check(secret, HERE),
        lambda: store.list("alice"),
        lambda: store.look(secret),
        lambda: store.revoke("x", "alice"),
        lambda: store.create("alice", "y", SYNC, HOUR),
    ):
        with pytest.raises(TokenStoreError, match="does not answer"):
            attempt()


def test_a_restart_of_postgresql_is_not_noticed_once_it_is_back(server: PostgreSQL, folder: Path) -> None:
    store = open_store(Settings(notebook_folder=str(folder), database_url=server.new_database()))
    made, secret = store.create("alice", "x", SYNC, HOUR)
    assert store.check(secret, HERE)
    server.stop()
    try:
        with pytest.raises(TokenStoreError):
            store.check(secret, HERE)
    finally:
        server.start()
    assert store.check(secret, "192.0.2.2").id == made.id
    assert store.create("alice", "y", SYNC, HOUR)
    server.stop()
    server.start()
    assert store.look(secret).id == made.id
    assert len(store.list("alice")) == 2
    store.wait_for_writes()
    store.close()
