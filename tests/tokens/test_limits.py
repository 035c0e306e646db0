"""Whom failures count against."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.errors import TooManyFailures
from pyramid_notebook.tokens.limits import by_address, by_user
from pyramid_notebook.tokens.store import TokenStore

from .conftest import NOW, OpenStore


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("2001:db8::1", "2001:DB8:0:0:ffff::2"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_addresses_that_one_client_can_choose_from_count_together(address: str, same: str) -> None:
    assert by_address(address) == by_address(same)


@pytest.mark.parametrize(
    ("address", "other"), [("192.0.2.1", "192.0.2.2"), ("2001:db8::", "2001:db8:0:1::"), ("", "x")]
)
def test_other_addresses_do_not(address: str, other: str) -> None:
    assert by_address(address) != by_address(other)


@given(st.text(max_size=200), st.text(max_size=200))
def test_every_address_and_user_has_a_short_subject_of_its_own(one: str, other: str) -> None:
    for subject in (by_user(one), by_address(one)):
        assert len(subject) <= 100
        assert subject.isprintable()
    assert by_user(one) != by_address(one)
    if one != other:
        assert by_user(one) != by_user(other)


def test_several_subjects_are_refused_if_one_of_them_is(open_again: OpenStore) -> None:
    limit = open_again(token_failures_per_minute=2).limit
    for _ in range(2):
        limit.check("address:a", "user:u", now=NOW)
        limit.record("address:a", "user:u", now=NOW)
    limit.check("address:b", now=NOW)
    for subjects in (("address:b", "user:u"), ("address:a", "user:v"), ("address:a",)):
        with pytest.raises(TooManyFailures, match=r"Too many attempts failed\. Try again in 60 seconds\."):
            limit.check(*subjects, now=NOW)


def test_what_another_worker_counts_is_known_after_a_second(store: TokenStore, open_again: OpenStore) -> None:
    other = open_again()
    store.limit.check("address:a", now=NOW)
    for _ in range(30):
        other.limit.record("address:a", now=NOW)
    with pytest.raises(TooManyFailures):
        store.limit.check("address:a", now=NOW + 1)


def test_a_million_guesses_take_weeks_from_one_address(open_again: OpenStore) -> None:
    """In a minute of guessing without a pause, so many are looked at as the setting says."""
    store = open_again(token_failures_per_minute=30)
    looked_at = 0
    for guess in range(600):
        try:
            store.limit.check("address:a", now=NOW + guess / 10)
        except TooManyFailures:
            continue
        looked_at += 1
        store.limit.record("address:a", now=NOW + guess / 10)
    assert looked_at == 30
    assert 1_000_000 / looked_at / 60 / 24 > 23, "days"
