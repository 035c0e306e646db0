"""What kernels send, as what a shared notebook can hold."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Map

from pyramid_notebook.server.execution.messages import event_of, output_of, unpacked

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON, st.booleans())
def test_everything_can_be_shared(value: Any, ascii_only: bool) -> None:
    packed = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace")
    shared: Any = Doc().get("map", type=Map)
    shared["value"] = unpacked(packed)
    assert "value" in shared


def test_what_can_be_shared_is_not_touched() -> None:
    content = {"text": "é😀", "n": [1, 2.5, None, True]}
    assert unpacked(json.dumps(content).encode()) == content


def test_halves_of_characters_become_question_marks() -> None:
    packed = b'{"text": "a\\ud800b"}'
    assert unpacked(packed) == {"text": "a?b"}


def test_only_texts_are_told_but_all_types() -> None:
    output = output_of("display_data", {"data": {"text/plain": "p", "image/png": "aGk="}, "metadata": {}})
    assert event_of("c", output) == {
        "event": "display",
        "cell": "c",
        "data": {"text/plain": "p"},
        "types": ["text/plain", "image/png"],
    }


def test_a_message_without_its_fields_is_still_an_output() -> None:
    assert output_of("error", {}) == {"output_type": "error", "ename": "", "evalue": "", "traceback": []}
    assert output_of("execute_result", {})["execution_count"] is None
