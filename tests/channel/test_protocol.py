"""What kernel and page tell each other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.channel.protocol import DEEPEST, LARGEST, Frame, decode, encode, pack, unpack
from pyramid_notebook.errors import BadFrame, Unsendable

INTEGERS = st.integers(-(2**53), 2**53)
TEXTS = st.text(st.characters(codec="utf-8"))
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS | st.binary(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20
)
JUNK = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=10)


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


@given(VALUES)
def test_a_value_arrives_as_it_was_sent(value: Any) -> None:
    packed = pack(value)
    frame = decode(encode(Frame({"type": "result", **packed.fields("value")}, packed.payload)))
    assert unpack(frame.header["value"], frame.header.get("buffers"), frame.payload) == value


@given(st.binary() | st.text())
def test_junk_is_a_bad_frame_or_a_frame_and_nothing_else(message: str | bytes) -> None:
    try:
        frame = decode(message)
    except BadFrame:
        return
    assert isinstance(frame.type, str)


@given(JUNK, JUNK, st.binary())
def test_wrong_places_of_bytes_are_a_bad_frame_and_nothing_else(value: Any, places: Any, payload: bytes) -> None:
    try:
        unpack(value, places, payload)
    except BadFrame:
        return


@given(VALUES, st.data())
def test_a_message_that_was_cut_is_a_bad_frame_or_lacks_bytes_that_are_missed(value: Any, data: st.DataObject) -> None:
    packed = pack(value)
    message = encode(Frame({"type": "result", **packed.fields("value")}, packed.payload))
    cut = message[: data.draw(st.integers(0, len(message) - 1))]
    with pytest.raises(BadFrame):
        frame = decode(cut)
        unpack(frame.header["value"], frame.header.get("buffers"), frame.payload)


@given(st.sampled_from([float("nan"), float("inf"), -float("inf")]))
def test_what_json_lacks_is_refused_by_name_and_place(number: float) -> None:
    with pytest.raises(Unsendable, match=r"\['speed'\]\[1\] is (nan|inf|-inf)"):
        pack({"speed": [1, number]})


@pytest.mark.parametrize("value", [{1: 2}, {1, 2}, object(), 1j, 2**53 + 1], ids=lambda value: type(value).__name__)
def test_what_javascript_cannot_have_is_refused(value: Any) -> None:
    with pytest.raises(Unsendable):
        pack(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(Unsendable, match="or itself"):
        pack(value)


def test_the_deepest_value_that_is_sent_can_be_read() -> None:
    value = nested(DEEPEST + 1)
    frame = decode(encode(Frame({"type": "result", "value": pack(value).value})))
    assert frame.header["value"] == value
    with pytest.raises(Unsendable, match="levels"):
        pack(nested(DEEPEST + 2))


def test_half_of_a_surrogate_pair_is_unsendable() -> None:
    with pytest.raises(Unsendable, match="surrogate"):
        encode(Frame({"type": "result", "value": "\ud83d"}))


def test_a_message_that_is_too_large_is_unsendable_with_its_size() -> None:
    encode(Frame({"type": "x"}, bytes(LARGEST - len('{"type":"x"}'))))
    with pytest.raises(Unsendable, match="16,777,217 bytes"):
        encode(Frame({"type": "x"}, bytes(LARGEST - len('{"type":"x"}') + 1)))


def test_a_header_in_another_encoding_is_a_bad_frame() -> None:
    header = json.dumps({"type": "call"}).encode("utf-16")
    with pytest.raises(BadFrame):
        decode(len(header).to_bytes(4, "big") + header)


@pytest.mark.parametrize("text", ["NaN", '{"type":"x","value":NaN}', "[" * 100_000, "1" * 5000, '{"type":1}', "null"])
def test_a_header_that_is_no_strict_json_object_with_a_type_is_a_bad_frame(text: str) -> None:
    with pytest.raises(BadFrame):
        decode(text)


def test_bytes_of_any_kind_come_back_as_bytes() -> None:
    packed = pack([b"ab", bytearray(b"c"), memoryview(b"def")[::2], b""])
    assert unpack(packed.value, packed.buffers, packed.payload) == [b"ab", b"c", b"df", b""]


def test_bytes_never_take_the_place_of_a_value() -> None:
    with pytest.raises(BadFrame, match="where there is a value"):
        unpack([1], [[[0], 1]], b"x")


def test_a_large_number_of_javascript_is_a_float_that_can_be_sent_again() -> None:
    value = decode('{"type":"result","value":47930497871232930}').header["value"]
    assert (value, type(value)) == (47930497871232930.0, float)
    assert pack(value).value == value
