import io
import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.errors import BadResult, ResultTooLarge
from pyramid_notebook.functions.protocol import Result
from pyramid_notebook.functions.values import pack
from pyramid_notebook.functions.values.response import SANDBOX, Response, check_type, disposition, secured


def packed(value, *formats, most_bytes=10**6):
    return pack(value, formats or ("json",), most_bytes=most_bytes)


def fields(result):
    return dict(result.fields)


def test_a_response_sets_status_and_fields_of_a_value():
    result = packed(Response({"found": False}, status=404, headers={"X-Searched": "42", "Cache-Control": "max-age=60"}))
    assert (result.status, result.content_type, result.body) == (404, "application/json", b'{"found":false}')
    assert fields(result) == {
        "x-searched": "42",
        "cache-control": "private, max-age=60",
        "x-content-type-options": "nosniff",
    }


def test_without_a_word_about_caches_a_result_is_not_stored():
    assert fields(packed(1))["cache-control"] == "no-store"


def test_the_value_of_a_response_comes_in_the_form_that_is_asked_for():
    result = packed(Response([{"a": 1}], status=201), "csv")
    assert (result.status, result.content_type, result.body) == (201, "text/csv; charset=utf-8", b"a\r\n1\r\n")


def test_a_content_type_that_is_a_forms_wins_over_what_is_asked_for():
    result = packed(Response([{"a": 1}], content_type="text/csv"), "json")
    assert (result.content_type, result.body) == ("text/csv; charset=utf-8", b"a\r\n1\r\n")


@pytest.mark.parametrize("kind", ["application/geo+json", "application/json; charset=utf-8"])
def test_types_made_of_json_are_json(kind):
    result = packed(Response("a", content_type=kind))
    assert (result.content_type, result.body) == (kind, b'"a"')


@pytest.mark.parametrize("value", [b"\0\xff", bytearray(b"\0\xff"), memoryview(b"\0\xff"), io.BytesIO(b"\0\xff")])
def test_bytes_are_sent_as_they_are_whatever_is_asked_for(value):
    result = packed(Response(value, content_type="application/x-hdf5"), "json")
    assert (result.content_type, result.body) == ("application/x-hdf5", b"\0\xff")


def test_bytes_of_which_nothing_is_known_are_just_bytes():
    assert packed(Response(b"{}")).content_type == "application/octet-stream"


def test_a_text_with_a_type_of_its_own_is_sent_as_it_is_in_utf8():
    result = packed(Response("# Ü", content_type="text/markdown"))
    assert (result.content_type, result.body) == ("text/markdown; charset=utf-8", "# Ü".encode())


def test_a_text_in_another_charset_is_refused_where_it_is_made():
    with pytest.raises(ValueError, match="latin-1"):
        Response("Ü", content_type="text/plain; charset=latin-1")
    assert packed(Response(b"\xdc", content_type="text/plain; charset=latin-1")).body == b"\xdc"


def test_a_type_that_is_not_a_forms_needs_a_text_or_bytes():
    with pytest.raises(BadResult, match="application/xml needs a text or bytes"):
        packed(Response({"a": 1}, content_type="application/xml"))


def test_a_response_without_content_has_no_body():
    result = packed(Response(status=204))
    assert (result.status, result.body) == (204, b"")
    with pytest.raises(ValueError, match="204"):
        Response("text", status=204)


def test_a_filename_makes_the_browser_save_it_and_tells_the_type():
    result = packed(Response(b"PK", filename="all.zip"))
    assert result.content_type == "application/zip"
    assert fields(result)["content-disposition"] == 'attachment; filename="all.zip"'


def test_a_file_is_sent_with_its_name_and_type(tmp_path):
    (tmp_path / "plot.png").write_bytes(b"pixels")
    result = packed(Response(file=tmp_path / "plot.png"))
    assert (result.content_type, result.body) == ("image/png", b"pixels")
    assert fields(result)["content-disposition"] == 'inline; filename="plot.png"'


@pytest.mark.parametrize("name", ["code.js", "data.csv.gz", "unknown", "module.wasm"])
def test_a_file_whose_type_is_unknown_or_would_run_is_just_bytes(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    assert packed(Response(file=str(tmp_path / name))).content_type == "application/octet-stream"


def test_a_file_that_is_too_long_is_not_read(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ResultTooLarge, match="1,099,511,627,776 bytes as file, and 1,000 are"):
        packed(Response(file=tmp_path / "large"), most_bytes=1000)


def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing"):
        with pytest.raises(BadResult, match="file of the response"):
            packed(Response(file=path))


def test_a_response_has_a_value_or_a_file():
    with pytest.raises(ValueError, match="not both"):
        Response(1, file="a")


@pytest.mark.parametrize("status", [100, 101, 199, 206, 300, 301, 304, 401, 407, 600, 0, -200])
def test_a_notebook_does_not_redirect_upgrade_or_ask_for_passwords(status):
    with pytest.raises(ValueError, match=f"status {status}"):
        Response(1, status=status)


@pytest.mark.parametrize("status", [True, "200", 200.0, None])
def test_a_status_is_a_whole_number(status):
    with pytest.raises(TypeError):
        Response(1, status=status)


@pytest.mark.parametrize("kind", ["text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml", "application/xhtml+xml"])
@pytest.mark.parametrize("value", ["<script>alert(1)</script>", b"<script>alert(1)</script>"])
def test_documents_run_nothing_and_have_no_origin(kind, value):
    result = packed(Response(value, content_type=kind))
    assert fields(result)["content-security-policy"] == SANDBOX
    assert "allow-" not in SANDBOX


@pytest.mark.parametrize("kind", ["application/xml", "text/xml", "application/rss+xml", "text/xsl", "x/unknown"])
def test_what_is_not_known_to_be_inert_is_treated_as_a_document(kind):
    assert fields(packed(Response(b"x", content_type=kind)))["content-security-policy"] == SANDBOX


@pytest.mark.parametrize("kind", ["application/pdf", "image/png", "text/plain", "video/mp4", "application/json"])
def test_inert_types_are_not_restricted_and_never_guessed(kind):
    told = fields(packed(Response(b"x", content_type=kind)))
    assert "content-security-policy" not in told
    assert told["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "kind",
    [
        *("text/javascript", "application/javascript", "Application/X-JavaScript", "text/ecmascript", "text/jscript"),
        *("text/javascript1.5", "text/javascript; charset=utf-8", "application/wasm", "multipart/x-mixed-replace"),
    ],
)
def test_types_that_a_page_of_the_site_could_run_are_refused(kind):
    with pytest.raises(ValueError, match="could run it"):
        Response(b"x", content_type=kind)


@pytest.mark.parametrize(
    "kind", ["", "html", "text/", "/html", "*/*", "text/*", "a/b\r\nX: y", "a/b;", "a/b; c", 'a/b; c="', "ä/b", "a/b\n"]
)
def test_what_is_no_content_type_is_refused(kind):
    with pytest.raises(ValueError, match="no content type"):
        Response(b"x", content_type=kind)


@pytest.mark.parametrize(
    "name",
    [
        *("Set-Cookie", "Location", "Content-Security-Policy", "Content-Length", "Transfer-Encoding", "Connection"),
        *("Access-Control-Allow-Origin", "Service-Worker-Allowed", "Clear-Site-Data", "Refresh", "WWW-Authenticate"),
        *("Content-Type", "Content-Encoding", "Vary", "Strict-Transport-Security", "X-Frame-Options", "SourceMap"),
        *("X-Accel-Redirect", "x-accel-buffering", "X-Sendfile", "X-Sendfile2", "X-LiteSpeed-Location"),
        *("X-Forwarded-For", "X-Pyramid-Notebook-Secret", "X-Content-Type-Options", "X-Original-URL", "X-SourceMap"),
    ],
)
def test_fields_that_speak_for_the_site_or_to_its_server_are_refused(name):
    with pytest.raises(ValueError, match=name):
        Response(1, headers={name: "1"})


@pytest.mark.parametrize("name", ["ETag", "Last-Modified", "Content-Language", "Link", "Retry-After", "X-Rows"])
def test_fields_of_the_answer_alone_pass(name):
    assert fields(packed(Response(1, headers={name: 7})))[name.lower()] == "7"


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\0", "ä", "\x7f"])
def test_a_field_cannot_smuggle_another_one(value):
    with pytest.raises(ValueError, match="character"):
        Response(1, headers={"X-A": value})
    with pytest.raises(ValueError, match="character"):
        Response(1, headers={f"X-{value}": "a"})


def test_a_result_is_never_kept_for_others():
    for value in ("public", "max-age=9, Public", "s-maxage=5"):
        with pytest.raises(ValueError, match="Cache-Control"):
            Response(1, headers={"cache-control": value})


def test_fields_are_few_short_and_there_once():
    with pytest.raises(ValueError, match="at most 50"):
        Response(1, headers={f"X-{number}": "" for number in range(51)})
    with pytest.raises(ValueError, match="8,192"):
        Response(1, headers={"X-A": "a" * 8192})
    with pytest.raises(ValueError, match="twice"):
        Response(1, headers={"X-A": "1", "x-a": "2"})
    with pytest.raises(ValueError, match="not both"):
        Response(1, headers={"Content-Disposition": "inline"}, filename="a")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0b", "a\r\nb", "\ud800", "a" * 201])
def test_what_cannot_be_a_files_name_is_refused(name):
    with pytest.raises(ValueError, match="name of a file"):
        disposition("attachment", name)


@given(st.text(st.characters(codec="utf-8"), max_size=210))
def test_any_name_of_a_file_makes_one_harmless_field(name):
    try:
        field = disposition("attachment", name)
    except ValueError:
        return
    assert set(field) <= set(string.printable) - set("\r\n\t\x0b\x0c")
    assert field.count('"') == 2


def test_a_result_from_the_process_of_a_call_is_checked_again():
    forged = Result(content_type="text/html", fields=(("Content-Security-Policy", "default-src *"),), body=b"x")
    assert fields(secured(forged))["content-security-policy"] == SANDBOX
    for bad in (Result(status=302), Result(content_type="text/javascript"), Result(fields=(("Set-Cookie", "a=b"),))):
        with pytest.raises(BadResult):
            secured(bad)


def test_to_secure_a_result_again_changes_nothing():
    once = packed(Response("<p>", content_type="text/html", headers={"Cache-Control": "max-age=3"}))
    assert secured(once) == once


@given(st.text(max_size=40) | st.from_regex(r"[a-z*]{1,9}/[a-z+*]{1,9}(; [a-z]{1,3}=[\"a-z]{1,4})?\s?", fullmatch=True))
def test_a_type_that_passes_is_one_line(text):
    try:
        check_type(text)
    except ValueError:
        return
    assert text.isprintable()
    assert text.count("/") >= 1
