import fcntl
import gzip
import os
import subprocess
import sys
import threading
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.request import Request

from pyramid_notebook.errors import UnsafePath
from pyramid_notebook.proxy import static as static_module
from pyramid_notebook.proxy import variants
from pyramid_notebook.proxy.static import StaticFiles
from pyramid_notebook.proxy.variants import accepted_codings

from .conftest import running_site
from .upstreams import BASE

NOTEBOOK = Path(next(iter(find_spec("notebook").submodule_search_locations)), "static")
HASHED = next(path for path in sorted(NOTEBOOK.glob("*.js")) if path.stat().st_size > 100_000)
SCRIPT = b"export const answer = 42; // " + b"words " * 1000


@pytest.fixture
def extensions(folder):
    place = folder / "extensions"
    (place / "ours" / "static").mkdir(parents=True)
    (place / "ours" / "static" / "style.js").write_bytes(SCRIPT)
    (place / "ours" / "static" / "remoteEntry.0123456789abcdef.js").write_bytes(SCRIPT)
    (place / "ours" / "static" / "tiny.js").write_bytes(b"1")
    (place / "ours" / "page.html").write_bytes(b"<script>")
    (place / "ours" / ".hidden.js").write_bytes(b"hidden")
    (place / "ours" / "static" / "a%2eb.js").write_bytes(b"odd")
    (folder / "extensions2").mkdir()
    (folder / "extensions2" / "secret.js").write_bytes(b"secret")
    (folder / "secret.js").write_bytes(b"secret")
    (place / "out.js").symlink_to(folder / "secret.js")
    (place / "away").symlink_to(folder / "extensions2")
    (place / "within.js").symlink_to("ours/static/style.js")
    os.mkfifo(place / "pipe.js")
    return place


@pytest.fixture
def static(folder, extensions, monkeypatch):
    monkeypatch.setattr(static_module, "_find_folders", only(static_module._find_folders, extensions))
    return StaticFiles(folder / "cache", [extensions])


def only(find_folders, place):
    """Leave out the folders of the packages, which take seconds to compress."""
    return lambda cache, extensions: [item for item in find_folders(cache, extensions) if item.place == place.resolve()]


def get(static, path, method="GET", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request.blank("/" + path, method=method, headers=fields)
    answer = static.respond(request, path.partition("?")[0])
    return None if answer is None else request.get_response(answer)


STYLE = "lab/extensions/ours/static/style.js"


def test_a_file_is_served_with_its_type_and_may_not_be_sniffed(static):
    answer = get(static, STYLE)
    assert (answer.status_code, answer.body) == (200, SCRIPT)
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.content_length == len(SCRIPT)


def test_the_files_of_the_packages_are_found_without_importing_them(folder):
    code = (
        "import sys\n"
        "from pyramid.request import Request\n"
        "from pyramid_notebook.proxy.static import StaticFiles\n"
        f"static = StaticFiles({str(folder / 'c')!r})\n"
        "for path in sys.argv[1:]:\n"
        "    assert static.respond(Request.blank('/'), path).status_code == 200, path\n"
        "assert not {'notebook', 'jupyterlab', 'jupyter_server', 'tornado', 'brotli'} & set(sys.modules)\n"
    )
    paths = [f"static/notebook/{HASHED.name}", "static/lab/style.js", "lab/extensions/jupyterlab_pygments/package.json"]
    subprocess.run([sys.executable, "-c", code, *paths], check=True)


def test_a_head_request_gets_the_fields_of_get_and_no_body(static):
    answer = get(static, STYLE, "HEAD")
    assert (answer.body, answer.headers["ETag"]) == (b"", get(static, STYLE).headers["ETag"])
    assert answer.content_length == len(SCRIPT)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_left_to_the_user_server(static, method):
    assert get(static, STYLE, method) is None


@pytest.mark.parametrize(
    "path",
    [
        "lab/extensions/../secret.js",
        "lab/extensions/ours/../../secret.js",
        "lab/extensions/../extensions2/secret.js",
        "lab/extensions/..%2fsecret.js",
        "lab/extensions/%2e%2e/secret.js",
        "lab/extensions/..\\secret.js",
        "lab/extensions//etc/passwd",
        "lab/extensions/2/secret.js",
        "lab/extensions2/secret.js",
        "lab/extensions/out.js",
        "lab/extensions/away/secret.js",
        "lab/extensions/pipe.js",
        "lab/extensions/ours",
        "lab/extensions/ours/",
        "lab/extensions/",
        "lab/extensions",
        "lab/extensions/ours/.hidden.js",
        "lab/extensions/ours/static/a%2eb.js",
        "lab/extensions/ours/static/style.js\0",
        "lab/extensions/ours/static/style.js/",
        "lab/extensions/ours/static/style.js/x.js",
        "lab/extensions/ours/page.html",
        "lab/extensions/ours/static/missing.js",
        "lab/extensions/" + "x" * 300 + ".js",
        "static/notebookx/main.js",
        "static/favicon.ico",
        "api/contents/x.js",
        "",
    ],
)
def test_what_is_no_plain_file_within_a_folder_is_left_to_the_user_server(static, path):
    request = Request.blank("/")
    assert static.respond(request, path) is None


def test_a_link_that_stays_within_is_followed(static):
    assert get(static, "lab/extensions/within.js").body == SCRIPT


@pytest.mark.parametrize(
    ("path", "for_ever"),
    [
        (STYLE, False),
        (STYLE + "?v=abc", True),
        (STYLE + "?v=", False),
        (STYLE + "?w=1", False),
        ("lab/extensions/ours/static/remoteEntry.0123456789abcdef.js", True),
    ],
)
def test_only_an_address_that_names_its_content_is_kept_for_ever(static, path, for_ever):
    expected = "private, max-age=31536000, immutable" if for_ever else "private, no-cache"
    assert get(static, path).headers["Cache-Control"] == expected


def test_a_known_etag_gets_304(static):
    answer = get(static, STYLE, If_None_Match=get(static, STYLE).headers["ETag"])
    assert (answer.status_code, answer.body) == (304, b"")
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_a_file_that_changed_gets_another_etag(static, extensions):
    before = get(static, STYLE).headers["ETag"]
    (extensions / "ours" / "static" / "style.js").write_bytes(SCRIPT + b"more")
    assert get(static, STYLE, If_None_Match=before).status_code == 200


def test_a_range_gets_its_part_of_the_file_itself_even_where_a_variant_exists(static):
    static.compress()
    answer = get(static, STYLE, Range="bytes=7-12", Accept_Encoding="gzip")
    assert (answer.status_code, answer.body) == (206, SCRIPT[7:13])
    assert answer.headers["Content-Range"] == f"bytes 7-12/{len(SCRIPT)}"
    assert "Content-Encoding" not in answer.headers
    assert get(static, STYLE, Range="bytes=999999-").status_code == 416


def test_the_plain_file_is_served_until_its_variant_exists(static):
    plain = get(static, STYLE, Accept_Encoding="gzip")
    assert (plain.body, plain.headers["Vary"]) == (SCRIPT, "Accept-Encoding")
    assert static.compress() == 6
    compressed = get(static, STYLE, Accept_Encoding="gzip")
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(compressed.body) == SCRIPT
    assert compressed.content_length == len(compressed.body) < len(SCRIPT)
    assert compressed.headers["ETag"] != plain.headers["ETag"]
    assert get(static, STYLE, Accept_Encoding="gzip", If_None_Match=compressed.headers["ETag"]).status_code == 304


def test_brotli_is_sent_to_who_accepts_it_and_each_coding_has_a_tag_of_its_own(static):
    static.compress()
    answers = {coding: get(static, STYLE, Accept_Encoding=coding) for coding in ("", "gzip", "br", "gzip, br")}
    best = answers["gzip, br"]
    assert (best.headers["Content-Encoding"], best.headers["Vary"]) == ("br", "Accept-Encoding")
    assert brotli.decompress(best.body) == SCRIPT
    assert best.content_length == len(best.body) < answers["gzip"].content_length
    assert best.headers["ETag"] == answers["br"].headers["ETag"]
    assert len({answer.headers["ETag"] for answer in answers.values()}) == 3
    assert get(static, STYLE, Accept_Encoding="br", If_None_Match=best.headers["ETag"]).status_code == 304
    assert get(static, STYLE, Accept_Encoding="gzip", If_None_Match=best.headers["ETag"]).status_code == 200


def test_gzip_is_sent_to_who_prefers_it_and_where_there_is_no_brotli_yet(static, folder):
    static.compress()
    assert get(static, STYLE, Accept_Encoding="br;q=0.5, gzip").headers["Content-Encoding"] == "gzip"
    for path in (folder / "cache").rglob("*.br"):
        path.unlink()
    assert get(static, STYLE, Accept_Encoding="br, gzip").headers["Content-Encoding"] == "gzip"
    assert get(static, STYLE, Accept_Encoding="br").body == SCRIPT


def test_what_no_page_loads_is_compressed_by_gzip_alone(static, extensions, folder):
    (extensions / "ours" / "static" / "style.js.map").write_bytes(SCRIPT)
    static.compress()
    assert next((folder / "cache").rglob("style.js.map.*")).suffix == ".gz"
    answer = get(static, f"{STYLE}.map", Accept_Encoding="br, gzip")
    assert gzip.decompress(answer.body) == SCRIPT


def test_all_is_compressed_by_gzip_before_anything_is_by_brotli(static, folder, monkeypatch):
    seen = []

    def slow(data):
        seen.append(len(list((folder / "cache").rglob("*.gz"))))
        return brotli.compress(data)

    coding = variants._CODINGS["br"]
    monkeypatch.setitem(variants._CODINGS, "br", variants._Coding(coding.ending, coding.suffixes, slow))
    static.compress()
    assert seen == [3, 3, 3]


def test_brotli_leaves_the_processor_to_others_and_takes_it_from_nobody_who_waits(static, monkeypatch):
    def priority(_data):
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return b"compressed"

    found, before = [], os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    coding = variants._CODINGS["br"]
    monkeypatch.setitem(variants._CODINGS, "br", variants._Coding(coding.ending, coding.suffixes, priority))
    static.compress()
    assert found == [19, 19, 19]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_a_fault_of_brotli_leaves_what_gzip_made_and_is_told(static, folder, monkeypatch):
    def broken(_data):
        raise OSError(28, "No space left on device")

    coding = variants._CODINGS["br"]
    monkeypatch.setitem(variants._CODINGS, "br", variants._Coding(coding.ending, coding.suffixes, broken))
    with pytest.raises(OSError, match="No space"):
        static.compress()
    assert get(static, STYLE, Accept_Encoding="br, gzip").headers["Content-Encoding"] == "gzip"
    assert not list((folder / "cache").rglob("*.br*"))


def test_variants_are_made_once_and_anew_when_the_file_changed(static, extensions):
    assert (static.compress(), static.compress()) == (6, 0)
    (extensions / "ours" / "static" / "style.js").write_bytes(SCRIPT * 2)
    assert get(static, STYLE, Accept_Encoding="gzip").body == SCRIPT * 2
    assert static.compress() == 4  # the file, and the link to it
    assert gzip.decompress(get(static, STYLE, Accept_Encoding="gzip").body) == SCRIPT * 2
    assert brotli.decompress(get(static, STYLE, Accept_Encoding="br").body) == SCRIPT * 2


def test_one_process_compresses_and_the_others_go_on(static, folder):
    with (folder / "cache" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert static.compress() == 0
    static.compress_in_background().join(20)
    assert static.compress() == 0
    assert get(static, STYLE, Accept_Encoding="gzip").headers["Content-Encoding"] == "gzip"


def test_nothing_half_written_is_left_and_all_of_it_is_private(static, folder):
    static.compress()
    kept = [path for path in (folder / "cache").rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} == {"", ".gz", ".br"}
    assert not any(path.stat().st_mode & 0o077 for path in kept if path.suffix)


def test_variants_lie_below_the_name_and_version_of_their_package(folder):
    static = StaticFiles(folder / "cache")
    names = [item.variants.name for item in static._folders]
    assert names[:2] == [f"notebook-{version('notebook')}", f"jupyterlab-{version('jupyterlab')}"]


def test_a_cache_that_others_could_write_to_is_refused(folder):
    open_to_all = folder / "cache"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    (folder / "link").symlink_to(folder / "extensions")
    for unsafe in (open_to_all, folder / "link"):
        with pytest.raises((UnsafePath, FileExistsError)):
            StaticFiles(unsafe)


def test_folders_are_made_private(folder):
    StaticFiles(folder / "deep" / "cache")
    assert (folder / "deep").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "value", ["gzip", "GZIP", "deflate, gzip, zstd", "gzip;q=0.5", "x-gzip", "br;q=0 , gzip ; q=1.0", "gzip;q=.1"]
)
def test_gzip_is_sent_to_who_names_it(value):
    assert accepted_codings(value) == ("gzip",)


@pytest.mark.parametrize(
    "value",
    ["", "*", "brotli", "gzip;q=0", "gzip; q=0.000", "notgzip", "gzipped", "identity", "gzip;q=no", "br;q=0", "br;q=2"],
)
def test_nothing_is_sent_compressed_to_who_does_not_name_a_coding_of_ours(value):
    assert accepted_codings(value) == ()


_WEIGHTS = st.integers(0, 1000)


@given(st.permutations(["br", "gzip", "identity", "*"]), _WEIGHTS, _WEIGHTS, st.sampled_from([",", ", ", " ,\t"]))
def test_what_weighs_more_is_sent_and_brotli_where_both_weigh_the_same(names, of_brotli, of_gzip, comma):
    weights = {"br": of_brotli, "gzip": of_gzip}
    value = comma.join(f"{name};q={weights.get(name, 500) / 1000:.3f}" for name in names)
    expected = sorted((name for name in weights if weights[name]), key=lambda name: (-weights[name], name))
    assert accepted_codings(value) == tuple(expected)


@given(st.text(alphabet="brgzip;q=01., \tx-*", max_size=40))
def test_no_accept_encoding_whatever_breaks_anything(value):
    assert set(accepted_codings(value)) <= {"br", "gzip"}


def test_the_door_serves_them_through_a_real_server_and_leaves_the_rest_to_the_user_server(upstream):
    with running_site(upstream.record, static=True) as site:
        answer = site.ask("GET", f"{BASE}static/notebook/{HASHED.name}")
        assert answer.content == HASHED.read_bytes()
        assert answer.getheader("Cache-Control").endswith("immutable")
        part = site.ask("GET", f"{BASE}static/notebook/{HASHED.name}", headers={"Range": "bytes=-5"}.items())
        assert (part.status, part.content) == (206, HASHED.read_bytes()[-5:])
        missing = site.ask("GET", f"{BASE}static/notebook/no.js")
        assert (missing.status, missing.getheader("X-Content-Type-Options")) == (404, None)
