"""The table of methods: its schemas, how parameters are checked, and the document that is made of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pyramid_notebook.errors import BadArguments, NoMethod
from pyramid_notebook.rpc.methods import METHODS, method_of
from pyramid_notebook.rpc.openrpc import document


@pytest.mark.parametrize("name", METHODS)
def test_each_method_has_schemas_that_are_ones(name: str) -> None:
    method = METHODS[name]
    Draft202012Validator.check_schema(dict(method.schema))
    Draft202012Validator.check_schema(dict(method.result))
    assert set(method.required) <= set(method.params)
    assert list(method.params)[: len(method.required)] == list(method.required)  # by position, what must be there


@pytest.mark.parametrize("name", METHODS)
def test_each_default_fits_its_schema(name: str) -> None:
    for schema in METHODS[name].params.values():
        if "default" in schema:
            Draft202012Validator(dict(schema)).validate(schema["default"])


@pytest.mark.parametrize("name", METHODS)
def test_no_method_takes_a_parameter_that_it_does_not_know(name: str) -> None:
    with pytest.raises(BadArguments) as caught:
        METHODS[name].checked({"unknown_thing": 1})
    assert any("unknown_thing" in error["message"] for error in caught.value.data["errors"])


def test_params_by_position_are_those_by_name() -> None:
    assert method_of("execute").checked(["s", "1+1", True]) == {"session": "s", "code": "1+1", "silent": True}


def test_too_many_params_are_told() -> None:
    with pytest.raises(BadArguments, match="1 parameters at most; here are 2"):
        method_of("interrupt").checked(["s", 1])


def test_all_faults_are_told_with_their_places() -> None:
    with pytest.raises(BadArguments) as caught:
        method_of("complete").checked({"session": 1, "cursor": -1, "wait": "x"})
    errors = caught.value.data["errors"]
    assert [error["path"] for error in sorted(errors, key=lambda error: error["path"])] == [
        *("", "cursor", "session", "wait"),
    ]


def test_a_fault_does_not_repeat_what_is_long() -> None:
    with pytest.raises(BadArguments) as caught:
        method_of("execute").checked({"session": "s", "code": ["x" * 1_000_000]})
    assert len(json.dumps(dict(caught.value.data))) < 1000


def test_a_method_that_nobody_knows_is_named() -> None:
    with pytest.raises(NoMethod, match="There is no method 'exec'"):
        method_of("exec")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(sorted(METHODS)).flatmap(
        lambda name: st.tuples(
            st.just(name),
            st.lists(_json, max_size=8)
            | st.dictionaries(st.sampled_from([*METHODS[name].params, "other"]), _json, max_size=8),
        )
    )
)
def test_whatever_the_params_they_fit_or_the_faults_are_told(case: tuple) -> None:
    name, params = case
    try:
        found = METHODS[name].checked(params)
    except BadArguments as error:
        assert error.data["errors"]
    else:
        Draft202012Validator(dict(METHODS[name].schema)).validate(found)


def test_the_document_has_every_method_with_its_schemas() -> None:
    told = document()
    assert told["openrpc"].startswith("1.")
    assert [one["name"] for one in told["methods"]] == list(METHODS)
    for one in told["methods"]:
        method = METHODS[one["name"]]
        assert [param["name"] for param in one["params"]] == list(method.params)
        assert [param["name"] for param in one["params"] if param["required"]] == list(method.required)
        assert one["result"]["schema"] == method.result
        assert one["summary"].endswith(".")
    assert json.loads(json.dumps(told)) == told
