import csv
import io
import subprocess
import sys
from types import SimpleNamespace

import matplotlib.image
import matplotlib.pyplot
import numpy
import pandas
import polars
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pyramid_notebook.errors import BadResult, NotAcceptable, ResultTooLarge
from pyramid_notebook.functions.values import FORMATS, pack, pack_shown

PNG = b"\x89PNG\r\n\x1a\n"
FRAME = pandas.DataFrame(
    {"name": ["a", None], "size": [1.5, float("nan")], "day": pandas.to_datetime(["2024-02-29", None])}
)


def packed(value, *formats, nan="error", most_bytes=10**7):
    return pack(value, formats or ("json",), nan=nan, most_bytes=most_bytes)


def body(value, *formats, **options):
    return packed(value, *formats, **options).body


@pytest.fixture
def figure():
    drawn, axes = matplotlib.pyplot.subplots(figsize=(2, 1))
    axes.plot([1, 3, 2])
    yield drawn
    matplotlib.pyplot.close(drawn)


def test_the_first_form_that_knows_the_kind_of_value_is_taken():
    assert packed({"a": 1}, "html", "png", "json").content_type == "application/json"
    assert packed(FRAME, "html", "json").content_type == "text/html; charset=utf-8"


def test_where_no_form_knows_it_the_error_says_why_of_each():
    with pytest.raises(BadResult, match=r"dict, which cannot be shown as PNG\. .* CSV is for tables"):
        packed({"a": 1}, "png", "csv")


def test_a_value_that_a_form_knows_but_cannot_tell_is_an_error_and_no_reason_for_another_form():
    with pytest.raises(BadResult, match="NaN"):
        packed([float("nan")], "json", "csv")


@pytest.mark.parametrize(("formats", "nan"), [(("pdf",), "error"), (("json",), "zero")])
def test_unknown_forms_and_policies_are_told_with_the_known_ones(formats, nan):
    with pytest.raises(NotAcceptable, match="Known are: "):
        packed(1, *formats, nan=nan)


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.packed])
def test_each_form_has_values_that_it_knows_and_says_its_type(name, figure):
    value = {"png": figure, "svg": figure, "text": "a", "file": b"a"}.get(name, FRAME.dropna())
    result = packed(value, name)
    assert result.content_type.partition(";")[0] == FORMATS[name].media_type
    assert dict(result.fields)["x-content-type-options"] == "nosniff"
    assert ("content-security-policy" in dict(result.fields)) == (name in ("html", "svg"))
    with pytest.raises(ResultTooLarge, match=r"bytes as .*0 are allowed"):
        packed(value, name, most_bytes=0)


def test_the_size_is_measured_in_bytes_to_the_last():
    assert body("ü" * 10, most_bytes=22) == f'"{"ü" * 10}"'.encode()
    with pytest.raises(ResultTooLarge, match="The result has 22 bytes as JSON, and 21 are allowed"):
        packed("ü" * 10, most_bytes=21)


def test_of_the_executed_notebook_the_value_does_not_matter():
    result = packed(object(), "ipynb")
    assert (result.content_type, result.body) == ("application/x-ipynb+json", b"")
    with pytest.raises(BadResult):
        packed(object(), "json", "ipynb")


# HTML


def test_html_of_a_table_has_all_rows_and_whole_texts():
    frame = pandas.DataFrame({"text": ["<b>" + "x" * 500] * 300})
    for table in (frame, frame["text"], polars.DataFrame({"text": list(frame["text"])})):
        assert body(table, "html").count(b"&lt;b&gt;" + b"x" * 500) == 300


def test_html_of_a_text_shows_it():
    assert b"<pre>&lt;script&gt;</pre>" in body("<script>", "html")


def test_html_of_a_figure_holds_it(figure):
    assert b'src="data:image/png;base64,iVBOR' in body(figure, "html")


def test_html_is_what_an_object_says_of_itself_as_a_document_in_utf8():
    class Shown:
        def _repr_html_(self):
            return "<p>ü</p>"

    told = body(Shown(), "html")
    assert told.startswith(b"<!doctype html>")
    assert "<p>ü</p>".encode() in told
    assert b'<meta charset="utf-8">' in told


def test_html_that_is_a_document_stays_as_it_is():
    class Shown:
        def _repr_html_(self):
            return "\n<!DOCTYPE html><p>"

    assert body(Shown(), "html") == b"\n<!DOCTYPE html><p>"


def test_an_object_may_say_all_in_one_bundle():
    class Shown:
        def _repr_mimebundle_(self, include=None, exclude=None):
            return {"text/html": "<p>", "image/png": "iVBORw0KGgo="}, {"image/png": {"width": 3}}

    assert b"<p>" in body(Shown(), "html")
    assert body(Shown(), "png") == PNG
    with pytest.raises(BadResult, match="cannot be shown as SVG"):
        packed(Shown(), "svg")


def test_what_goes_wrong_within_an_object_is_told():
    class Broken:
        def _repr_html_(self):
            raise KeyError("colour")

    with pytest.raises(BadResult, match="KeyError: 'colour'"):
        packed(Broken(), "html")


def test_an_object_that_has_every_attribute_says_nothing_by_it():
    class Anything:
        def __getattr__(self, name):
            return lambda *_, **__: "<p>"

    with pytest.raises(BadResult, match="cannot be shown as HTML"):
        packed(Anything(), "html")


# Figures


def test_a_figure_its_axes_and_their_lines_are_the_same_picture(figure):
    axes = figure.axes[0]
    told = {body(value, "png") for value in (figure, axes, axes.lines[0], list(axes.lines), numpy.array([axes]))}
    assert len(told) == 1
    assert matplotlib.image.imread(io.BytesIO(told.pop())).shape[2] == 4


def test_a_plot_of_pandas_is_a_figure():
    axes = FRAME.plot(y="size")
    assert body(axes, "svg").startswith(b"<?xml")
    matplotlib.pyplot.close(axes.figure)


def test_the_same_figure_is_the_same_png(figure):
    assert body(figure, "png") == body(figure, "png")


def test_a_picture_of_pillow_is_one():
    assert Image.open(io.BytesIO(body(Image.new("RGB", (3, 4)), "png"))).size == (3, 4)


def test_what_is_said_to_be_a_png_has_to_be_one():
    class Shown:
        def _repr_png_(self):
            return b"<script>"

    with pytest.raises(BadResult, match="PNG is none"):
        packed(Shown(), "png")


def test_json_of_a_figure_names_the_forms_that_it_has(figure):
    with pytest.raises(BadResult, match="Ask for format=png or format=svg or format=html"):
        packed(figure)
    with pytest.raises(BadResult, match=r"\$\.plots\[0\] is of the type matplotlib.* Return it by itself"):
        packed({"plots": [figure]})


# CSV


def rows(value, **options):
    return list(csv.reader(io.StringIO(body(value, "csv", **options).decode(), newline="")))


def test_csv_of_pandas_has_empty_fields_for_what_is_missing():
    assert body(FRAME, "csv") == b"name,size,day\r\na,1.5,2024-02-29T00:00:00\r\n,,\r\n"


def test_csv_tells_infinities_and_the_nan_of_numbers():
    assert rows([[float("inf"), float("nan")]]) == [["Infinity", "NaN"]]
    assert rows(pandas.DataFrame({"a": [float("-inf")]})) == [["a"], ["-Infinity"]]
    assert rows([[float("inf"), float("nan")]], nan="null") == [["", ""]]


@pytest.mark.parametrize(
    "value",
    [
        pandas.DataFrame({"a": [1, 2], "b": ["x", None]}),
        polars.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pyarrow.table({"a": [1, 2], "b": ["x", None]}),
        pyarrow.table({"a": [1, 2], "b": ["x", None]}).to_batches()[0],
        [{"a": 1, "b": "x"}, {"a": 2}],
    ],
)
def test_csv_is_the_same_for_tables_of_all_libraries_and_lists_of_objects(value):
    assert rows(value) == [["a", "b"], ["1", "x"], ["2", ""]]


def test_csv_of_a_series_has_its_index_unless_that_is_the_number_of_the_row():
    assert rows(pandas.Series([1, 2], index=["x", "y"], name="n")) == [["index", "n"], ["x", "1"], ["y", "2"]]
    assert rows(pandas.Series([1, 2])) == [["value"], ["1"], ["2"]]
    assert rows(polars.Series("n", [True, None])) == [["n"], ["true"], [""]]


def test_csv_of_a_list_of_lists_has_no_names():
    assert rows([[1, 'say "a, b"'], ("c\r\nd", True)]) == [["1", 'say "a, b"'], ["c\r\nd", "true"]]
    assert rows(numpy.arange(4).reshape(2, 2)) == [["0", "1"], ["2", "3"]]


@pytest.mark.parametrize("value", [1, "text", {"a": 1}, [1, 2], [[1], {"a": 1}]])
def test_what_is_no_table_has_no_csv(value):
    with pytest.raises(BadResult, match="CSV is for tables"):
        packed(value, "csv")


@pytest.mark.parametrize("value", [[[1, [2]]], [{"a": {}}], polars.DataFrame({"a": [[1]]})])
def test_a_field_of_csv_is_not_a_list_or_an_object(value):
    with pytest.raises(BadResult, match="Row 1 of the table holds"):
        packed(value, "csv")


def test_csv_that_is_too_long_is_not_written_to_its_end():
    with pytest.raises(ResultTooLarge, match="at least"):
        packed(polars.DataFrame({"a": ["x" * 100] * 10_000}), "csv", most_bytes=1000)


cells = st.none() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")) | st.dates()


@given(st.lists(st.tuples(cells, cells), min_size=1))
def test_whatever_the_fields_hold_csv_is_read_back_as_it_was(table):
    texts = [["" if cell is None else str(cell) for cell in row] for row in table]
    assert rows(table) == texts


# Parquet and Arrow

TABLES = [
    FRAME,
    polars.DataFrame({"a": [1, None], "b": [[1], [2, 3]]}),
    pyarrow.table({"a": [1, 2], "b": ["x", None]}),
    pyarrow.table({"a": [1, 2]}).to_batches()[0],
    pandas.Series([1, 2]),
    polars.Series([1, 2]),
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{type(table).__module__}.{type(table).__name__}")
def test_parquet_and_arrow_tell_the_same_table(table):
    stored = pyarrow.parquet.read_table(io.BytesIO(body(table, "parquet")))
    streamed = pyarrow.ipc.open_stream(body(table, "arrow")).read_all()
    assert stored.num_rows == len(table)
    assert stored.to_pylist() == streamed.to_pylist()


def test_a_table_of_pandas_comes_back_as_it_was():
    frame = FRAME.set_index("name")
    pandas.testing.assert_frame_equal(pandas.read_parquet(io.BytesIO(body(frame, "parquet"))), frame)


def test_parquet_of_pandas_needs_pyarrow_and_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadResult, match="needs the package pyarrow"):
        packed(FRAME, "parquet")


@pytest.mark.parametrize("name", ["parquet", "arrow"])
def test_what_is_no_table_has_no_parquet(name):
    with pytest.raises(BadResult, match="for tables of pandas, polars or pyarrow"):
        packed([[1]], name)


def test_what_arrow_refuses_is_told():
    with pytest.raises(BadResult, match="Arrow"):
        packed(pandas.DataFrame({"a": [1, "x"]}), "parquet")


@pytest.mark.parametrize("name", ["json", "csv", "parquet"])
def test_a_query_that_has_not_run_is_no_table_yet(name):
    with pytest.raises(BadResult, match=r"value\.collect\(\)"):
        packed(polars.LazyFrame({"a": [1]}), name)


# Texts and bytes


@pytest.mark.parametrize(
    ("value", "text"), [("ü", "ü"), (3, "3"), (0.1, "0.1"), (True, "true"), (float("nan"), "NaN"), (numpy.int8(3), "3")]
)
def test_a_text_or_a_number_is_told_without_quotes(value, text):
    result = packed(value, "text")
    assert (result.content_type, result.body) == ("text/plain; charset=utf-8", text.encode())


@pytest.mark.parametrize("value", [None, [1], {}, object(), FRAME])
def test_nothing_else_is_told_as_text(value):
    with pytest.raises(BadResult):
        packed(value, "text")


def test_bytes_are_told_only_where_they_are_asked_for():
    assert body(b"\0\xff", "file") == b"\0\xff"
    with pytest.raises(BadResult, match=r"\$ is bytes.*format=file.*Response"):
        packed(b"a")
    with pytest.raises(BadResult, match="format=file is for bytes"):
        packed("a", "file")


# What a kernel shows


def test_what_a_kernel_shows_is_taken_as_it_is():
    assert pack_shown("png", PNG).body == PNG
    assert b"<p>" in pack_shown("html", b"<p>").body
    assert dict(pack_shown("svg", b"<svg/>").fields)["content-security-policy"].startswith("sandbox;")
    with pytest.raises(BadResult):
        pack_shown("png", b"GIF89a")


# The process


def test_nothing_large_is_imported_before_there_is_a_value_of_it():
    code = (
        "import sys; from pyramid_notebook.functions.values import pack\n"
        "pack({'a': [1.5, b'x'.hex()]}, ('json', 'csv', 'html'), most_bytes=99)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    large = {"numpy", "pandas", "polars", "pyarrow", "matplotlib", "pydantic", "PIL", "IPython", "pyramid", "tornado"}
    assert large.isdisjoint(run.stdout.split())


def test_a_file_of_the_user_that_is_called_like_a_library_is_not_taken_for_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=3))
    assert body({"a": 1}) == b'{"a":1}'
