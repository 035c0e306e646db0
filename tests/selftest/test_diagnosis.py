"""What the browser and the door have seen is read together, whatever either sends."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.selftest.diagnosis import LEAST_SPREAD, UPLOAD_BYTES, Facts, Handshake, Seen, diagnose, hops

FACTS = Facts(scheme="https", host="shop.example.com", server="waitress")
SEEN = Seen(
    origin="https://shop.example.com",
    server="nginx/1.22.1",
    stream=LEAST_SPREAD,
    marked=LEAST_SPREAD,
    upload=200,
    uploaded=UPLOAD_BYTES,
    uploader="nginx/1.22.1",
    opened=True,
    echoed=True,
)
AGREED = Handshake(upgrade="websocket", connection="Upgrade", protocol="HTTP/1.1")
CLOSED = replace(SEEN, opened=False, echoed=False)


def names(facts=FACTS, seen=SEEN, handshake=AGREED):
    return [fault.name for fault in diagnose(facts, seen, handshake)]


def test_where_all_gets_through_there_is_no_fault():
    assert names() == []
    assert names(seen=Seen()) == []
    assert names(replace(FACTS, host="shop.example.com:443")) == []


@pytest.mark.parametrize(
    ("facts", "seen", "handshake", "found"),
    [
        (replace(FACTS, host="127.0.0.1:6543"), CLOSED, replace(AGREED, outcome="refused"), ["host"]),
        (replace(FACTS, scheme="http"), replace(CLOSED, upload=403), replace(AGREED, outcome="no"), ["scheme"]),
        (replace(FACTS, scheme="http", said={"x-forwarded-proto": "https"}), SEEN, AGREED, ["trust"]),
        (replace(FACTS, scheme="http", said={"x-forwarded-proto": "https, wss"}), SEEN, AGREED, ["trust"]),
        (replace(FACTS, protocol="HTTP/1.0"), SEEN, AGREED, ["http10"]),
        (FACTS, CLOSED, None, ["unreached"]),
        (FACTS, CLOSED, replace(AGREED, upgrade=""), ["upgrade"]),
        (FACTS, CLOSED, replace(AGREED, connection="close"), ["upgrade"]),
        (FACTS, CLOSED, AGREED, ["switch"]),
        (FACTS, CLOSED, replace(AGREED, origin="null", outcome="refused"), ["websocket"]),
        (FACTS, replace(SEEN, echoed=False), AGREED, ["frames"]),
        (replace(FACTS, websockets="no way"), CLOSED, replace(AGREED, outcome="no way"), ["adaptor"]),
        (FACTS, replace(SEEN, stream=3), AGREED, ["buffering"]),
        (FACTS, replace(SEEN, stream=3, marked=3), AGREED, ["buffering"]),
        (FACTS, replace(SEEN, upload=413), AGREED, ["upload"]),
        (FACTS, replace(SEEN, upload=0), AGREED, ["upload"]),
        (FACTS, replace(SEEN, uploaded=7), AGREED, ["upload"]),
        (FACTS, replace(SEEN, upload=502), AGREED, ["upload"]),
    ],
)
def test_each_fault_gets_its_name_and_what_follows_from_it_gets_none(facts, seen, handshake, found):
    assert names(facts, seen, handshake) == found


def test_who_refuses_an_upload_is_named_with_the_setting_that_it_knows():
    for uploader, setting in (("nginx/1.22.1", "client_max_body_size"), ("waitress", "max_request_body_size")):
        [fault] = diagnose(FACTS, replace(SEEN, upload=413, uploader=uploader), AGREED)
        assert fault.hop == uploader and setting in fault.setting


def test_a_proxy_that_is_not_nginx_is_told_whose_words_these_are():
    [fault] = diagnose(FACTS, replace(CLOSED, server="Apache/2.4"), replace(AGREED, upgrade=""))
    assert fault.hop == "Apache/2.4" and fault.setting.startswith("what nginx calls proxy_set_header Upgrade")


def test_a_site_on_waitress_is_told_what_waitress_does_before_it():
    [fault] = diagnose(replace(FACTS, scheme="http"), SEEN, AGREED)
    assert "clear_untrusted_proxy_headers = false" in fault.setting


@pytest.mark.parametrize(
    ("peer", "place"), [("10.0.0.1", "10.0.0.1"), ("::1", "::1"), ("", "unix"), ("localhost", "unix")]
)
def test_a_site_that_does_not_believe_its_proxy_is_told_whom_to_believe(peer, place):
    facts = replace(FACTS, scheme="http", peer=peer, said={"x-forwarded-proto": "https"})
    [fault] = diagnose(facts, SEEN, AGREED)
    assert fault.hop == "the site" and fault.setting == f"pyramid_notebook.trusted_proxies = {place}"


def test_the_hops_are_those_that_are_known():
    assert hops(FACTS, SEEN) == ["browser", "nginx/1.22.1 (in front)", "waitress (runs the site)"]
    assert hops(FACTS, replace(SEEN, server="waitress")) == ["browser", "waitress (runs the site)"]
    assert hops(replace(FACTS, server=""), Seen()) == ["browser", "web server (runs the site)"]


@pytest.mark.parametrize("text", ["", "[]", "1", "nan", "{", "[" * 4000, '{"x": "' + "a" * 9000 + '"}'])
def test_what_is_no_object_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        Seen.from_json(text)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)
ANYTHING = st.dictionaries(st.sampled_from([*Seen.__dataclass_fields__, "unknown"]), VALUES)
FACES = st.builds(
    Facts, scheme=st.text(), host=st.text(), peer=st.text(), protocol=st.text(), server=st.text(),
    said=st.dictionaries(st.just("x-forwarded-proto"), st.text()), websockets=st.text(),
)  # fmt: skip
HANDSHAKES = st.none() | st.builds(
    Handshake, upgrade=st.text(), connection=st.text(), protocol=st.text(), origin=st.text(), outcome=st.text()
)


@given(ANYTHING, FACES, HANDSHAKES)
def test_whatever_is_sent_gives_an_answer_in_words(given_values, facts, handshake):
    text = json.dumps(given_values)
    seen = Seen.from_json(text) if len(text) < 8000 else Seen()
    for fault in diagnose(facts, seen, handshake):
        assert fault.name and fault.hop and fault.setting and fault.text
    if handshake is not None:
        assert Handshake.from_json(handshake.to_json()) == handshake
