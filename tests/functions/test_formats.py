import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.errors import NotAcceptable
from pyramid_notebook.functions.values.formats import FORMATS, negotiate

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
IMAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "formats"),
    [
        ("", ("json",)),
        ("*/*", ("json",)),
        ("application/json", ("json",)),
        ("Application/JSON; charset=utf-8", ("json",)),
        (CHROME, ("html", "json")),
        (IMAGE, ("svg", "png", "json")),
        ("text/csv;q=0.5, application/json;q=0.4", ("csv", "json")),
        ("text/csv, application/json", ("csv", "json")),
        ("application/json, text/csv", ("json", "csv")),
        ("image/*", ("png", "svg")),
        ("application/*", ("json", "parquet", "arrow")),
        ("text/*;q=0.5, text/csv;q=0", ("html", "text")),
        ("text/*;q=0.5, text/csv", ("csv", "html", "text")),
        ("*/*, application/json;q=0.1, image/png;q=0.3", ("png", "json")),
        ("application/x-ipynb+json", ("ipynb",)),
        ("application/octet-stream", ("file",)),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", ("html", "json")),
        ('application/json;profile="a,b;q=0", text/csv;q=0.1', ("json", "csv")),
        ("application/problem+json, application/json", ("json",)),
        ("text/csv;q=2, image/png", ("png",)),
        ("*/csv, image/png", ("png",)),
    ],
)
def test_the_accept_field_says_which_forms_in_which_order(accept, formats):
    assert negotiate(accept) == formats


@pytest.mark.parametrize("accept", ["garbage", ",,", "text/csv;q=much", '"', "; q=1"])
def test_an_accept_field_that_cannot_be_read_counts_as_none(accept):
    assert negotiate(accept) == ("json",)


@pytest.mark.parametrize("accept", ["video/mp4", "application/json;q=0", "application/json;q=0, */*", "text/*;q=0"])
def test_where_nothing_is_acceptable_the_error_names_what_there_is(accept):
    with pytest.raises(NotAcceptable, match=r"parquet \(application/vnd.apache.parquet\)") as caught:
        negotiate(accept)
    assert caught.value.status == 406


@pytest.mark.parametrize("name", FORMATS)
def test_the_query_wins_over_the_accept_field(name):
    assert negotiate("video/mp4", name) == (name,)


@pytest.mark.parametrize("name", ["pdf", "JSON", "image/png", " ", "x" * 9999])
def test_an_unknown_name_in_the_query_is_told_with_the_known_ones(name):
    with pytest.raises(NotAcceptable, match="Known are: json") as caught:
        negotiate("*/*", name)
    assert len(str(caught.value)) < 600


types = st.sampled_from([form.media_type for form in FORMATS.values()] + ["*/*", "text/*", "image/*", "video/mp4"])
weights = st.sampled_from(["", ";q=0", ";q=0.5", ";q=1.0", ';a="x,y";q=0.3', "; Q=0.7"])


@given(st.lists(st.tuples(types, weights).map("".join)).map(", ".join) | st.text())
def test_whatever_the_field_holds_there_are_known_names_once_each_or_a_refusal(accept):
    try:
        names = negotiate(accept)
    except NotAcceptable:
        return
    assert names
    assert len(set(names)) == len(names)
    assert FORMATS.keys() >= set(names)


@given(st.permutations(["text/csv;q=0.9", "image/png;q=0.8", "application/json;q=0.7"]))
def test_weights_count_more_than_the_order(members):
    assert negotiate(",".join(members)) == ("csv", "png", "json")
