"""The methods of the API, with what they take and return, as JSON Schema 2020-12 (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator

from ..errors import BadArguments, NoMethod

Schema = Mapping[str, Any]

#: Characters that the name of a frontend may have; seconds that a request may wait for events.
MOST_NAME = 64
LONGEST_POLL = 30
#: Seconds that a busy kernel is waited for where a request does not say it.
PATIENCE = 0.5
#: Inputs of the history that one answer may have.
MOST_HISTORY = 1000
_FAULTS = 50  # that are told at once
_SHOWN = 200


def _text(about: str, **more: Any) -> Schema:
    return {"type": "string", "description": about, **more}


def _flag(about: str, default: bool = False) -> Schema:
    return {"type": "boolean", "description": about, "default": default}


def _number(about: str, **more: Any) -> Schema:
    return {"type": "integer", "description": about, **more}


def _seconds(about: str, **more: Any) -> Schema:
    return {"type": "number", "minimum": 0, "description": about, **more}


def _object(about: str = "", **members: Schema) -> Schema:
    told = {"description": about} if about else {}
    return {"type": "object", **told, "properties": members, "required": list(members)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_SESSION = _text("id of the session")
_CODE = _text("source in the kernel's language")
_CURSOR = _number("where the cursor is in the code, in Unicode code points", minimum=0)
_EVENT: Schema = {"type": "object", "description": "an event, with its name as `event`"}
_LISTED = _object(
    session=_SESSION,
    kernel=_text("id of its kernel"),
    notebook={"type": ["string", "null"], "description": "path of its notebook, below the user's folder"},
    kernel_name=_text("name of the kernelspec"),
    state={"enum": ["idle", "busy", "starting", "dead"]},
    seq=_number("number of its newest event, 0 for none"),
    oldest=_number("number of its oldest event that is kept"),
    frontends=_number("that follow it just now"),
)
_OPENED = _object(
    **_LISTED["properties"],
    language={"type": "object", "description": "of the kernel (Jupyter messaging, `language_info`)"},
    banner=_text("what the kernel says of itself"),
    count=_number("execution count of what ran last"),
    address={"type": ["string", "null"], "description": "URL path of the page of its notebook"},
)
_NOTHING = _object()


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes:
        name: as requests have it.
        about: one sentence.
        params: schemas of the parameters, in their order.
        required: names of those that must be there.
        result: schema of what it returns.
    """

    name: str
    about: str
    params: Mapping[str, Schema]
    required: Sequence[str]
    result: Schema

    @property
    def schema(self) -> Schema:
        """Of all parameters together."""
        return {
            "type": "object",
            "properties": dict(self.params),
            "required": list(self.required),
            "additionalProperties": False,
        }

    @cached_property
    def _validator(self) -> Draft202012Validator:
        return Draft202012Validator(self.schema)

    def checked(self, params: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters by their names.

        Raises:
            BadArguments: they do not fit; tells all that is wrong.
        """
        if not isinstance(params, Mapping):
            if len(params) > len(self.params):
                message = f"{self.name} takes {len(self.params)} parameters at most; here are {len(params)}."
                raise BadArguments(message, errors=[{"path": "", "message": message}])
            params = dict(zip(self.params, params, strict=False))
        faults = []
        for error in self._validator.iter_errors(params):
            place = ".".join(map(str, error.absolute_path))
            faults.append({"path": place, "message": _short(error.message)})
            if len(faults) == _FAULTS:
                break
        if faults:
            told = "; ".join(f"{fault['path']}: {fault['message']}".removeprefix(": ") for fault in faults[:3])
            raise BadArguments(f"The parameters do not fit {self.name}: {told}.", errors=faults)
        return dict(params)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} … {text[-_SHOWN // 2 :]}"


_EXECUTE: Mapping[str, Schema] = {
    "session": _SESSION,
    "code": _CODE,
    "silent": _flag("tell nobody, and count nothing; the kernel decides what that means"),
    "store_history": _flag("keep the code in the kernel's history", default=True),
    "allow_stdin": _flag("the code may ask for input"),
    "stop_on_error": _flag("when it fails, what waits behind it does not run", default=True),
    "user_expressions": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "maxProperties": 100,
        "description": "expressions that are evaluated afterwards, by names",
        "default": {},
    },
    "wait": {"type": "boolean", "description": "answer at the end; over POST that is usual, over a websocket not"},
    "timeout": _seconds("how long to wait for the end", maximum=86400),
    "id": _text("chosen by the client; with one that was there before nothing runs again", pattern=r"^[\w-]{1,64}$"),
    "key": _text("of the frontend, as in `session.open`", minLength=1, maxLength=128),
}
_OPEN: Mapping[str, Schema] = {
    "kernel": _text("id of a running kernel to attach to"),
    "notebook": _text("path of the notebook whose kernel is meant, below the user's folder", minLength=1),
    "new": _flag("make the notebook, where it is not there"),
    "kernel_name": _text("which kernel a new notebook has; empty for the site's usual one"),
    "name": _text("what other frontends are told of this one", maxLength=MOST_NAME),
    "after": _number("number of the last event that the frontend has; without, only new ones come", minimum=0),
    "key": _text("chosen by the client; who opens again with it is the same frontend", minLength=1, maxLength=128),
}
_WAIT = _seconds("how long a kernel that is busy may be waited for", default=PATIENCE, maximum=LONGEST_POLL)
_LOST: Schema = {"type": "object", "description": "numbers, `from` and `to`, of events that are not kept any more"}
_RAN: Schema = {
    "type": "object",
    "properties": {
        "execution": _text("id of the execution"),
        "seq": _number("number of the newest event before it"),
        "status": {"enum": ["ok", "error", "aborted"], "description": "only at the end"},
        "count": {"type": ["integer", "null"], "description": "execution count; only at the end"},
        "reason": _text("`restarted` or `died`; only where the kernel did"),
        "expressions": {"type": "object", "description": "values of `user_expressions`; only at the end"},
        "events": _list(_EVENT),
        "lost": _LOST,
    },
    "required": ["execution", "seq"],
}

_ALL = (
    Method(
        "session.open",
        "Attach to a kernel, by its id or that of a notebook, or start one with a new notebook.",
        _OPEN,
        (),
        _OPENED,
    ),
    Method("session.list", "List the sessions.", {}, (), _list(_LISTED)),
    Method(
        "session.close",
        "Hear of a session no longer; its kernel goes on.",
        {"session": _SESSION},
        ("session",),
        _NOTHING,
    ),
    Method(
        "session.events",
        "Return events that were kept, or wait for some.",
        {
            "session": _SESSION,
            "after": _number("number of the last event that the client has", minimum=0, default=0),
            "wait": _seconds("how long to wait for the first one", maximum=LONGEST_POLL, default=0),
            "execution": _text("id of the execution that alone is of interest"),
            "limit": _number("how many at most", minimum=1, maximum=10_000, default=1000),
        },
        ("session",),
        {
            "type": "object",
            "properties": {
                "events": _list(_EVENT),
                "seq": _number("the next `after`"),
                "lost": _LOST,
                "status": {
                    "description": "of the execution that was named: `running`, that of its end, or `unknown`",
                    "enum": ["running", "ok", "error", "aborted", "unknown"],
                },
            },
            "required": ["events", "seq"],
        },
    ),
    Method("execute", "Run code; it is appended to the session's notebook.", _EXECUTE, ("session", "code"), _RAN),
    Method(
        "complete",
        "Return how the text at the cursor could go on.",
        {"session": _SESSION, "code": _CODE, "cursor": _CURSOR, "wait": _WAIT},
        ("session", "code", "cursor"),
        _object(
            matches=_list({"type": "object", "required": ["text", "start", "end"]}),
            cursor_start=_number("where the text begins that a match replaces"),
            cursor_end=_number("where it ends"),
        ),
    ),
    Method(
        "inspect",
        "Return what is known about the name at the cursor.",
        {
            "session": _SESSION,
            "code": _CODE,
            "cursor": _CURSOR,
            "detail": {"enum": [0, 1], "description": "1: with its source", "default": 0},
            "wait": _WAIT,
        },
        ("session", "code", "cursor"),
        _object(found={"type": "boolean"}, data={"type": "object", "description": "texts by their media types"}),
    ),
    Method(
        "is_complete",
        "Tell whether code can be run as it is, or goes on in another line.",
        {"session": _SESSION, "code": _CODE, "wait": _WAIT},
        ("session", "code"),
        _object(
            status={"enum": ["complete", "incomplete", "invalid", "unknown"]},
            indent=_text("what the next line begins with"),
        ),
    ),
    Method(
        "history",
        "Return inputs of the kernel's history, the newest last.",
        {
            "session": _SESSION,
            "pattern": _text("with * and ?, for what is looked for; without, the last ones"),
            "limit": _number("how many at most", minimum=1, maximum=MOST_HISTORY, default=100),
            "unique": _flag("each input once"),
            "wait": _WAIT,
        },
        ("session",),
        _list(_object(session=_number("of IPython"), line=_number("its number there"), code=_CODE)),
    ),
    Method(
        "variables",
        "List what the user has defined (kernels of Python).",
        {
            "session": _SESSION,
            "limit": _number("how many at most", minimum=1, maximum=1000, default=200),
            "wait": _WAIT,
        },
        ("session",),
        _list({"type": "object", "required": ["name", "type", "repr"]}),
    ),
    Method(
        "doctest",
        "Run the examples of a text, or of the docstring of a name (kernels of Python).",
        {
            "session": _SESSION,
            "text": _text("with examples, as in a terminal"),
            "name": _text("of something whose docstring has them", maxLength=500),
            "timeout": _seconds("how long they may run", maximum=3600, default=60),
            "wait": _WAIT,
        },
        ("session",),
        _object(attempted=_number("examples"), failed=_number("of them"), failures=_list({"type": "object"})),
    ),
    Method("interrupt", "Stop what runs.", {"session": _SESSION}, ("session",), _NOTHING),
    Method("restart", "Start the kernel anew.", {"session": _SESSION}, ("session",), _NOTHING),
    Method("shutdown", "End the kernel.", {"session": _SESSION}, ("session",), _NOTHING),
    Method(
        "input.reply",
        "Give code the line that it asks for; only for the frontend that runs it.",
        {
            "session": _SESSION,
            "execution": _text("id of the execution that asks"),
            "value": _text("the line, without its end"),
            "key": _text("of the frontend, as in `session.open`", minLength=1, maxLength=128),
        },
        ("session", "execution", "value"),
        _NOTHING,
    ),
    Method("rpc.discover", "Return this API's OpenRPC document.", {}, (), {"type": "object"}),
)
#: All methods by their names.
METHODS = {method.name: method for method in _ALL}


def method_of(name: str) -> Method:
    """Return a method.

    Raises:
        NoMethod: there is none of that name.
    """
    method = METHODS.get(name)
    if method is None:
        raise NoMethod(f"There is no method {name[:50]!r}. rpc.discover lists them.")
    return method
