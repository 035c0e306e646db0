"""Which lines of a cell declare parameters, and of which types."""

import time as clock
from datetime import date, datetime, time, timedelta
from itertools import pairwise

import pytest

from pyramid_notebook.errors import NotAFunction
from pyramid_notebook.functions.protocol import EnumMember
from pyramid_notebook.functions.signature import MISSING

from .declaring import COLOR, names, of, only, refused, schema, text, value


def test_an_annotation_an_annotation_with_a_default_and_a_literal_declare():
    first, second, third = of("x: int\ny: float = 1\nz = 3").parameters
    assert (first.required, first.default, first.annotation) == (True, MISSING, "int")
    assert (second.required, second.default, second.annotation) == (False, 1, "float")
    assert (third.required, third.default, third.annotation) == (False, 3, "")


@pytest.mark.parametrize(
    "line",
    [
        *("b = a * 2", "x = load()", "e = a == 1", "h = dict(x=1)", "p, q = 1, 2", "x += 1", "_x = 1", "__x: int"),
        *("import x", "def x(): pass", "class x: pass", "if True:\n    x = 1", "for x in [1]: y = 2", "x.y = 3"),
        *("x[0] = 1", "x.y: int = 3", "(x): int = 3", 'x = f"{a}"', 'x = b"a"', "x = 2j", "x = ...", "x", "f(x)"),
        *("x = date.today()", "x = date(*a)", "x = date(2020, month, 1)", "x = date(2020, 13, 1)", "# x = 1"),
        *("x = [a]", "x = await f()", "x = lambda: 1", "del x", "Size = Literal[1]", "Size: TypeAlias = int"),
        'x = Decimal("a")',
        "x = timedelta(days=10**10)",
    ],
)
def test_everything_else_just_runs(line):
    assert names(line) == []


def test_several_declarations_stand_in_a_line_and_several_names_before_a_literal():
    assert names("f=2.5; g=3\na = b = 1") == ["f", "g", "a", "b"]


@pytest.mark.parametrize(
    ("source", "default", "type_"),
    [
        *(("x = 3", 3, "integer"), ("x = -3", -3, "integer"), ("x = 2.5", 2.5, "number")),
        *(("x = 'a'", "a", "string"), ("x = True", True, "boolean"), ("x = {'a': 1}", {"a": 1}, "object")),
        *(("x = [1]", [1], "array"), ("x = (1, 'a')", (1, "a"), "array"), ("x = {1}", {1}, "array")),
        *(("x = date(2020, 1, 2)", date(2020, 1, 2), "string"), ("x = time(8)", time(8), "string")),
        *(("x = datetime.datetime(2020, 1, 2)", datetime(2020, 1, 2), "string"), ("x = None", None, None)),
        ("x = timedelta(minutes=1)", timedelta(minutes=1), "string"),
    ],
)
def test_a_default_tells_the_type(source, default, type_):
    assert only(source).default == default
    assert schema(source).get("type") == type_


def test_the_items_of_a_literal_list_tell_the_type_of_its_items_if_they_are_of_one():
    assert text("x = [1, 2]", "5") == [5]
    assert text("x = [1, 2.5]", "5") == [5.0]
    assert text("x = [1, 'a']", "5") == ["5"]
    assert text("x = []", "5", "6") == ["5", "6"]
    assert value("x = [[1], [2]]", [[3]]) == [[3]]


def test_a_default_of_none_allows_none():
    assert value("x: int = None", None) is None
    assert refused("x: int = None", "a") == [("x", "int_parsing")]
    assert value("x = None", [{"a": 1}]) == [{"a": 1}]


def test_the_parameters_of_a_cell_in_the_manner_of_papermill_are_understood():
    source = (
        "msg = None\na: float = 2.25 # Variable a\nb = [\n 'Hello', # First\n# no\n 'World'\n] # type: List[str] Nice"
    )
    source += " list\n"
    found = of(source + 'c: "NoneType" = None\nd = a == 3').parameters
    assert [(parameter.name, parameter.annotation, parameter.description) for parameter in found] == [
        *(("msg", "", ""), ("a", "float", "Variable a"), ("b", "List[str]", "Nice list"), ("c", "'NoneType'", "")),
    ]


def test_a_default_that_is_an_expression_needs_an_annotation_and_is_not_told():
    parameter = only("x: int = load()")
    assert (parameter.required, parameter.default) == (False, MISSING)
    assert "default" not in parameter.schema


def test_a_default_that_contradicts_its_annotation_is_not_told_in_the_schema():
    assert schema("x: int = 'a'") == {"type": "integer"}


def test_a_later_expression_in_the_cell_is_a_default_that_nobody_knows():
    assert not only("x: int\nx = load()").required
    assert only("x = 3\nx = x * 2").default is MISSING
    assert only("x = 3\nx += 1").default is MISSING
    assert only("x: int\nx, y = load()").default is MISSING
    assert only("x: int\nif a:\n    x = 3").required


def test_a_name_that_is_declared_twice_keeps_its_type_and_has_the_last_default():
    parameter = only("x: float  # how far\nx = 3")
    assert (parameter.annotation, parameter.required, parameter.default) == ("float", False, 3)
    assert parameter.description == "how far"
    (parameter,) = of("x: float", "x = None").parameters
    assert (parameter.annotation, parameter.default) == ("float", None)
    assert of("x: float", "x = None").bind({"x": None}) == {"x": None}


def test_each_cell_tells_its_names_once_in_order():
    signature = of("b = 1\na = 2\nb = 3", "", "a = 5\nc: int")
    assert signature.names_by_cell == (("b", "a"), (), ("a", "c"))
    assert [parameter.name for parameter in signature.parameters] == ["b", "a", "c"]


def test_an_expression_in_a_later_cell_does_not_make_a_parameter_optional():
    signature = of("x: int", "x = x * 2")
    assert signature.parameters[0].required
    assert signature.names_by_cell == (("x",), ())


def test_comments_and_annotations_describe():
    found = of(
        "a: int  # how many\nb = 1; c = 2  #: two\nd: Annotated[int, 'text']\ne = [\n  1,  # one\n]  # list\n"
        "f: Annotated[int, Field(description='field')] = 1\ng = 1  # noqa: E501\nh = '# no'\n# alone\ni = 1"
    ).parameters
    described = {parameter.name: parameter.description for parameter in found}
    assert described == dict(
        zip("abcdefghi", ["how many", "two", "two", "text", "list", "field", "", "", ""], strict=True)
    )
    assert found[0].schema["description"] == "how many"


def test_a_type_comment_tells_the_type_and_prose_that_looks_like_one_does_not():
    assert text("x = 1  # type: float a number", "2.5") == 2.5
    assert only("x = 1  # type: float a number").description == "a number"
    assert schema("x = 1  # type: of fruit")["type"] == "integer"
    assert schema("x = 1  # type: ignore")["type"] == "integer"


def test_magics_shell_lines_and_help_do_not_hide_parameters():
    source = '%matplotlib inline\n!echo "it\'s" \\\n  (\na = 1\nfiles = !ls\n%time b\nprint?\n?a\nx = %env HOME\nc: int'
    assert names(source) == ["a", "c"]


def test_what_looks_like_a_magic_inside_of_a_text_stays():
    assert only('x = """\n%d\n!a\n"""').default == "\n%d\n!a\n"
    assert names("%matplotlib\nx = (5\n%3)\ny = '''\n%a'''") == ["y"]


def test_cell_magics_that_run_python_do_not_hide_parameters():
    assert names("%%time\nx = 1") == ["x"]
    assert names("%%capture out\n%%time\nx = 1") == ["x"]


def test_a_cell_of_another_language_is_refused():
    with pytest.raises(NotAFunction, match="%%bash"):
        of("%%bash\nx=1")


def test_line_ends_and_an_indented_cell_are_understood():
    assert names("a = 1\r\nb = 2\rc = 3") == ["a", "b", "c"]
    assert names("\n  a = 1\n  b = 2") == ["a", "b"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1\ny = = 2", "The cell with parameters, line 2"),
        ("x = 'a", "line 1"),
        ("x = (1", "line 1"),
        ("x = '\ud800'", "no Python"),
        ("x = 1\0", ""),
        ("x = " + "-" * 10_000 + "1", ""),
        ("x = " + "(" * 500 + ")" * 500, ""),
        ("x = " + "1+" * 20_000 + "1", None),
        ("x = " + "9" * 5000, "line 1"),
        ("%a\n" * 40_000, "more than"),
        ("%a\n" * 30_000, "too"),
    ],
)
def test_a_cell_that_is_no_python_is_refused_with_its_line(source, told):
    begun = clock.monotonic()
    try:
        assert names(source) == []
    except NotAFunction as error:
        assert told is None or told in str(error)
    else:
        assert told is None
    assert clock.monotonic() - begun < 30


def test_of_several_cells_the_error_names_the_one():
    with pytest.raises(NotAFunction, match="Parameters cell 2, line 1: y: the type Foo is not known"):
        of("x = 1", "y: Foo")


@pytest.mark.parametrize(
    ("source", "type_"),
    [
        *(("x: 'int'", "int"), ("x: typing.List[int]", "list"), ("x: List[int]", "list"), ("x: object", "any")),
        *(("import datetime as dt\nx: dt.date", "date"), ("from datetime import date as D\nx: D", "date")),
        *(("import datetime\nx: datetime.datetime", "datetime"), ("x: datetime.date", "date")),
        *(("import typing as t\nx: t.Any", "any"), ("from typing_extensions import Any as A\nx: A", "any")),
        *(
            ("import typing_extensions as t\nx: t.Any", "any"),
            ("import collections.abc\nx: collections.abc.Sequence", "list"),
        ),
        *(("Number = int\nx: Number", "int"), ("Number: TypeAlias = 'int'\nx: Number", "int")),
        *(("x: decimal.Decimal", "Decimal"), ("import uuid\nx: uuid.UUID", "UUID"), ("x: Union[int]", "int")),
        *(
            ("x: Annotated[int, 5, f()]", "int"),
            ("x: 'Annotated[int, Field(ge=1)]'", "int"),
            ("x: tuple[int, ...]", "tuple"),
        ),
    ],
)
def test_types_are_known_by_their_names_however_they_were_imported(source, type_):
    (parameter,) = of(source).parameters
    assert getattr(parameter.kind, "shape", getattr(parameter.kind, "name", "")) == type_


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x: Foo", "x: the type Foo is not known. Known are int, float"),
        ("x: pd.DataFrame = load()", "pd.DataFrame is not known"),
        ("x: Path", "write str"),
        ("import pathlib\nx: pathlib.Path", "write str"),
        ("class A: pass\nx: A", "A is a class of the notebook, and no Enum"),
        ("def int(): pass\nx: int", "int is a function"),
        ("from numpy import int\nx: int", "the type int is not known"),
        ("import datetime\nx: datetime", "the type datetime is not known"),
        ("x: bytes", "bytes is not known"),
        ("x: 'a b'", "no Python"),
        ("x: (lambda: int)()", "not known"),
        ("x: __import__('os').system('true')", "not known"),
        ("x: [int]", "not known"),
        ("x: int[str]", "not known"),
        ("x: list[int, str]", "not known"),
        ("x: dict[str]", "not known"),
        ("x: dict[list, int]", "keys of a dict"),
        ("x: Optional[int, str]", "not known"),
        ("x: tuple[()]", "not known"),
        ("x: tuple[int, ..., int]", "not known"),
        ("x: Literal[a]", "values of Literal"),
        ("x: Literal[1.5]", "values of Literal"),
        ("A = B\nB = A\nx: A", "made of itself"),
        (
            "A = int | str\n" + "".join(f"{b} = tuple[{a}, {a}]\n" for a, b in pairwise("ABCDEFGHIJKLMNO")) + "x: O",
            "too large",
        ),
        ("x: Annotated[int, Field(3)]", "default belongs"),
        ("x: Annotated[int, Field(alias='y')]", "Field can have description, ge"),
        ("x: Annotated[int, Field(**a)]", "Field can have"),
        ("x: Annotated[int, Field(ge=a)]", "ge of Field must be a literal"),
        ("x: Annotated[int, Field(ge=1e999)]", "ge of Field must be a literal"),
        ("x: Annotated[int, Field(min_length=1)]", "min_length of Field means nothing"),
        ("x: Annotated[bool, Field(ge=1)]", "ge of Field means nothing"),
        ("x: Annotated[int, Field(ge='a')]", "the limits of x do not work"),
        ("x: Annotated[int, Field(multiple_of=0)]", "the limits of x do not work"),
        ("x: Annotated[str, Field(pattern='(')]", "the limits of x do not work"),
        ("x: Annotated[str, Field(pattern='(?=a)')]", "the limits of x do not work"),
        ("x: Annotated[list, Field(min_length=-1)]", "the limits of x do not work"),
        ("class E(Enum): pass\nx: E", "E has no members"),
        ("class E(Enum):\n  A = f()\nx: E", "E has a member, A, which is no literal"),
    ],
)
def test_a_type_that_nobody_knows_is_refused_with_its_name(source, told):
    with pytest.raises(NotAFunction) as caught:
        of(source)
    assert told in str(caught.value)


def test_cells_before_may_import_types_and_define_enums_and_need_not_be_python():
    signature = of("x: D\ny: Color", before=["import datetime\nfrom datetime import date as D", "%%bash\n(", COLOR])
    assert signature.bind({"x": "2020-01-02", "y": "red"}) == {"x": date(2020, 1, 2), "y": EnumMember("Color", "RED")}


def test_nothing_in_a_cell_is_run(tmp_path):
    mark = tmp_path / "mark"
    source = f"x: __import__('pathlib').Path({str(mark)!r}).touch() = 1"
    with pytest.raises(NotAFunction):
        of(source)
    assert names(f"x = __import__('pathlib').Path({str(mark)!r}).touch()") == []
    assert not mark.exists()
