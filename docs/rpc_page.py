"""The page ``docs/reference/rpc.md``: from the table of methods, the table of events, and the errors."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from pyramid_notebook.errors import RpcError
from pyramid_notebook.rpc.events import EVENTS
from pyramid_notebook.rpc.jsonrpc import DEEPEST, MOST_BYTES, MOST_REQUESTS
from pyramid_notebook.rpc.log import MOST_BYTES as KEPT_BYTES
from pyramid_notebook.rpc.log import MOST_EVENTS
from pyramid_notebook.rpc.methods import METHODS, Method
from pyramid_notebook.rpc.opening import MOST_SESSIONS

_INTRODUCTION = f"""# Kernels over JSON-RPC

<!-- Made by python -m docs.generate from pyramid_notebook/rpc/ and docs/rpc_page.py: change it there. -->

At `…/notebook/{{user}}/rpc` a program runs code in the user's kernels
([JSON-RPC 2.0](https://www.jsonrpc.org/specification)). It needs a token with the scope `console`, in the header field
`Authorization: Bearer`; see [tokens](../how-to/tokens.md).

| how | what comes back |
|---|---|
| `POST`, `Content-Type: application/json` | the answer to a request or a batch; 204 where it holds notifications only |
| `GET` | the API's [OpenRPC](https://open-rpc.org) document, with all schemas |
| websocket | an answer to each request, and the events of the sessions that were opened on it |

Over a websocket each text frame is one message or an array of several: what comes together, such as the events of a
program that prints much, comes in one frame. Parameters have names; a list of them in their order is taken as well.

## Sessions

A session belongs to one kernel, and all who open that kernel or its notebook share the session: what one runs, all see.
Without `kernel` and `notebook`, `session.open` makes a worksheet, a notebook named `console-2026-11-22-1.ipynb` say,
and its kernel. Code that is run is appended to the session's notebook with all that it shows, also while a page has it
open.

What happens are events, numbered from 1 by `seq`. They are kept in the user server, up to {KEPT_BYTES // 1_000_000} MB
and {MOST_EVENTS} events of each session, whether anybody listens or not. A client that was cut off names the last
number that it has as `after`, on a new websocket or in `session.events`, and gets what came since, each event once and
in order; that some are not kept any more, the event `lost` tells first. Text that nobody has read yet may still grow;
once an event was told to anybody, it does not change.

To repeat a request whose answer was lost is safe where the client has chosen a name: `session.open` with a `key` that
was used before opens the same session again, and `execute` with an `id` that was used before runs nothing.

Who opens with a `key` is the same frontend as who did before. Only the frontend that runs code may answer what its
`input()` asks; without a key that is the same websocket. The key is for that frontend alone; others see its `name`, and
a `client` by which it can be told from others of that name.

## Limits

A message has {MOST_BYTES // 1_000_000} MB at most (over POST: status 413), a batch {MOST_REQUESTS} requests, and values
lie {DEEPEST} levels deep. A user has {MOST_SESSIONS} sessions; those whose kernel is gone make room.
"""


def rpc_page() -> str:
    """Return the page."""
    return "\n".join((_INTRODUCTION, "## Methods", "", *_methods(), *_events(), *_errors()))


def _methods() -> Iterator[str]:
    for method in METHODS.values():
        yield from (f"### `{method.name}`", "", method.about, "")
        if method.params:
            yield from ("| parameter | type | meaning |", "|---|---|---|")
            for name, schema in method.params.items():
                yield f"| `{name}` | {_type(schema)} | {_meaning(method, name, schema)} |"
            yield ""
        yield from (f"Returns {_result(method.result)}.", "")


def _meaning(method: Method, name: str, schema: Mapping[str, Any]) -> str:
    told = str(schema.get("description", ""))
    if name in method.required:
        return f"{told}; required"
    default = schema.get("default")
    usual = {True: "`true`", False: "`false`"}.get(default, f"`{default}`") if isinstance(default, bool) else default
    return f"{told}; usually {usual}" if default not in (None, {}) else told


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kinds = schema.get("type", "object")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


def _result(schema: Mapping[str, Any]) -> str:
    if schema.get("type") == "array":
        return f"a list; each item is {_result(schema['items'])}"
    members = schema.get("properties", {})
    named = [f"`{name}`" for name in members] or [f"`{name}`" for name in schema.get("required", ())]
    return f"an object with {', '.join(named)}" if named else "an object"


def _events() -> Iterator[str]:
    yield from (
        "## Events",
        "",
        "Over a websocket an event is a notification with its name as the method; in lists it has its name as `event`.",
        "Each has `session`, `seq`, `time` (seconds since the epoch), and the `execution` that it belongs to with",
        "`who` runs that (`user`, `name`, `client`); the two are null where nobody's code is the cause. `name` is what",
        "the frontend has told, `browser` for pages and other programs of Jupyter, `editor` for editor sync.",
        "",
        "| event | when | more |",
        "|---|---|---|",
    )
    for name, (about, members) in EVENTS.items():
        yield f"| `{name}` | {about} | {', '.join(f'`{member}`' for member in members)} |"
    yield ""


def _errors() -> Iterator[str]:
    yield from (
        "## Errors",
        "",
        "An error has a `code`, a `message` for people, and in `data` the `reason` as one word; -32602 has all faults",
        "in `data.errors`, each with `path` and `message`.",
        "",
        "| code | reason | when |",
        "|---|---|---|",
    )
    found = sorted(_tree(RpcError), key=lambda error: (-error.code if error.code < -32599 else 0, error.reason))
    for error in found:
        yield f"| {error.code} | `{error.reason}` | {(inspect.getdoc(error) or '').partition(chr(10))[0]} |"
    yield ""


def _tree(error: type[RpcError]) -> Iterator[type[RpcError]]:
    yield error
    for below in error.__subclasses__():
        if not below.__name__.startswith("_"):
            yield from _tree(below)
