"""Messages of JSON-RPC 2.0, in and out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.errors import BadCall, NotJson, RpcError
from pyramid_notebook.rpc.jsonrpc import (
    DEEPEST,
    MOST_REQUESTS,
    Fault,
    Request,
    error_message,
    notification,
    parse,
    result_message,
)

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_members = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | _values,
        "method": st.just("execute") | _values,
        "params": st.just({}) | _values,
        "id": st.just(1) | _values,
    },
)


def faults(text: str | bytes) -> list[RpcError]:
    """Return what is wrong with a text, where nothing of it is a request."""
    found = parse(text).items
    assert all(isinstance(item, Fault) for item in found)
    return [item.error for item in found if isinstance(item, Fault)]


def test_a_request_has_method_params_and_id() -> None:
    (found,) = parse('{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": "a"}').items
    assert found == Request("subtract", [42, 23], "a")


def test_params_may_be_left_out() -> None:
    assert parse('{"jsonrpc": "2.0", "method": "session.list", "id": 1}').items == (Request("session.list", {}, 1),)


def test_a_request_without_an_id_is_a_notification() -> None:
    (found,) = parse('{"jsonrpc": "2.0", "method": "update", "params": [1]}').items
    assert isinstance(found, Request)
    assert found.is_notification


def test_an_id_that_is_null_is_answered() -> None:
    (found,) = parse('{"jsonrpc": "2.0", "method": "update", "id": null}').items
    assert isinstance(found, Request)
    assert not found.is_notification


def test_a_batch_keeps_the_order_and_has_its_faults_in_their_places() -> None:
    found = parse('[{"jsonrpc": "2.0", "method": "sum", "id": "1"}, {"foo": "boo"}, 1]')
    assert found.is_batch
    assert [type(item) for item in found.items] == [Request, Fault, Fault]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', "nothing", "[1,", "NaN"),
        *('{"id": Infinity}', '"\\ud800"', '{"\\udc00": 1}', '[1, "a\\uD800b"]', "9" * 5000),
    ],
)
def test_what_is_no_json_is_a_parse_error(text: str) -> None:
    (error,) = faults(text)
    assert isinstance(error, NotJson)


def test_a_surrogate_pair_is_text() -> None:
    (found,) = parse('{"jsonrpc": "2.0", "method": "\\ud83d\\ude00", "id": 1}').items
    assert found == Request("\N{GRINNING FACE}", {}, 1)


def test_what_is_no_utf8_is_a_parse_error() -> None:
    assert [str(error) for error in faults(b"\xff{}")] == ["This is no UTF-8."]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("levels", [DEEPEST + 1, 900, 100_000])
def test_values_that_lie_too_deep_are_a_parse_error(levels: int, opening: str, closing: str) -> None:
    (error,) = faults(opening * levels + "1" + closing * levels)
    assert isinstance(error, NotJson)
    assert "too deep" in str(error)


def test_values_that_lie_deep_are_taken() -> None:
    levels = DEEPEST - 1
    text = '{"jsonrpc": "2.0", "method": "m", "id": 1, "params": ' + "[" * levels + "]" * levels + "}"
    assert isinstance(parse(text).items[0], Request)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "A batch has one request at least."),
        ("1", "A request is a JSON object."),
        ("null", "A request is a JSON object."),
        ("{}", 'A request has "jsonrpc": "2.0".'),
        ('{"jsonrpc": 2.0, "method": "m"}', 'A request has "jsonrpc": "2.0".'),
        ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', "A request names its method in a text."),
        ('{"jsonrpc": "2.0", "method": "m", "params": "bar"}', "The parameters are a JSON object or a list."),
        ('{"jsonrpc": "2.0", "method": "m", "params": null}', "The parameters are a JSON object or a list."),
        ('{"jsonrpc": "2.0", "method": "m", "id": true}', "The id is a text, a number or null."),
        ('{"jsonrpc": "2.0", "method": "m", "id": [1]}', "The id is a text, a number or null."),
        ('{"jsonrpc": "2.0", "method": "m", "more": 1}', "A request has no member 'more'."),
    ],
)
def test_json_that_is_no_request_is_named(text: str, sentence: str) -> None:
    (error,) = faults(text)
    assert isinstance(error, BadCall)
    assert str(error) == sentence


def test_an_id_that_can_be_read_is_told_with_the_fault() -> None:
    (found,) = parse('{"method": "m", "id": "a"}').items
    assert isinstance(found, Fault)
    assert found.id == "a"


def test_a_batch_that_is_too_long_is_one_fault() -> None:
    one = {"jsonrpc": "2.0", "method": "m", "id": 1}
    assert len(parse(json.dumps([one] * MOST_REQUESTS)).items) == MOST_REQUESTS
    (error,) = faults(json.dumps([one] * 10_000))
    assert isinstance(error, BadCall)
    assert "10000" in str(error)


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_whatever_comes_there_is_an_answer_to_it(text: str | bytes) -> None:
    assert parse(text).items


@given(_values | _members | st.lists(_members, max_size=5))
def test_whatever_json_comes_each_item_is_a_request_or_a_fault(value: Any) -> None:
    found = parse(json.dumps(value))
    assert len(found.items) == (len(value) if found.is_batch else 1)
    for item in found.items:
        if isinstance(item, Fault):
            assert item.error.code in (-32700, -32600)
        else:
            assert isinstance(item.method, str)
            assert isinstance(item.params, (list, dict))


def test_a_result_is_told_with_the_id() -> None:
    assert result_message("a", [1]) == {"jsonrpc": "2.0", "result": [1], "id": "a"}


def test_an_error_is_told_with_code_message_and_reason() -> None:
    told = error_message(None, BadCall("No.", more=1))
    error = {"code": -32600, "message": "No.", "data": {"reason": "request", "more": 1}}
    assert told == {"jsonrpc": "2.0", "error": error, "id": None}


def test_a_notification_has_no_id() -> None:
    assert notification("end", {"a": 1}) == {"jsonrpc": "2.0", "method": "end", "params": {"a": 1}}
