"""The table of what web servers cannot do holds nothing but what the tests have seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from .limits import LIMITS, Limit, limit
from .ways import WAYS

_TESTS = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))


@pytest.mark.parametrize("item", LIMITS, ids=lambda item: f"{item.way}: {item.behaviour}")
def test_each_limit_is_of_a_way_and_of_a_behaviour_that_is_tested(item: Limit) -> None:
    assert item.way in WAYS
    assert f'"{item.behaviour}"' in _TESTS
    assert item.reason.endswith(".")
    assert item.instead.endswith(".")


def test_a_limit_is_written_down_once() -> None:
    assert len({(item.way, item.behaviour) for item in LIMITS}) == len(LIMITS)


def test_a_behaviour_that_no_way_is_limited_in_cannot_be_asked_for() -> None:
    with pytest.raises(AssertionError, match="no way is limited in this: flying"):
        limit("waitress", "flying")
