"""What a user server writes down about itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.record import ServerOptions, ServerRecord

LAUNCH = "cafe" * 8
RECORD = ServerRecord(pid=7, identity="boot-1", launch_id=LAUNCH, user="ümlaut", secret="hidden", socket="/tmp/s")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["pid", "identity"]), inner),
)


@given(
    st.builds(
        ServerRecord,
        pid=st.integers(1, 2**22),
        identity=st.text(min_size=1),
        launch_id=st.text("0123456789abcdef", min_size=32, max_size=32),
        user=st.text(),
        base_url=st.sampled_from(["/", "/notebook/alice/"]),
        socket=st.text(),
        port=st.integers(0, 65535),
        scratch=st.sampled_from(["", "/tmp/pnb-abc"]),
        secret=st.text(),
        started=st.floats(0, 1e12),
        kill_timeout=st.integers(0, 10**9),
        max_lifetime=st.integers(0, 10**9),
    )
)
def test_a_record_goes_through_json_unchanged(record: ServerRecord) -> None:
    assert ServerRecord.from_json(record.to_json()) == record


def test_the_secret_is_not_in_what_is_printed_of_a_record() -> None:
    assert "hidden" not in repr(RECORD)
    assert "hidden" in RECORD.to_json()


def test_a_record_of_a_newer_version_is_readable() -> None:
    values = {**json.loads(RECORD.to_json()), "colour": "red"}
    assert ServerRecord.from_json(json.dumps(values)) == RECORD


def test_what_an_older_version_left_out_has_its_default() -> None:
    record = ServerRecord.from_json(json.dumps({"pid": 7, "identity": "boot-1", "launch_id": LAUNCH}))
    assert record == ServerRecord(pid=7, identity="boot-1", launch_id=LAUNCH)


@pytest.mark.parametrize("text", ["", "{", "7", "[]", '"pid"', "null", "{}", '{"pid": 7}', "\0", "[" * 100_000])
def test_a_text_that_names_no_process_is_no_record(text: str) -> None:
    assert ServerRecord.from_json(text) is None


WRONG = {
    "pid": [None, True, 0, -1, 1.5, "7", 2**40],
    "identity": [None, "", 7],
    "launch_id": [None, "", "None", "cafe", "CAFE" * 8, "cafe" * 8 + "\n", 7],
    "user": [None, 7],
    "base_url": [None, "", "/a", "a/", 7],
    "socket": [None, 7],
    "port": [None, True, -1, 65536, "1"],
    "scratch": [None, "/home", "pnb-a", "/tmp/pnb-a/..", "/tmp/pnb-a/../../home/pnb-x", "/", 7],
    "secret": [None, 7],
    "started": [None, True, float("nan"), float("inf"), -1, "1", 10**400],
    "kill_timeout": [None, True, -1, 0.5],
    "max_lifetime": [None, True, -1, 10**400],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_record_with_one_field_of_a_wrong_kind_is_no_record(name: str, value: object) -> None:
    assert ServerRecord.from_json(json.dumps({**json.loads(RECORD.to_json()), name: value})) is None


@pytest.mark.parametrize("name", ["pid", "identity", "launch_id"])
def test_a_record_that_lacks_what_names_the_process_is_no_record(name: str) -> None:
    values = json.loads(RECORD.to_json())
    del values[name]
    assert ServerRecord.from_json(json.dumps(values)) is None


@given(JSON)
def test_no_json_at_all_makes_reading_a_record_fail(value: object) -> None:
    assert ServerRecord.from_json(json.dumps(value)) is None or isinstance(value, dict)


@given(st.integers(0, 300))
def test_a_record_that_was_cut_off_is_no_record(length: int) -> None:
    text = RECORD.to_json()
    assert ServerRecord.from_json(text[: min(length, len(text) - 1)]) is None


def test_the_address_is_what_people_can_use() -> None:
    base = ServerRecord(pid=7, identity="boot-1", launch_id=LAUNCH)
    assert (base.address, base.listening) == ("no address yet", False)
    port = ServerRecord(pid=7, identity="boot-1", launch_id=LAUNCH, port=9123)
    assert (port.address, port.listening) == ("127.0.0.1:9123", True)
    assert (RECORD.address, RECORD.listening) == ("unix:/tmp/s", True)


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers()))
def test_options_go_through_json_unchanged(user: str, context: dict[str, object]) -> None:
    options = ServerOptions(user=user, context=context, max_lifetime=5)
    assert ServerOptions.from_json(options.to_json()) == options


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "7", "[]", "null", "[" * 100_000, '{"colour": "red"}', '{"user": null}', '{"base_url": "x"}'),
        *('{"ui": "tree"}', '{"home_url": 7}', '{"home_title": null}', '{"max_lifetime": "1"}', '{"context": []}'),
    ],
)
def test_a_text_that_holds_no_options_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        ServerOptions.from_json(text)
