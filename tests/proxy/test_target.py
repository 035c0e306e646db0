from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.proxy.target import raw_target


def environ_of(raw, *, key="REQUEST_URI", script_name=""):
    path, _, query = raw.partition("?")
    decoded = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    return {key: raw, "SCRIPT_NAME": script_name, "PATH_INFO": decoded.removeprefix(script_name), "QUERY_STRING": query}


@pytest.mark.parametrize("key", ["REQUEST_URI", "RAW_URI"])
@pytest.mark.parametrize("raw", ["/a%2Fb%20c/?x=y%20z", "/%e4%F6", "/a//b?", "/?a=?b", "/~!$&'()*+,;=:@"])
def test_a_raw_target_stays_as_it_came(key, raw):
    assert raw_target(environ_of(raw, key=key)) == raw


def test_a_site_below_a_prefix_keeps_it():
    assert raw_target(environ_of("/site/a%20b", script_name="/site")) == "/site/a%20b"


@pytest.mark.parametrize("start", ["http://example.com", "HTTPS://user@example.com:8443"])
def test_of_the_absolute_form_the_path_and_query_are_kept(start):
    environ = environ_of("/a%2Fb?c=%20")
    environ["REQUEST_URI"] = start + "/a%2Fb?c=%20"
    assert raw_target(environ) == "/a%2Fb?c=%20"


def test_what_was_authorised_goes_upstream_where_the_raw_path_says_otherwise():
    environ = {"REQUEST_URI": "/notebook/bob/../alice/é?x", "PATH_INFO": "/notebook/alice/\xe9", "QUERY_STRING": "x=1"}
    assert raw_target(environ) == "/notebook/alice/%E9?x=1"


def test_without_a_raw_target_the_path_is_quoted_anew():
    assert raw_target({"PATH_INFO": "/a b/\xc3\xa9%?", "QUERY_STRING": ""}) == "/a%20b/%C3%A9%25%3F"


def test_a_fragment_never_leaves():
    environ = environ_of("/a")
    environ["REQUEST_URI"] = "/a#b?c"
    assert raw_target(environ) == "/a"


@given(st.text(max_size=30), st.text(st.characters(max_codepoint=255), max_size=30), st.text(max_size=20))
def test_the_target_is_one_word_that_decodes_to_the_authorised_path(raw, path, query):
    target = raw_target({"REQUEST_URI": raw, "PATH_INFO": "/" + path, "QUERY_STRING": query})
    assert all("\x20" < character < "\x7f" for character in target)
    assert unquote_to_bytes(target.partition("?")[0]).decode("latin-1") == "/" + path
