"""HTML as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.console.html_text import Paragraph, Table, parse_html

TAGS = ("p", "div", "table", "thead", "tr", "td", "th", "ul", "ol", "li", "pre", "br", "script", "a", "img", "caption")
PIECES = st.lists(
    st.sampled_from([f"<{tag}>" for tag in TAGS] + [f"</{tag}>" for tag in TAGS] + ["<", "&amp;", "<td colspan=3>"])
    | st.text(max_size=5),
    max_size=40,
)


def text_of(html):
    return "\n".join(block.text for block in parse_html(html) if isinstance(block, Paragraph))


def test_blocks_are_paragraphs_and_spaces_are_one():
    assert text_of("<h1>Title</h1>\n<p>one\n  two <b>three</b></p>four<br>five") == "Title\none two three\nfour\nfive"


def test_a_table_has_its_head_and_rows():
    html = """<table border="1"><thead><tr><th></th><th>a</th></tr></thead>
      <tbody><tr><th>0</th><td>1.5</td></tr><tr><th>1</th><td></td></tr></tbody></table><p>2 rows</p>"""
    assert parse_html(html) == [Table((("", "a"),), (("0", "1.5"), ("1", ""))), Paragraph("2 rows")]


def test_a_first_row_of_titles_is_a_head():
    html = "<table><tr><th>x<th>y<tr><td>1<td>2</table>"
    assert parse_html(html) == [Table((("x", "y"),), (("1", "2"),))]


def test_a_cell_over_several_columns_leaves_the_others_in_their_place():
    html = "<table><tr><td colspan=2>wide</td><td>c</td></tr></table>"
    assert parse_html(html) == [Table((), (("wide", "", "c"),))]


def test_a_table_within_a_table_is_text():
    html = "<table><tr><td>a<table><tr><td>b</td><td>c</td></tr></table></td><td>d</td></tr></table>"
    assert parse_html(html) == [Table((), (("a b c", "d"),))]


def test_lists_have_bullets_and_numbers():
    html = "<ul><li>a<li>b<ol><li>one<li>two</ol></ul>"
    assert text_of(html) == "• a\n• b\n  1. one\n  2. two"


def test_code_keeps_its_spaces():
    assert text_of("<pre>if x:\n    y\n</pre>") == "if x:\n    y"


def test_scripts_styles_and_hidden_parts_say_nothing():
    html = "<style>p{}</style><script>alert('<p>')</script><p hidden>no</p><div>yes</div>"
    assert text_of(html) == "yes"


def test_images_and_links_are_told():
    html = '<img alt="a plot"> <a href="https://example.com/x">here</a> <a href="javascript:alert()">there</a>'
    assert text_of(html) == "[a plot] here (https://example.com/x) there"


@given(PIECES)
def test_any_text_is_html(pieces):
    for block in parse_html("".join(pieces)):
        if isinstance(block, Table):
            assert block.head or block.rows
        else:
            assert block.text.strip()


@given(st.lists(st.lists(st.text(st.characters(categories=["L", "N"]), max_size=5), min_size=1), min_size=1))
def test_the_cells_of_a_table_are_all_there(rows):
    html = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    assert parse_html(f"<table>{html}</table>") == [Table((), tuple(tuple(row) for row in rows))]
