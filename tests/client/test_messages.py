"""JSON-RPC as the client writes and reads it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.client.events import KINDS, event_of
from pyramid_notebook.client.messages import Answer, Notification, read, request, values_of
from pyramid_notebook.errors import NotebookError, SiteError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def test_a_call_is_a_request_of_json_rpc_in_ascii():
    text = request(7, "execute", {"code": "'ü€😀'"})
    assert text.isascii()
    assert json.loads(text) == {"jsonrpc": "2.0", "id": 7, "method": "execute", "params": {"code": "'ü€😀'"}}


def test_a_parameter_without_json_is_refused_before_it_is_sent():
    with pytest.raises(SiteError, match="parameters of execute"):
        request(1, "execute", {"code": object()})


def test_a_batch_is_read_in_its_order():
    text = '[{"jsonrpc":"2.0","method":"end","params":{}},{"jsonrpc":"2.0","id":3,"result":null}]'
    assert read(text) == [Notification("end", {}), Answer(3, None, None)]


def test_an_error_is_told_as_the_server_words_it_and_controls_no_terminal():
    data = {"reason": "bad", "errors": [{"path": "code", "message": "is not a text"}]}
    message = "The parameters do not fit execute: code: is not a text.\x1b[2J"
    text = json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": message, "data": data}})
    [answer] = read(text)
    assert isinstance(answer, Answer)
    assert answer.error
    assert answer.error.code == -32602
    assert answer.error.reason == "bad"
    assert answer.error.data == data
    assert str(answer.error) == "The parameters do not fit execute: code: is not a text.?[2J"


@pytest.mark.parametrize(
    "text",
    ["", "{", "1", "[1]", '{"jsonrpc":"1.0","id":1,"result":1}', '{"jsonrpc":"2.0","id":1}', "[" * 100_000,
     '{"jsonrpc":"2.0","id":1,"error":"no"}'],
    ids=["nothing", "cut", "number", "numbers", "old", "neither", "deep", "bad error"],
)  # fmt: skip
def test_what_is_no_message_is_refused(text):
    with pytest.raises(SiteError, match="cannot be understood"):
        read(text)


@given(JSON)
def test_whatever_is_sent_is_a_message_or_refused(value):
    try:
        messages = read(json.dumps(value))
    except NotebookError:
        return
    assert all(isinstance(message, Answer | Notification) for message in messages)


@given(st.sampled_from(sorted(KINDS)) | st.text(max_size=5), JSON)
def test_whatever_is_told_is_an_event_or_nothing(method, params):
    event = event_of(method, params)
    assert event is None or (event.kind in KINDS and event.data() is not None and event.text("text") is not None)


@given(st.binary(max_size=50))
def test_what_holds_no_object_has_no_values(body):
    assert isinstance(values_of(body), dict)
