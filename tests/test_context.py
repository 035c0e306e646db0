"""The notebook context: what it takes, what it refuses, and its hash."""

from __future__ import annotations

import json
import math
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.context import NotebookContext
from pyramid_notebook.errors import ContextError

from .conftest import RunPython

#: One accepted value of every key, which also shows what the key becomes.
GOOD = {
    "startup": "x = 'ü'",
    "greeting": "* **x** - \u4f60\u597d",
    "title": "Shell of \U0001f600",
    "extra_template_paths": ["/srv/one two", "/srv/'three'"],
    "jinja_environment_options": {"autoescape": True, "extensions": ["a", {"b": None}]},
    "allow_origin": "https://example.com",
    "websocket_url": "wss://example.com",
    "notebook_path": "/notebook/alice/",
    "http_port": 9123,
    "kill_timeout": 0,
    "context_hash": "abc_DEF-123",
}
BAD = {
    "startup": [None, 5, b"x", ["x"], "a\0b", "x" * 1_000_001],
    "greeting": [None, 5, "a\0b", "x" * 1_000_001],
    "title": [None, 5, "a\0b"],
    "extra_template_paths": ["/srv", None, [5], ["a\0b"], {"/srv": 1}],
    "jinja_environment_options": [None, [], "x", {"a": len}, {"a": math.nan}, {"a": {1, 2}}],
    "allow_origin": [None, 5, "a\0b"],
    "websocket_url": [None, 5, "a\0b"],
    "notebook_path": [None, "notebook/", "/notebook", "/notebook//alice/", "x", 5],
    "http_port": [None, "80", True, -1, 65536, 1.5],
    "kill_timeout": ["60", True, -1, 1.5],
    "context_hash": [None, True, 1.5, "../x", "a/b", "a.b", "a b", "é", "x" * 65, "a\n", "\0"],
}

KEYS = [item.name for item in fields(NotebookContext)]
HASHED = ["startup", "greeting", "title", "extra_template_paths", "jinja_environment_options"]

PRINT_HASH = """
import json, sys
from pyramid_notebook.context import NotebookContext
print(NotebookContext.from_mapping(json.loads(sys.argv[1])).context_hash)
"""


def hash_of(**values: object) -> str:
    return NotebookContext.from_mapping(values).context_hash


def test_the_tables_of_these_tests_name_every_key() -> None:
    assert sorted(GOOD) == sorted(BAD) == sorted(KEYS)


def test_every_key_is_taken_as_it_was_given() -> None:
    context = NotebookContext.from_mapping(GOOD).to_dict()
    assert {**context, "extra_template_paths": list(context["extra_template_paths"])} == GOOD


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, value) for key, values in BAD.items() for value in values],
    ids=lambda value: ascii(value)[:30],
)
def test_a_value_that_cannot_be_used_is_refused_and_its_key_named(key: str, value: object) -> None:
    with pytest.raises(ContextError, match=f"'{key}' must"):
        NotebookContext.from_mapping({key: value})


def test_an_unknown_key_is_refused_by_name_and_the_known_ones_told() -> None:
    with pytest.raises(ContextError, match=r"'start_up' cannot be given: the known keys are .*startup"):
        NotebookContext.from_mapping({"start_up": "x = 1"})


def test_a_key_that_is_no_text_is_refused_too() -> None:
    with pytest.raises(ContextError, match="5 cannot be given"):
        NotebookContext.from_mapping({5: "x"})  # type: ignore[dict-item]


@pytest.mark.parametrize(("key", "reason"), [("pid", "fills it in itself"), ("terminated", "not kept any more")])
def test_a_key_of_the_daemons_own_is_refused_with_the_reason(key: str, reason: str) -> None:
    with pytest.raises(ContextError, match=f"'{key}' cannot be given: .*{reason}"):
        NotebookContext.from_mapping({key: 1})


def test_a_checked_context_is_not_checked_again() -> None:
    context = NotebookContext.from_mapping(GOOD)
    assert NotebookContext.from_mapping(context) is context


def test_a_context_goes_through_json_unchanged() -> None:
    context = NotebookContext.from_mapping(GOOD)
    assert NotebookContext.from_mapping(json.loads(json.dumps(context.to_dict()))) == context


def test_no_key_at_all_is_a_context() -> None:
    assert len(hash_of()) == 64


def test_the_hash_is_the_same_in_processes_with_other_hash_seeds(run_python: RunPython) -> None:
    values = {key: value for key, value in GOOD.items() if key != "context_hash"}
    told = {run_python(PRINT_HASH, json.dumps(values), PYTHONHASHSEED=seed).stdout.strip() for seed in ("0", "1", "2")}
    assert told == {hash_of(**values)}


@given(st.permutations(HASHED))
def test_the_order_of_keys_does_not_change_the_hash(keys: list[str]) -> None:
    assert hash_of(**{key: GOOD[key] for key in keys}) == hash_of(**{key: GOOD[key] for key in HASHED})


def test_the_order_inside_options_does_not_change_the_hash() -> None:
    assert hash_of(jinja_environment_options={"a": 1, "b": 2}) == hash_of(jinja_environment_options={"b": 2, "a": 1})


@pytest.mark.parametrize("key", HASHED)
def test_what_the_user_finds_in_the_notebook_changes_the_hash(key: str) -> None:
    assert hash_of(**{key: GOOD[key]}) != hash_of()


@pytest.mark.parametrize("key", sorted(set(KEYS) - set(HASHED) - {"context_hash"}))
def test_how_the_server_runs_does_not_change_the_hash(key: str) -> None:
    assert hash_of(**{key: GOOD[key]}) == hash_of()


TEXTS = st.text(st.characters(exclude_characters="\0"), max_size=20)


@given(st.tuples(TEXTS, TEXTS, TEXTS), st.tuples(TEXTS, TEXTS, TEXTS))
def test_other_texts_have_another_hash(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    hashes = [hash_of(**dict(zip(HASHED[:3], values, strict=True))) for values in (one, other)]
    assert (hashes[0] == hashes[1]) == (one == other)


def test_a_given_hash_names_the_context() -> None:
    assert hash_of(context_hash="mine", startup="x = 1") == "mine"
    assert hash_of(context_hash=7) == "7"


@pytest.mark.parametrize(
    ("one", "other"),
    [(-1, -2), ("shop-of-the-customer-1", "shop-of-the-customer-2"), ("x" * 63 + "y", "x" * 64), ("Mine", "mine")],
)
def test_contexts_with_other_given_hashes_have_other_notebooks_and_kernels(one: object, other: object) -> None:
    contexts = [NotebookContext.from_mapping({"context_hash": value}) for value in (one, other)]
    assert contexts[0].notebook_name != contexts[1].notebook_name
    assert contexts[0].kernel_name != contexts[1].kernel_name


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_names_made_from_a_hash_are_short_and_safe(given_hash: str) -> None:
    context = NotebookContext.from_mapping({"context_hash": given_hash})
    assert len(context.notebook_name) <= 40
    assert "/" not in context.notebook_name
    assert context.kernel_name == context.kernel_name.lower()


def test_a_context_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        NotebookContext.from_mapping({}).startup = "x"  # type: ignore[misc]
