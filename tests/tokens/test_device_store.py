"""Device logins in the database, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select

from pyramid_notebook.errors import ProtocolError, TooManyFailures
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.tokens.device import LIFETIME_SECONDS, Answer, show_user_code
from pyramid_notebook.tokens.device_store import (
    KEPT_SECONDS,
    MOST_WAITING_OF_ADDRESS,
    WRONG_CODES_PER_MINUTE,
    Codes,
    DeviceStore,
)
from pyramid_notebook.tokens.model import DeviceRequest
from pyramid_notebook.tokens.secret import digest
from pyramid_notebook.tokens.store import TokenStore

from .conftest import NOW, OpenStore

HERE, DESK = "192.0.2.1", "192.0.2.2"
GRANTS = (Grant(Scope.SYNC), Grant(Scope.RUN, ("reports/*.ipynb",)), Grant(Scope.CONSOLE))
HOUR = 3600


@pytest.fixture
def devices(store: TokenStore) -> DeviceStore:
    return DeviceStore(store)


def begin(devices: DeviceStore, now: float = NOW) -> Codes:
    return devices.begin(GRANTS, "my editor", HERE, "editor/1.0", now)


def approve(devices: DeviceStore, codes: Codes, grants=GRANTS, now: float = NOW) -> bool:
    asking = devices.find(codes.user_code, "alice", DESK, now)
    assert asking
    return devices.approve(asking, "alice", grants, now)


def poll(devices: DeviceStore, codes: Codes, now: float = NOW):
    return devices.poll(codes.device_code, HERE, HOUR, now)


def test_a_request_that_was_approved_becomes_a_token_of_who_approved_it(devices, store):
    codes = begin(devices)
    assert poll(devices, codes) == (Answer.AUTHORIZATION_PENDING, None)
    assert approve(devices, codes, GRANTS[:2], NOW + 3)
    answer, made = poll(devices, codes, NOW + 5)
    assert answer is Answer.TOKEN
    info, secret = made
    assert store.check(secret, HERE, NOW + 6) == info
    assert (info.user, info.name, info.grants, info.expires) == ("alice", "my editor", GRANTS[:2], NOW + 5 + HOUR)


def test_its_user_sees_who_asks_for_what(devices):
    codes = begin(devices)
    asking = devices.find(show_user_code(codes.user_code).lower(), "alice", DESK, NOW + 1)
    assert (asking.client_name, asking.address, asking.user_agent) == ("my editor", HERE, "editor/1.0")
    assert (asking.grants, asking.created, asking.user_code) == (GRANTS, NOW, codes.user_code)


def test_what_a_program_says_of_itself_is_cut_and_cleaned(devices):
    codes = devices.begin(GRANTS, "\x1b[2J\0" + "n" * 500, "a" * 500, "\u202e" + "u" * 500, NOW)
    asking = devices.find(codes.user_code, "alice", DESK, NOW)
    assert asking.client_name == "?[2J?" + "n" * 95
    assert (len(asking.address), len(asking.user_agent)) == (64, 200)
    assert asking.user_agent.startswith("?u")


def test_a_denied_request_gets_nothing_ever(devices, store):
    codes = begin(devices)
    asking = devices.find(codes.user_code, "alice", DESK, NOW)
    assert devices.deny(asking, "alice", NOW)
    assert not devices.approve(asking, "alice", GRANTS, NOW)
    assert poll(devices, codes) == (Answer.ACCESS_DENIED, None)
    assert store.list("alice") == ()


def test_a_token_is_fetched_once(devices, store):
    codes = begin(devices)
    approve(devices, codes)
    assert poll(devices, codes)[0] is Answer.TOKEN
    assert poll(devices, codes) == (Answer.INVALID_GRANT, None)
    assert len(store.list("alice")) == 1


def test_of_many_that_fetch_a_token_at_once_one_gets_it(devices, open_again: OpenStore, store):
    codes = begin(devices)
    approve(devices, codes)
    others = [DeviceStore(open_again()) for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: poll(others[number % 3], codes)[0], range(16)))
    assert answers.count(Answer.TOKEN) == 1
    assert set(answers) == {Answer.TOKEN, Answer.INVALID_GRANT}
    assert len(store.list("alice")) == 1


def test_of_many_decisions_at_once_one_counts(devices, open_again: OpenStore):
    codes = begin(devices)
    asking = devices.find(codes.user_code, "alice", DESK, NOW)
    others = [DeviceStore(open_again()) for _ in range(3)]

    def decide(number: int) -> bool:
        user = f"user{number}"
        if number % 2:
            return others[number % 3].deny(asking, user, NOW)
        return others[number % 3].approve(asking, user, GRANTS, NOW)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(decide, range(16))).count(True) == 1


def test_a_code_works_once_and_no_longer_than_ten_minutes(devices):
    decided, forgotten = begin(devices), begin(devices)
    approve(devices, decided)
    assert devices.find(decided.user_code, "alice", DESK, NOW + 1) is None
    assert devices.find(forgotten.user_code, "alice", DESK, NOW + LIFETIME_SECONDS - 1)
    assert devices.find(forgotten.user_code, "alice", DESK, NOW + LIFETIME_SECONDS) is None


def test_who_looked_in_time_but_decides_too_late_decides_nothing(devices):
    codes = begin(devices)
    asking = devices.find(codes.user_code, "alice", DESK, NOW)
    assert not devices.approve(asking, "alice", GRANTS, NOW + LIFETIME_SECONDS)
    assert poll(devices, codes, NOW + LIFETIME_SECONDS)[0] is Answer.EXPIRED_TOKEN


def test_a_program_that_polls_too_often_has_to_wait_longer_in_all_workers(devices, open_again: OpenStore):
    codes = begin(devices)
    other = DeviceStore(open_again())
    told = [poll(each, codes, NOW + at)[0] for each, at in ((devices, 0), (other, 4), (devices, 13), (other, 28))]
    assert told == [Answer.AUTHORIZATION_PENDING, Answer.SLOW_DOWN, Answer.SLOW_DOWN, Answer.AUTHORIZATION_PENDING]


@pytest.mark.parametrize("grants", [(), (Grant(Scope.SHELL),), (*GRANTS, Grant(Scope.RUN)), (Grant(Scope.RUN),)])
def test_nothing_can_be_approved_that_nobody_asked_for(devices, grants):
    codes = begin(devices)
    with pytest.raises(ValueError, match="asked for"):
        approve(devices, codes, grants)
    assert poll(devices, codes)[0] is Answer.AUTHORIZATION_PENDING


def test_a_request_that_was_swapped_for_another_decides_nothing(devices):
    codes = begin(devices)
    asking = devices.find(codes.user_code, "alice", DESK, NOW)
    assert not devices.approve(replace(asking, id="0" * 16), "alice", GRANTS, NOW)


def test_guessing_codes_is_soon_over_for_a_user_and_for_an_address_but_not_for_others(devices):
    codes = begin(devices)
    wrong = "BBBB-BBBB" if codes.user_code != "BBBBBBBB" else "CCCC-CCCC"
    for _ in range(WRONG_CODES_PER_MINUTE):
        assert devices.find(wrong, "mallory", "192.0.2.66", NOW) is None
    for user, address in (("mallory", "192.0.2.66"), ("mallory", "192.0.2.67"), ("mallet", "192.0.2.66")):
        with pytest.raises(TooManyFailures):
            devices.find(codes.user_code, user, address, NOW + 1)
    assert devices.find(codes.user_code, "alice", DESK, NOW + 1)
    assert devices.find(codes.user_code, "mallory", "192.0.2.66", NOW + 61)


def test_what_cannot_be_a_code_is_no_guess(devices):
    for _ in range(WRONG_CODES_PER_MINUTE + 1):
        assert devices.find("hello", "alice", DESK, NOW) is None


def test_wrong_tokens_do_not_keep_a_user_from_signing_a_program_in(devices, open_again: OpenStore):
    store = open_again(token_failures_per_minute=1)
    store.limit.record("user:alice", f"address:{DESK}", now=NOW)
    assert DeviceStore(store).find(begin(devices).user_code, "alice", DESK, NOW + 1)


def test_guessing_device_codes_is_soon_over_for_an_address(open_again: OpenStore):
    devices = DeviceStore(open_again(token_failures_per_minute=5))
    codes = begin(devices)
    for number in range(5):
        assert devices.poll(f"guess{number}", HERE, HOUR, NOW) == (Answer.INVALID_GRANT, None)
    with pytest.raises(TooManyFailures) as refused:
        poll(devices, codes, NOW + 10)
    assert refused.value.retry_after == 50
    assert devices.poll(codes.device_code, DESK, HOUR, NOW + 10)[0] is Answer.AUTHORIZATION_PENDING


def test_one_address_cannot_fill_the_table(devices):
    for _ in range(MOST_WAITING_OF_ADDRESS):
        begin(devices)
    with pytest.raises(ProtocolError) as refused:
        begin(devices)
    assert (refused.value.status, refused.value.retry_after) == (429, 60)
    assert devices.begin(GRANTS, "x", DESK, "", NOW)
    assert begin(devices, NOW + LIFETIME_SECONDS)


def test_old_requests_go_away_by_themselves(devices, store):
    old = begin(devices)
    begin(devices, NOW + LIFETIME_SECONDS + KEPT_SECONDS + 1)
    with store.engine.connect() as connection:
        assert len(connection.execute(select(DeviceRequest.id)).all()) == 1
    assert poll(devices, old, NOW + LIFETIME_SECONDS + KEPT_SECONDS + 1)[0] is Answer.INVALID_GRANT


def test_nothing_in_the_database_is_the_device_code(devices, store):
    codes = begin(devices)
    with store.engine.connect() as connection:
        row = connection.execute(select(DeviceRequest.__table__)).one()
    assert row.device_digest == digest(codes.device_code)
    assert codes.device_code not in repr(tuple(row))
    assert codes.device_code not in repr(codes)
    assert len(codes.device_code) == 43


def test_one_network_of_ipv6_cannot_fill_the_table_from_many_addresses(devices):
    for number in range(MOST_WAITING_OF_ADDRESS):
        devices.begin(GRANTS, "x", f"2001:db8::{number:x}", "", NOW)
    with pytest.raises(ProtocolError, match="Too many programs wait"):
        devices.begin(GRANTS, "x", "2001:db8::ffff", "", NOW)
    assert devices.begin(GRANTS, "x", "2001:db8:0:1::1", "", NOW)


def test_an_approval_is_not_lost_when_its_token_cannot_be_made_just_now(devices, store, monkeypatch):
    codes = begin(devices)
    assert approve(devices, codes)
    with monkeypatch.context() as broken:
        broken.setattr(store, "create_in", lambda *_given, **_more: (_ for _ in ()).throw(OSError("no disk left")))
        with pytest.raises(OSError, match="no disk left"):
            poll(devices, codes, NOW + 5)
    answer, _ = poll(devices, codes, NOW + 10)
    assert answer is Answer.TOKEN
