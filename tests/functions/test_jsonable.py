import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import types
import uuid
from typing import Any

import numpy
import pandas
import polars
import pyarrow
import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_notebook.errors import BadResult, ResultTooLarge
from pyramid_notebook.functions.values import pack
from pyramid_notebook.functions.values.durations import duration
from pyramid_notebook.functions.values.walker import MOST_LEVELS

NAN = float("nan")


def told(value, nan="error", most_bytes=10**7):
    """Return what a client reads, with a reader that takes nothing but JSON."""
    return json.loads(pack(value, ("json",), nan=nan, most_bytes=most_bytes).body, parse_constant=pytest.fail)


def refused(value, **options):
    with pytest.raises(BadResult) as caught:
        told(value, **options)
    return str(caught.value)


class Colour(enum.Enum):
    RED = "red"
    DAY = datetime.date(2024, 2, 29)


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int
    rest: Any = None
    count: dataclasses.InitVar[int] = 0


class Town(pydantic.BaseModel):
    name: str
    founded: datetime.date
    tags: set[str] = set()


Pair = collections.namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("ü\u2028</script>", "ü\u2028</script>"),
        (2**70, 2**70),
        (0.1, 0.1),
        ((1, (2, [3])), [1, [2, [3]]]),
        ({3, 1, 2}, [1, 2, 3]),
        ({"a", 1}, ["a", 1]),
        (frozenset(), []),
        (range(3), [0, 1, 2]),
        (collections.deque([1]), [1]),
        ({"a": 1}.values(), [1]),
        ({"a": 1}.keys(), ["a"]),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (collections.ChainMap({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
        (Colour.RED, "red"),
        (Colour.DAY, "2024-02-29"),
        ([Level.HIGH], [3]),
        (Point(1, [Point(2)]), {"x": 1, "rest": [{"x": 2, "rest": None}]}),
        (Pair(1, [2]), {"left": 1, "right": [2]}),
        (Town(name="Ulm", founded="0854-07-22"), {"name": "Ulm", "founded": "0854-07-22", "tags": []}),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=datetime.UTC), "2024-02-29T01:02:03+00:00"),
        (datetime.time(1, 2, 3, 4), "01:02:03.000004"),
        (datetime.timedelta(days=1, hours=2, microseconds=500_000), "P1DT2H0.5S"),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.Path("a/b"), "a/b"),
    ],
)
def test_what_python_has_becomes_what_one_expects(value, expected):
    assert told(value) == expected
    assert told({"nested": [value]}) == {"nested": [expected]}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (1, "1"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        (Colour.RED, "red"),
        (Level.HIGH, "3"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.10"), "1.10"),
        (numpy.int64(7), "7"),
        (numpy.float64(0.5), "0.5"),
        (numpy.datetime64("2024-02-29"), "2024-02-29"),
        (pandas.Timestamp("2024-02-29"), "2024-02-29T00:00:00"),
    ],
)
def test_a_key_is_told_as_its_text(key, name):
    assert told({key: 0}) == {name: 0}


@pytest.mark.parametrize("keys", [(1, "1"), (True, "true"), (None, "null"), (1, numpy.int8(1).astype(str).item())])
def test_two_keys_with_one_text_are_refused(keys):
    assert "$.a are both told as" in refused({"a": dict.fromkeys(keys)})


@pytest.mark.parametrize("key", [(1, 2), frozenset({1}), Point(1), b"a"])
def test_a_key_that_has_no_text_is_refused(key):
    with pytest.raises(BadResult, match=r"\$"):
        told({key: 1})


@pytest.mark.parametrize("number", [NAN, math.inf, -math.inf, numpy.float32("nan"), decimal.Decimal("NaN")])
def test_nan_and_infinities_are_refused_with_their_place_unless_the_request_says_otherwise(number):
    value = {"a": [1, 2, 3, {"b c": number}]}
    assert refused(value).startswith("$.a[3]['b c'] is ")
    assert "nan=null or nan=text" in refused(value)
    assert told(value, nan="null")["a"][3] == {"b c": None}
    assert told(value, nan="text")["a"][3]["b c"] in {"NaN", "Infinity", "-Infinity"}


def test_nan_as_a_key_is_refused_too():
    assert refused({NAN: 1}) == "A key of $ is NaN. Ask for nan=null or nan=text, or replace it in the notebook."
    assert told({NAN: 1}, nan="text") == {"NaN": 1}


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (b"a", "return Response"),
        (bytearray(b"a"), "return Response"),
        (memoryview(b"a"), "return Response"),
        (numpy.bytes_(b"a"), "return Response"),
        (1j, "value.real"),
        (numpy.complex64(1j), "value.real"),
        ((number for number in ()), r"list\(value\)"),
        (map(str, ()), r"list\(value\)"),
        (object(), "Return numbers, texts"),
        (print, "builtin_function_or_method"),
        (Point, "the type type"),
        (Colour, "Return numbers, texts"),
        (math, "the type module"),
        (pandas.Interval(0, 1), "its two ends"),
    ],
)
def test_what_has_no_word_in_json_is_refused_with_its_place_and_what_to_do(value, advice):
    with pytest.raises(BadResult, match=rf"^\$\.a\[1\] is .*{advice}"):
        told({"a": [0, value]})


def test_a_class_that_can_make_plain_values_is_told_how():
    class Tensor:
        def tolist(self):
            return []

    assert "Return value.tolist()." in refused(Tensor())


def test_no_value_is_told_by_its_repr():
    class Sneaky:
        def __str__(self):
            raise AssertionError

        __repr__ = __str__

    assert "Sneaky" in refused([Sneaky()])


def test_what_holds_itself_is_refused():
    ring: list[Any] = []
    ring.append({"again": ring})
    assert refused(ring) == "$[0].again holds itself, and JSON cannot tell that."
    array = numpy.array([None], dtype=object)
    array[0] = array
    assert "holds itself" in refused(array)


def test_what_is_there_twice_is_told_twice():
    shared = [1]
    assert told([shared, shared]) == [[1], [1]]


def test_depth_has_a_limit_that_is_told():
    value: Any = 0
    for _ in range(MOST_LEVELS):
        value = {"a": value}
    assert told(value)
    assert f"more than {MOST_LEVELS} levels" in refused([value])
    for _ in range(100_000):
        value = [value]
    assert f"more than {MOST_LEVELS} levels" in refused(value)


def test_half_a_character_is_refused():
    assert refused({"a": ["\ud800"]}) == "$.a[0] is a text with half a character, which has no UTF-8."
    assert refused({"a": {"\udfff": 1}}).startswith("A key of $.a is a text with half")


def test_a_number_with_too_many_digits_is_refused():
    assert "4300 digits" in refused([10**5000])


@pytest.mark.parametrize("value", [range(10**15), numpy.zeros((10**4, 10**5), dtype=bool), ["x" * 10**7] * 10**6])
def test_what_is_far_too_long_is_refused_before_it_is_gone_through(value):
    with pytest.raises(ResultTooLarge, match="at least"):
        told(value)


def test_a_list_that_grows_when_it_is_told_is_refused_early():
    value: Any = 1
    for _ in range(40):
        value = [value] * 10
    with pytest.raises(ResultTooLarge):
        told(value, most_bytes=100_000)


# numpy


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (numpy.int64(2**62), 2**62),
        (numpy.uint64(2**64 - 1), 2**64 - 1),
        (numpy.bool(True), True),
        (numpy.float64(0.1), 0.1),
        (numpy.float32(0.5), 0.5),
        (numpy.longdouble(0.5), 0.5),
        (numpy.str_("a"), "a"),
        (numpy.array(3), 3),
        (numpy.array("a"), "a"),
        (numpy.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (numpy.array([[0.5], [1.5]]), [[0.5], [1.5]]),
        (numpy.zeros((0, 3)), []),
        (numpy.array([1, "a", None, [2]], dtype=object), [1, "a", None, [2]]),
        (numpy.array(["a"], dtype=numpy.dtypes.StringDType()), ["a"]),
        (numpy.array(["2024-02-29", "NaT"], dtype="M8[D]"), ["2024-02-29", None]),
        (numpy.datetime64("2024-02-29T01:02:03.5"), "2024-02-29T01:02:03.500"),
        (numpy.array([90, "NaT"], dtype="m8[m]"), ["PT1H30M", None]),
        (numpy.timedelta64(-14, "M"), "-P14M"),
        (numpy.timedelta64(3, "15ns"), "PT0.000000045S"),
        (numpy.array([(1, "a")], dtype=[("n", int), ("t", "U1")]), [{"n": 1, "t": "a"}]),
        (numpy.ma.array([1, 2], mask=[False, True]), [1, None]),
        (numpy.ma.masked, None),
    ],
)
def test_numpy(value, expected):
    assert told(value) == expected
    assert told({"nested": [value]}) == {"nested": [expected]}


def test_nan_in_an_array_is_told_with_its_place():
    assert refused({"m": numpy.array([[0, 1], [NAN, 3]])}).startswith("$.m[1][0] is NaN")
    assert told(numpy.array([NAN, 1]), nan="null") == [None, 1]


# pandas, polars, pyarrow


def test_a_table_becomes_records():
    frame = pandas.DataFrame({"n": [1, 2], "t": ["a", "b"], 3: [True, False]})
    assert told(frame) == [{"n": 1, "t": "a", "3": True}, {"n": 2, "t": "b", "3": False}]
    assert told({"of": polars.DataFrame({"n": [1, None]})}) == {"of": [{"n": 1}, {"n": None}]}
    assert told(pyarrow.table({"n": [1, None]})) == [{"n": 1}, {"n": None}]
    assert told(pandas.DataFrame(index=range(2))) == [{}, {}]
    assert told(pandas.DataFrame({"n": []})) == []


def test_an_index_is_told_unless_it_is_the_number_of_the_row():
    frame = pandas.DataFrame({"n": [1, 2, 3]})
    assert told(frame[frame.n > 2]) == [{"n": 3}]
    assert [row["index"] for row in told(frame.describe())][:2] == ["count", "mean"]
    assert told(frame.groupby(frame.n % 2).sum().rename_axis("odd")) == [{"odd": 0, "n": 2}, {"odd": 1, "n": 4}]
    levels = frame.assign(a="x").set_index(["a", "n"]).assign(v=0)
    assert told(levels)[0] == {"a": "x", "n": 1, "v": 0}


def test_a_series_is_an_object_unless_its_index_is_the_number_of_the_row_or_ambiguous():
    assert told(pandas.Series([1, 2])) == [1, 2]
    assert told(pandas.Series([1, 2], index=["x", "y"])) == {"x": 1, "y": 2}
    assert told(pandas.Series(["b", "a", "b"]).value_counts()) == {"b": 2, "a": 1}
    assert told(pandas.Series([1, 2], index=["x", "x"])) == [1, 2]
    assert told(pandas.Series([1], index=pandas.to_datetime(["2024-02-29"]))) == {"2024-02-29T00:00:00": 1}


def test_what_a_table_misses_is_null_where_it_can_be_nothing_else():
    frame = pandas.DataFrame(
        {
            "text": ["a", None],
            "day": pandas.to_datetime(["2024-02-29", None]),
            "whole": pandas.array([1, None], dtype="Int64"),
            "kind": pandas.Categorical(["k", None]),
            "object": pandas.Series([[1], None], dtype=object),
        }
    )
    assert told(frame)[1] == dict.fromkeys(frame.columns)
    assert told([pandas.NaT, pandas.NA]) == [None, None]


def test_nan_among_the_numbers_of_a_table_is_refused_with_column_count_and_place():
    text = refused({"t": pandas.DataFrame({"size": [1.0, NAN, NAN]})})
    assert text.startswith(
        "The column 'size' has 2 of 3 values that JSON has no word for; the first is $.t[1].size, NaN."
    )
    assert "nan=null" in text
    assert told(pandas.DataFrame({"size": [1.0, NAN]}), nan="null") == [{"size": 1.0}, {"size": None}]
    assert "'size'" in refused(polars.DataFrame({"size": [NAN]}))


def test_names_of_columns_that_clash_or_have_levels_are_refused():
    assert '"a"' in refused(pandas.DataFrame([[1, 2]], columns=["a", "a"]))
    assert '"1"' in refused(pandas.DataFrame([[1, 2]], columns=[1, "1"]))
    assert "reset_index" in refused(pandas.DataFrame([[1]], columns=pandas.MultiIndex.from_tuples([("a", "b")])))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pandas.Timestamp("2024-02-29T01:02:03.000000004", tz="UTC"), "2024-02-29T01:02:03.000000004+00:00"),
        (pandas.Timedelta(days=-1, nanoseconds=1), "-PT23H59M59.999999999S"),
        (pandas.Period("2024-02"), "2024-02"),
        (pandas.Index(["a", None]), ["a", None]),
        (pandas.MultiIndex.from_tuples([(1, "a")]), [[1, "a"]]),
        (pandas.array([1, None], dtype="Int64"), [1, None]),
        (polars.Series([{"a": [datetime.date(2024, 2, 29)]}]), [{"a": ["2024-02-29"]}]),
        (polars.Series([datetime.timedelta(minutes=3), None]), ["PT3M", None]),
        (pyarrow.array([decimal.Decimal("1.10")]), ["1.10"]),
        (pyarrow.chunked_array([[1], [2]]), [1, 2]),
        (pyarrow.scalar(3), 3),
    ],
)
def test_other_values_of_tables(value, expected):
    assert told(value) == expected


def test_bytes_in_a_table_are_refused_with_their_place():
    assert refused(polars.DataFrame({"a": [b"x"]})).startswith("$[0].a is bytes")


# Properties

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=30,
)


@given(plain)
def test_what_json_has_words_for_comes_back_as_it_was(value):
    assert told(value) == value


anything = st.recursive(
    st.none()
    | st.floats()
    | st.text()
    | st.binary()
    | st.complex_numbers()
    | st.decimals()
    | st.datetimes()
    | st.timedeltas(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.dates(), inner)
    ),
    max_leaves=20,
)


@given(anything, st.sampled_from(["error", "null", "text"]))
def test_any_value_is_json_or_an_error_with_a_text(value, nan):
    try:
        told(value, nan=nan)
    except BadResult as error:
        assert str(error)


@given(plain, st.integers(0, 200))
def test_a_result_within_the_limit_passes_and_none_beyond_it(value, most_bytes):
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    try:
        body = pack(value, ("json",), most_bytes=most_bytes).body
    except ResultTooLarge:
        assert size > most_bytes
    else:
        assert len(body) == size <= most_bytes


@given(st.timedeltas())
@example(datetime.timedelta(microseconds=-1))
def test_a_duration_is_read_back_as_it_was(value):
    text = told(value)
    assert pydantic.TypeAdapter(datetime.timedelta).validate_python(text) == value


@pytest.mark.parametrize(
    ("ticks", "digits", "text"),
    [
        (0, 0, "PT0S"),
        (86_400, 0, "P1D"),
        (3601, 0, "PT1H1S"),
        (-250, 3, "-PT0.25S"),
        (1, 18, "PT0.000000000000000001S"),
    ],
)
def test_durations_are_written_as_iso_8601_has_it(ticks, digits, text):
    assert duration(ticks, digits) == text
