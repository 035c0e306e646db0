"""No row of the list is without a test, over HTTP and over a websocket."""

from __future__ import annotations

import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .rows import ELSEWHERE, ROWS, WAYS


def attacks_of(name: str) -> dict[str, Callable[..., Any]]:
    members = inspect.getmembers(importlib.import_module(name), inspect.isfunction)
    return {key: test for key, test in members if key.startswith("test_") and test.__module__ == name}


def attacks_here() -> Iterator[tuple[str, Callable[..., Any]]]:
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path != Path(__file__):
            yield from attacks_of(f"{__package__}.{path.stem}").items()


def marks_of(test: Callable[..., Any], name: str) -> list[pytest.Mark]:
    return [mark for mark in getattr(test, "pytestmark", []) if mark.name == name]


def ways_of(test: Callable[..., Any], mark: pytest.Mark) -> set[str]:
    """Return how a test attacks: as its mark says, or as its parameter does."""
    parameters = [way for item in marks_of(test, "parametrize") if item.args[0] == "way" for way in item.args[1]]
    return {*mark.args[1:], *parameters}


def test_every_test_here_names_its_row_and_how_it_attacks():
    for name, test in attacks_here():
        marks = marks_of(test, "row")
        assert marks, name
        for mark in marks:
            assert mark.args[0] in ROWS, name
            assert ways_of(test, mark) <= set(WAYS), name
            assert ways_of(test, mark), name


@pytest.mark.parametrize("number", sorted(ROWS.keys() - ELSEWHERE.keys()), ids=ROWS.get)
def test_a_row_is_tried_over_http_and_over_a_websocket(number):
    ways: dict[int, set[str]] = defaultdict(set)
    for _, test in attacks_here():
        for mark in marks_of(test, "row"):
            ways[mark.args[0]] |= ways_of(test, mark)
    assert ways[number] == set(WAYS)


@pytest.mark.parametrize("number", ELSEWHERE, ids=ROWS.get)
def test_a_row_with_a_module_of_its_own_has_tests_there(number):
    module = importlib.import_module(ELSEWHERE[number])
    assert attacks_of(ELSEWHERE[number])
    assert re.search("websocket|HANDSHAKE", inspect.getsource(module))
