"""The states of a device login, and the code that people type."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pyramid_notebook.tokens.device import (
    INTERVAL_SECONDS,
    LIFETIME_SECONDS,
    SLOW_DOWN_SECONDS,
    TRANSITIONS,
    USER_CODE_LENGTH,
    USER_CODE_LETTERS,
    Answer,
    Event,
    Progress,
    State,
    printable,
    read_user_code,
    show_user_code,
)

CODES = st.text(USER_CODE_LETTERS, min_size=USER_CODE_LENGTH, max_size=USER_CODE_LENGTH)
FRESH = Progress(state=State.PENDING, expires=LIFETIME_SECONDS)
DECISIONS = (Event.APPROVE, Event.DENY)


def after(*events: Event, now: float = 0.0) -> Progress:
    progress = FRESH
    for event in events:
        following = progress.after(event, now)
        assert following
        progress = following
    return progress


class Life(RuleBasedStateMachine):
    """A request to which things happen in any order, and whoever polls for its token."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.progress, self.decisions, self.issued, self.told = 0.0, FRESH, [], 0, []

    @rule(seconds=st.floats(0, 200))
    def time_goes_by(self, seconds):
        self.now += seconds

    @rule(event=st.sampled_from(DECISIONS))
    def the_user_decides(self, event):
        following = self.progress.after(event, self.now)
        if following:
            assert self.now < FRESH.expires
            self.decisions.append(event)
            self.progress = following

    @rule()
    def the_program_polls(self):
        before = self.progress
        self.progress, answer = before.poll(self.now)
        self.told.append(answer)
        if answer is Answer.TOKEN:
            following = self.progress.after(Event.ISSUE, self.now)
            assert following
            self.progress, self.issued = following, self.issued + 1
        if answer is Answer.SLOW_DOWN:
            assert self.progress.interval == before.interval + SLOW_DOWN_SECONDS
        else:
            assert self.progress.interval == before.interval

    @invariant()
    def at_most_one_token_leaves_and_only_after_one_approval(self):
        assert len(self.decisions) <= 1
        assert self.issued <= 1
        assert not self.issued or self.decisions == [Event.APPROVE]

    @invariant()
    def whoever_is_denied_never_gets_a_token(self):
        assert not (Answer.ACCESS_DENIED in self.told and Answer.TOKEN in self.told)
        assert (Answer.ACCESS_DENIED not in self.told) or self.decisions == [Event.DENY]

    @invariant()
    def the_interval_only_grows(self):
        assert self.progress.interval == INTERVAL_SECONDS + SLOW_DOWN_SECONDS * self.told.count(Answer.SLOW_DOWN)


TestAnyLifeOfARequest = Life.TestCase


@given(st.sampled_from(State), st.sampled_from(Event), st.floats(0, 599))
def test_only_what_the_table_says_can_happen(state, event, now):
    following = replace(FRESH, state=state).after(event, now)
    assert (following.state if following else None) == TRANSITIONS.get((state, event))


def test_a_program_that_waits_is_told_to_wait_and_nothing_worse():
    progress = FRESH
    for poll in range(LIFETIME_SECONDS // INTERVAL_SECONDS):
        progress, answer = progress.poll(poll * INTERVAL_SECONDS)
        assert answer is Answer.AUTHORIZATION_PENDING
    assert progress.poll(LIFETIME_SECONDS)[1] is Answer.EXPIRED_TOKEN


def test_a_program_that_polls_too_early_has_to_wait_five_seconds_more_each_time():
    progress, _ = FRESH.poll(0)
    progress, answer = progress.poll(4.9)
    assert (answer, progress.interval) == (Answer.SLOW_DOWN, 10)
    progress, answer = progress.poll(4.9 + 9.9)
    assert (answer, progress.interval) == (Answer.SLOW_DOWN, 15)
    progress, answer = progress.poll(4.9 + 9.9 + 15)
    assert (answer, progress.interval) == (Answer.AUTHORIZATION_PENDING, 15)


@pytest.mark.parametrize(
    ("events", "answer"),
    [
        ((Event.APPROVE,), Answer.TOKEN),
        ((Event.DENY,), Answer.ACCESS_DENIED),
        ((Event.APPROVE, Event.ISSUE), Answer.INVALID_GRANT),
        ((Event.EXPIRE,), Answer.EXPIRED_TOKEN),
    ],
)
def test_what_a_program_is_told_follows_from_what_happened(events, answer):
    assert after(*events).poll(1)[1] is answer


def test_an_approval_that_nobody_fetched_in_time_is_worth_nothing():
    assert after(Event.APPROVE).poll(LIFETIME_SECONDS)[1] is Answer.EXPIRED_TOKEN


def test_nobody_can_decide_when_the_time_is_over():
    assert [FRESH.after(event, LIFETIME_SECONDS) for event in DECISIONS] == [None, None]


@given(CODES, st.lists(st.sampled_from(" -\u2013\u2014_.\t"), min_size=9, max_size=9), st.data())
def test_a_code_is_read_however_it_was_typed(code, between, data):
    cased = "".join(data.draw(st.sampled_from((letter, letter.lower()))) for letter in code)
    typed = "".join(mark + letter for mark, letter in zip(between, [*cased, ""], strict=True))
    assert read_user_code(typed) == code
    assert read_user_code(show_user_code(code)) == code


@given(st.text())
def test_what_is_read_as_a_code_is_eight_of_the_letters(text):
    code = read_user_code(text)
    assert code is None or (len(code) == USER_CODE_LENGTH and set(code) <= set(USER_CODE_LETTERS))


@pytest.mark.parametrize(
    "text",
    [
        *("", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF-GHJ1", "BCDFGHJK" + " " * 99),
        *("BCDF-GHJ\u017f", "BCDF-GHJ\uff2b"),  # their upper case is, or looks like, a letter of ours
    ],
)
def test_what_cannot_be_a_code_is_not_one(text):
    assert read_user_code(text) is None


def test_a_code_shows_with_a_dash_in_its_middle():
    assert show_user_code("WDJBMJHT") == "WDJB-MJHT"


@given(st.text(), st.integers(0, 50))
def test_what_a_program_calls_itself_is_short_and_has_nothing_unseen_in_it(text, length):
    shown = printable(text, length)
    assert len(shown) <= length
    assert shown.isprintable()


def test_text_that_turns_around_what_follows_shows_as_a_question_mark():
    assert printable("editor\u202egnp\n", 100) == "editor?gnp?"
