"""What becomes of one value of JSON, and of a query string."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from pyramid_notebook.functions.protocol import EnumMember

from .declaring import COLOR, EVERYTHING, faults, of, only, refused, schema, text, value


@pytest.mark.parametrize(
    ("source", "given", "bound"),
    [
        *(("x: int", 5, 5), ("x: int", "5", 5), ("x: int", 5.0, 5), ("x: int", 10**30, 10**30)),
        *(("x: float", 5, 5.0), ("x: float", "2.5", 2.5), ("x: bool", True, True), ("x: bool", "no", False)),
        *(("x: str", "5", "5"), ("x: Decimal", 1.1, Decimal("1.1")), ("x: Decimal", "1.10", Decimal("1.10"))),
        *(("x: date", "2020-01-02", date(2020, 1, 2)), ("x: time", "08:30", time(8, 30))),
        *(("x: datetime", "2020-01-02T03:04:05", datetime(2020, 1, 2, 3, 4, 5)), ("x: UUID", "0" * 32, UUID(int=0))),
        *(("x: timedelta", 90, timedelta(seconds=90)), ("x: timedelta", "PT1M", timedelta(minutes=1))),
        *(
            ("x: list[int]", ["1", 2], [1, 2]),
            ("x: dict[int, float]", {"1": 2}, {1: 2.0}),
            ("x: set[int]", [1, 1], {1}),
        ),
        *(("x: tuple[int, str]", [1, "a"], (1, "a")), ("x: tuple[int, ...]", [1, 2, 3], (1, 2, 3))),
        *(
            ("x: frozenset[int]", [1], frozenset([1])),
            ("x: list", [1, "a", None], [1, "a", None]),
            ("x: Any", None, None),
        ),
        *(("x: int | str", 5, 5), ("x: int | str", "5", "5"), ("x: int | float", 5.0, 5.0), ("x: float | int", 5, 5)),
        *(("x: int | bool", True, True), ("x: bool | int", 1, 1), ("x: Optional[int]", None, None)),
        *(
            ("x: int | list[int]", [1], [1]),
            ("x: Union[date, None]", "2020-01-02", date(2020, 1, 2)),
            ("x: None", None, None),
        ),
        *(("x: Literal[1, 'a', True]", True, True), ("x: Literal[True, 1]", 1, 1), ("x: Literal[-1]", -1, -1)),
    ],
)
def test_json_becomes_what_the_annotation_says(source, given, bound):
    found = value(source, given)
    assert found == bound
    assert type(found) is type(bound)


@pytest.mark.parametrize(
    ("source", "given"),
    [
        *(
            ("x: int", True),
            ("x: int", 2.5),
            ("x: int", "a"),
            ("x: int", None),
            ("x: int", [1]),
            ("x: int", "9" * 5000),
        ),
        *(
            ("x: float", True),
            ("x: float", float("nan")),
            ("x: float", "inf"),
            ("x: float", "1e999"),
            ("x: float", 10**400),
        ),
        *(("x: bool", 2), ("x: str", 5), ("x: Decimal", True), ("x: Decimal", "NaN"), ("x: UUID", 5)),
        *(("x: date", 0), ("x: date", "0"), ("x: date", "2020"), ("x: date", "2020-13-01"), ("x: date", True)),
        *(("x: datetime", 5), ("x: datetime", "1577836800"), ("x: time", 5), ("x: time", "90"), ("x: timedelta", True)),
        *(("x: timedelta", 1e300), ("x: timedelta", "a"), ("x: list", {}), ("x: list", "ab"), ("x: dict", [])),
        *(("x: tuple[int, str]", [1]), ("x: set", [[1]]), ("x: Literal[1]", True), ("x: Literal[1]", 1.0)),
        *(("x: Literal[1]", "1"), ("x: Literal[True]", 1), ("x: Literal['a']", ["a"]), ("x: int | str", True)),
        *(("x: None", 5), ("x: None", ""), ("x = None", float("nan")), ("x: list", [[float("inf")]])),
        *(("x: Annotated[int, Field(ge=0)]", -1), ("x: Annotated[str, Field(pattern='^a$')]", "b")),
        *(("x: Annotated[list[int], Field(max_length=1)]", [1, 2]), ("x: Annotated[int | None, Field(gt=0)]", 0)),
    ],
)
def test_what_does_not_fit_is_refused(source, given):
    ((name, code),) = refused(source, given)
    assert name.partition("/")[0] == "x"
    assert code


def test_an_enum_is_given_by_value_or_by_name():
    for told in ("red", "RED"):
        assert value(COLOR + "x: Color", told) == EnumMember("Color", "RED")
    assert value(COLOR + "x = Color.GREEN", "red") == EnumMember("Color", "RED")
    assert only(COLOR + "x = Color.GREEN").default == EnumMember("Color", "GREEN")
    assert value(COLOR + "x: list[Color]", ["red", "GREEN"]) == [
        EnumMember("Color", "RED"),
        EnumMember("Color", "GREEN"),
    ]
    assert refused(COLOR + "x: Color", "blue") == [("x", "enum")]
    assert refused(COLOR + "x: Color", {}) == [("x", "enum")]


def test_a_value_of_an_enum_counts_before_a_name():
    source = "class E(str, Enum):\n    A = 'B'\n    B = 'A'\nx: E"
    assert value(source, "B") == EnumMember("E", "A")


def test_enums_of_numbers_of_what_json_has_not_and_with_auto():
    source = "class E(IntEnum):\n    'doc'\n    _ignore_ = []\n    A = auto()\n    B = 5\n    C = auto()\n"
    source += "    def f(self): pass\nx: E"
    assert [value(source, told).name for told in (1, 5, 6, "C")] == ["A", "B", "C", "C"]
    assert text(source, "6") == EnumMember("E", "C")
    assert value("class E(StrEnum):\n    AbC = auto()\nx: E", "abc") == EnumMember("E", "AbC")
    assert schema("class E(Enum):\n    A = (1, 2)\n    B = 3\nx: E = E.A") == {"enum": ["A", 3], "default": "A"}
    assert value("class E(Enum):\n    A = True\n    B = 2\nx: E", True) == EnumMember("E", "A")
    assert refused("class E(Enum):\n    A = 1\nx: E", True) == [("x", "enum")]


@pytest.mark.parametrize(
    ("source", "texts", "bound"),
    [
        *(("x: int", ["5"], 5), ("x: float", ["5"], 5.0), ("x: str", ["5"], "5"), ("x: str", [""], "")),
        *(
            ("x: bool", ["true"], True),
            ("x: bool", ["0"], False),
            ("x: bool", ["No"], False),
            ("x: bool", ["on"], True),
        ),
        *(("x: date", ["2020-01-02"], date(2020, 1, 2)), ("x: timedelta", ["90"], timedelta(seconds=90))),
        *(("x: timedelta", ["-1.5"], timedelta(seconds=-1.5)), ("x: timedelta", ["PT1H"], timedelta(hours=1))),
        *(("x: list[int]", ["1", "2"], [1, 2]), ("x: list[int]", ["1"], [1]), ("x: set[str]", ["a", "a"], {"a"})),
        *(("x: tuple[int, str]", ["1", "2"], (1, "2")), ("x: list[dict[str, int]]", ['{"a": 1}'], [{"a": 1}])),
        *(("x: list[list[int]]", ["[1]", "[2]"], [[1], [2]]), ("x: dict", ['{"a": [1]}'], {"a": [1]})),
        *(("x: dict[str, date]", ['{"a": "2020-01-02"}'], {"a": date(2020, 1, 2)}), ("x = None", ["5"], "5")),
        *(("x = None", ["5", "6"], ["5", "6"]), ("x: int | str", ["5"], 5), ("x: int | str", ["a"], "a")),
        *(("x: str | int", ["5"], "5"), ("x: int | None", [""], None), ("x: str | None", [""], "")),
        *(
            ("x: int | list[int]", ["5"], 5),
            ("x: int | list[int]", ["5", "6"], [5, 6]),
            ("x: list[int] | None", ["5"], [5]),
        ),
        *(
            ("x: Literal[1, 'a']", ["1"], 1),
            ("x: Literal[True, None]", ["true"], True),
            ("x: Literal[True, None]", [""], None),
        ),
        *(("x: dict | str", ["a"], "a"), ("x: list[int | None]", ["", "1"], [None, 1]), ("x: None", [""], None)),
        *(("x: int | float", ["5.5"], 5.5), ("x: list[Literal[1, 2]]", ["2"], [2]), ("x: Any", ["null"], "null")),
    ],
)
def test_text_becomes_what_the_annotation_says(source, texts, bound):
    found = text(source, *texts)
    assert found == bound
    assert type(found) is type(bound)


@pytest.mark.parametrize(
    ("source", "texts", "code"),
    [
        *(
            ("x: int", ["1", "2"], "repeated"),
            ("x: dict", ["{}", "{}"], "repeated"),
            ("x: int | None", ["1", "1"], "repeated"),
        ),
        *(
            ("x: int", [""], "int_parsing"),
            ("x: bool", ["maybe"], "bool_parsing"),
            ("x: float", ["nan"], "finite_number"),
        ),
        *(
            ("x: dict", ["{"], "json_invalid"),
            ("x: dict", ['{"a": NaN}'], "json_invalid"),
            ("x: dict", ["[1]"], "dict_type"),
        ),
        *(("x: dict", ["[" * 100_000], "json_invalid"), ("x: dict", ["[" * 200 + "]" * 200], "json_invalid")),
        *(("x: dict", ["9" * 5000], "json_invalid"), ("x: dict[str, float]", ['{"a": 1e999}'], "json_invalid")),
        *(
            ("x: Literal[1]", ["01"], "literal_error"),
            ("x: date", ["2020"], "date_type"),
            ("x: None", ["a"], "none_required"),
        ),
    ],
)
def test_text_that_does_not_fit_is_refused(source, texts, code):
    assert faults(of(source).bind_query, [("x", text) for text in texts]) == [("x", code)]


def test_a_query_with_too_many_values_is_refused():
    assert faults(of("x: list[int]").bind_query, [("x", "1")] * 10_001) == [("", "too_many")]


def test_a_parameter_tells_how_a_query_says_it():
    styles = {parameter.name: parameter.style for parameter in of(EVERYTHING).parameters}
    assert {name: style for name, style in styles.items() if style != "text"} == {
        **dict.fromkeys(("numbers", "pair", "unique", "colors"), "list"),
        **dict.fromkeys(("table", "counts"), "json"),
        **dict.fromkeys(("anything", "mixed"), "mixed"),
    }
    assert [parameter.name for parameter in of("a = 1\nb = [1]").parameters if parameter.is_list] == ["b"]
