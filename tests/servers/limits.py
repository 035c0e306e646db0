"""What a web server cannot do, and what is done instead: the tests expect exactly this, and the docs show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that a web server cannot do.

    Attributes:
        way: the web server.
        behaviour: what the others do.
        reason: why it does not.
        instead: what happens there.
    """

    way: str
    behaviour: str
    reason: str
    instead: str


_HEAD = "the head of an answer arrives before its body begins"
_HEAD_REASON = "A WSGI server sends the head with the first bytes of the body (PEP 3333)."
_HEAD_INSTEAD = "Both come together: an EventSource learns with its first event that it is open."
_WHOLE = "waitress reads the body of a request to its end before it calls the site, into a file where it is long."
_WHOLE_INSTEAD = "The user server gets all of it afterwards, and nobody is refused before."

LIMITS = (
    Limit("waitress", _HEAD, _HEAD_REASON, _HEAD_INSTEAD),
    Limit("gunicorn", _HEAD, _HEAD_REASON, _HEAD_INSTEAD),
    Limit("uwsgi", _HEAD, _HEAD_REASON, _HEAD_INSTEAD),
    Limit("waitress", "a long body reaches the user server while it is sent", _WHOLE, _WHOLE_INSTEAD),
    Limit("waitress", "the first bytes of a body reach the user server at once", _WHOLE, _WHOLE_INSTEAD),
    Limit("waitress", "the first bytes of a chunked body reach the user server at once", _WHOLE, _WHOLE_INSTEAD),
    Limit(
        "waitress",
        "the connection ends after a request with both a length and chunks",
        "waitress believes the chunks, as it must, and keeps the connection (RFC 9112 section 6.3 would end it).",
        "What follows the last chunk is the next request. Let no proxy in front pass such requests on; nginx does not.",
    ),
    Limit(
        "waitress",
        "a field that goes on in the next line is refused",
        "waitress joins the lines by a space, as RFC 9112 section 5.2 allows.",
        "The field is taken as one line.",
    ),
    Limit(
        "uwsgi",
        "a connection may be used again",
        "By `http-socket` uWSGI closes each connection when it has answered.",
        "The answer says so (`add-header = Connection: close`). Let nginx in front keep the connections of browsers.",
    ),
    Limit(
        "uwsgi",
        "the first bytes of a body reach the user server at once",
        "uWSGI does not tell how much of a body came with the head.",
        "The first `buffer-size` bytes arrive together, and the rest as it comes.",
    ),
    Limit(
        "uwsgi",
        "a path with dot segments is refused",
        "uWSGI resolves them before it calls the site.",
        "The site decides about the resolved path, and the user server gets that one.",
    ),
    Limit(
        "uvicorn",
        "an HTTP/1.0 client gets no chunks",
        "uvicorn frames what has no length in chunks, whatever version of HTTP its client speaks.",
        "The body comes in chunks. Browsers speak HTTP/1.1, and nginx understands chunks in any version.",
    ),
    Limit(
        "uvicorn",
        "a message that did not wait for the handshake's answer is not lost",
        "The bytes that come in one packet with a handshake are dropped by uvicorn's parser, before anybody sees them.",
        "They are lost, half a frame as well. No client may send them (RFC 6455 section 4.1).",
    ),
    Limit(
        "uvicorn",
        "a handshake with a body is answered",
        "uvicorn's parser of handshakes stops there, and says nothing.",
        "The connection stays silent until its client ends it. Nothing of it reaches the site.",
    ),
    Limit(
        "uvicorn",
        "the words beside a status reach the client",
        "ASGI has no place for them.",
        "The client gets the usual words. Jupyter's pages read the body.",
    ),
    Limit(
        "waitress",
        "who may not pass is told so before their body is read",
        _WHOLE,
        "They are told when they have sent it.",
    ),
    Limit(
        "nginx",
        "who may not pass is told so before their body is read",
        "nginx leaves refusals to the site, here on waitress.",
        "They are told as that web server does it.",
    ),
    Limit(
        "nginx",
        "an answer to a body that is still being sent is passed on",
        "nginx takes a user server that hangs up while it is written to for one that has gone.",
        "Mostly the answer is passed on; else the site says that the user server has gone.",
    ),
    Limit(
        "nginx",
        "what comes before an answer is not taken for it",
        "nginx takes an early hint (103) for the answer.",
        "The client gets the hint alone. Jupyter sends none.",
    ),
    Limit(
        "nginx",
        "an answer without a status line is a fault of the user server",
        "nginx takes it for HTTP/0.9, and its bytes as they are.",
        "The client gets its bytes, but for what could pass for the head of another answer.",
    ),
    Limit(
        "nginx",
        "each cookie within the base URL passes",
        "nginx before 1.23 shows its configuration only the first cookie of an answer.",
        "The first one passes if it may, and `_xsrf`, wherever it stands.",
    ),
    Limit(
        "nginx",
        "a path may hold a zero byte",
        "nginx refuses it.",
        "The client gets 400.",
    ),
    Limit(
        "nginx",
        "fields that Connection names end there",
        "nginx has no such rule.",
        "They pass, in both directions.",
    ),
    Limit(
        "nginx",
        "another protocol cannot be switched to unasked",
        "nginx passes every 101 on.",
        "The client gets it, without the name of a protocol.",
    ),
    Limit(
        "nginx",
        "the head of a websocket tells nothing of the web server",
        "nginx adds Server and Date to each answer.",
        "They are told.",
    ),
    Limit(
        "nginx",
        "a request just after the user server was replaced reaches the new one",
        "nginx keeps the door's word for a second, and with it where the user server was.",
        "For that second the answer is 503, and a page asks again.",
    ),
)
#: What the suite does not ask all ways for; the adaptors' own tests have most of it.
FURTHER = (
    Limit(
        "gunicorn",
        "`100 Continue` is answered when the site has said yes",
        "gunicorn answers it before it calls the site.",
        "A client sends its body in any case; the body of a refused request goes nowhere.",
    ),
    Limit(
        "uwsgi",
        "a chunk may have any length",
        "`chunked-input-limit` is memory that each request may take: 16 MB in our INI.",
        "A longer chunk is refused with 400.",
    ),
    Limit(
        "uwsgi",
        "an answer that breaks off can be told from a whole one",
        "Over a UNIX socket uWSGI ends both alike, by closing; over TCP it resets the connection.",
        "Through nginx, an answer without a length that breaks off looks whole.",
    ),
    Limit(
        "uwsgi",
        "what a client sends before its handshake is answered is heard",
        "What uWSGI has read already cannot be got back.",
        "The handshake is refused with 400. No client may do so (RFC 6455 section 4.1).",
    ),
)


def limit(way: str, behaviour: str) -> Limit | None:
    """Return what is known of a limit, or None where there is none."""
    assert behaviour in {item.behaviour for item in LIMITS}, f"no way is limited in this: {behaviour}"
    return next((item for item in LIMITS if (item.way, item.behaviour) == (way, behaviour)), None)
