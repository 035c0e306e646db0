"""What a call binds to the parameters of a notebook, and how a schema tells them."""

import json
import pickle
import sys
import time as clock
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_notebook.errors import BadParameters, NotAFunction
from pyramid_notebook.functions.signature import Signature

from .declaring import EVERYTHING, faults, of, refused, schema, value


def test_only_what_was_given_is_bound():
    assert of("a = 1\nb = 2").bind({"b": 3}) == {"b": 3}
    assert of("a = 1").bind({}) == {}
    assert of().bind({}) == {}


def test_all_faults_are_told_at_once():
    signature = of("a: int\nb: list[int]\nc: dict[str, int] = {}\nd: int\ncount = 1")
    given = {"a": "x", "b": [1, "x", True], "c": {"k": "x"}, "coumt": 1, "zzz": 2}
    assert faults(signature.bind, given) == [
        *(("a", "int_parsing"), ("b/1", "int_parsing"), ("b/2", "int_type"), ("c/k", "int_parsing")),
        *(("d", "missing"), ("coumt", "unknown"), ("zzz", "unknown")),
    ]
    with pytest.raises(BadParameters, match="coumt: Unknown; did you mean count"):
        signature.bind(given)


@pytest.mark.parametrize(
    "name",
    [
        "a=1; import os",
        "class",
        "__builtins__",
        "_x",
        "a.b",
        "",
        "x" * 10_000_000,
        "\ud800",
        "\uff41",
        "token",
        "A",
        "a\n",
    ],
)
def test_only_declared_names_can_be_bound(name):
    signature = of("a = 1")
    begun = clock.monotonic()
    for bind in (signature.bind, lambda given: signature.bind_query(list(given.items()))):
        with pytest.raises(BadParameters) as caught:
            bind({name: "1"})
        (fault,) = caught.value.faults
        assert (fault.code, len(fault.name) < 110) == ("unknown", True)
        fault.name.encode()
    assert clock.monotonic() - begun < 1


def test_many_faults_are_counted_and_not_all_told():
    begun = clock.monotonic()
    assert len(faults(of("a = 1").bind, dict.fromkeys(map(str, range(200_000))))) == 21
    assert faults(of("a: list[int]").bind, {"a": ["x"] * 200_000}) == [("a/0", "int_parsing"), ("a", "many")]
    assert faults(of("a: dict[str, int]").bind, {"a": dict.fromkeys(map(str, range(9000)), "x")}) == [("a", "many")]
    assert clock.monotonic() - begun < 20


def test_messages_echo_no_values_and_tell_no_addresses():
    signature = of(EVERYTHING)
    secret = "hunter2" * 50
    given = dict.fromkeys((parameter.name for parameter in signature.parameters if parameter.name != "s"), secret)
    del given["anything"]
    given |= {"table": {secret * 10: secret}}
    del given["either"]
    with pytest.raises(BadParameters) as caught:
        signature.bind(given)
    for fault in caught.value.faults:
        assert "hunter2" not in fault.message
        assert "http" not in fault.message
        assert len(fault.name) + len(fault.message) < 700


def test_values_that_are_nested_too_deeply_are_refused_and_leak_no_recursion_error():
    deep = 0
    for _ in range(100):
        deep = [deep]
    assert pickle.loads(pickle.dumps(value("x = None", deep))) == deep
    for _ in range(5000):
        deep = [deep]
    for source in ("x = None", "x: list", "x: list[list]", "x: int", "x: int | list"):
        assert refused(source, deep) == [("x", "not_plain")]


def test_times_with_a_zone_have_one_of_the_standard_library():
    found = value("x: datetime", "2020-01-02T03:04:05+02:00")
    assert found == datetime(2020, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert type(found.tzinfo).__module__ == "datetime"
    assert b"pydantic" not in pickle.dumps(
        of(EVERYTHING).bind({"i": 1, "when": "2020-01-01T00:00:00Z", "at": "08:00Z"})
    )


def test_a_bind_is_quick():
    signature = of(EVERYTHING)
    given = {"i": 5, "f": 1, "numbers": [1, 2, 3], "color": "red", "d": "2020-01-02"}
    signature.bind(given)
    times = []
    for _ in range(200):
        begun = clock.perf_counter()
        signature.bind(given)
        times.append(clock.perf_counter() - begun)
    assert min(times) < 0.0002


def test_the_schema_tells_types_defaults_and_what_is_required():
    told = of(EVERYTHING).json_schema()
    assert (told["type"], told["required"], told["additionalProperties"]) == ("object", ["i"], False)
    properties = told["properties"]
    assert properties["i"] == {"type": "integer"}
    assert properties["d"] == {"type": "string", "format": "date", "default": "2020-01-02"}
    assert properties["span"] == {"type": "string", "format": "duration", "default": "PT1H"}
    assert properties["key"]["default"] == "12345678-1234-5678-1234-567812345678"
    assert properties["money"]["default"] == "1.5"
    assert properties["color"] == {"type": "string", "enum": ["red", "green"], "default": "red"}
    assert properties["size"] == {"enum": ["s", 3, True, None], "default": "s"}
    assert properties["unique"]["default"] == ["a", "b"]
    assert properties["limited"] == {"type": "integer", "minimum": 0, "maximum": 10, "default": 3}
    assert properties["maybe"] == {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    json.dumps(told, allow_nan=False)


def test_the_limits_of_an_optional_type_are_those_of_its_schema():
    found = schema("x: Annotated[int | str | None, Field(ge=1)]")
    assert found == {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}, {"type": "null"}]}


def test_defaults_that_json_has_not_are_not_told():
    for source in ("x = 1e999", "x = [1e999]", "x = {'a': 1e999}", "x = {'a': 2j}", "x = [b'a']", "x = UUID('a')"):
        assert "default" not in schema(source), source


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["2020-01-02", "1", "", "red", "true", "PT1H", "08:30", "nan", "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
known_names = st.sampled_from([parameter.name for parameter in of(EVERYTHING).parameters])
SIGNATURE = of(EVERYTHING)


@given(st.dictionaries(known_names | st.text(max_size=5), json_values, max_size=6))
def test_any_json_object_is_bound_or_refused(given):
    try:
        bound = SIGNATURE.bind(given)
    except BadParameters as error:
        assert error.faults
        assert json.dumps([[fault.name, fault.message, fault.code] for fault in error.faults]).encode()
        return
    assert set(bound) == set(given)
    assert "i" in bound
    pickle.dumps(bound)


@given(st.lists(st.tuples(known_names | st.text(max_size=5), st.text(max_size=8) | json_values.map(str)), max_size=8))
@example([("i", "1"), ("table", "{}")])
def test_any_query_is_bound_or_refused(pairs):
    try:
        bound = SIGNATURE.bind_query(pairs)
    except BadParameters as error:
        assert error.faults
        return
    assert set(bound) == {name for name, _ in pairs}


@given(st.integers(), st.lists(st.integers(), min_size=1), st.text(), st.dates(), st.booleans(), st.datetimes())
def test_what_is_written_as_text_is_read_as_it_was(number, numbers, string, day, flag, moment):
    pairs = [("i", str(number)), ("s", string), ("d", day.isoformat()), ("b", str(flag)), ("when", moment.isoformat())]
    pairs += [("numbers", str(item)) for item in numbers]
    assert SIGNATURE.bind_query(pairs) == {
        "i": number,
        "s": string,
        "d": day,
        "b": flag,
        "when": moment,
        "numbers": numbers,
    }


pieces = st.sampled_from(
    [
        *(
            "x",
            "y",
            ":",
            "=",
            " ",
            "\n",
            "int",
            "str",
            "[",
            "]",
            "(",
            ")",
            "|",
            "3",
            "'a'",
            "%",
            "!",
            "?",
            "#",
            "\\",
            "\r",
        ),
        *(
            "Literal",
            "Optional",
            "Annotated",
            "Field",
            "ge=",
            "date",
            "class E(Enum):\n A = 1\n",
            "x: ",
            " = ",
            ", ",
            "\0",
        ),
        *("x: int = 3\n", "import datetime as y\n", "%%time\n", "%%bash\n", '"""', "'", "None", "...", "tuple", "dict"),
    ]
)


@given(st.lists(st.lists(pieces, max_size=12).map("".join) | st.text(max_size=20), max_size=3))
def test_any_text_of_cells_is_a_signature_or_is_refused(sources):
    try:
        signature = Signature.of(sources)
    except NotAFunction:
        return
    assert len(signature.names_by_cell) == len(sources)
    declared = {parameter.name for parameter in signature.parameters}
    assert declared == {name for cell in signature.names_by_cell for name in cell}
    assert all(name.isidentifier() and not name.startswith("_") for name in declared)
    json.dumps(signature.json_schema(), allow_nan=False)


types = st.recursive(
    st.sampled_from(
        ["int", "str", "float", "bool", "date", "Decimal", "None", "Any", "Literal[1, 'a']", "UUID", "time"]
    ),
    lambda inner: (
        st.tuples(
            st.sampled_from(["list[{}]", "Optional[{}]", "set[{}]", "dict[str, {}]", "tuple[{}, ...]"]), inner
        ).map(lambda both: both[0].format(both[1]))
        | st.tuples(inner, inner).map(" | ".join)
        | st.tuples(inner, inner).map(lambda both: f"tuple[{both[0]}, {both[1]}]")
    ),
    max_leaves=5,
)


@given(types, json_values, st.lists(st.text(max_size=5), min_size=1, max_size=3))
def test_any_type_of_known_parts_is_understood_and_reads_or_refuses_anything(annotation, given, texts):
    signature = of(f"x: {annotation}")
    json.dumps(signature.json_schema(), allow_nan=False)
    for bind, told in ((signature.bind, {"x": given}), (signature.bind_query, [("x", text) for text in texts])):
        try:
            assert set(bind(told)) == {"x"}
        except BadParameters as error:
            assert error.faults


def test_pydantic_is_not_loaded_with_the_package(run_python):
    done = run_python("import sys, pyramid_notebook; print('pydantic' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr
    assert sys.modules["pydantic"]
