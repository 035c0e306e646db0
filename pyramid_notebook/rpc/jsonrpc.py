"""Messages of JSON-RPC 2.0: text in, requests and faults out, and back (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ..errors import BadCall, NotebookError, NotJson, RpcError

VERSION = "2.0"
#: Bytes that a message may have, requests that a batch may have, and how deep its values may lie in each other.
MOST_BYTES = 8_000_000
MOST_REQUESTS = 100
DEEPEST = 64
_MEMBERS = frozenset(("jsonrpc", "method", "params", "id"))
_SHOWN = 50

Id = str | int | float | None


@dataclass(frozen=True, slots=True)
class Request:
    """One request (JSON-RPC 2.0 section 4).

    Attributes:
        method: its name.
        params: by position or by name.
        id: what the answer repeats.
        is_notification: nobody waits for an answer.
    """

    method: str
    params: Sequence[Any] | Mapping[str, Any]
    id: Id = None
    is_notification: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that came in place of a request.

    Attributes:
        error: what is wrong with it.
        id: of the request, if that could be read.
    """

    error: RpcError
    id: Id = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """What one text holds: requests and faults in their order, and whether they came as a batch."""

    items: tuple[Request | Fault, ...]
    is_batch: bool = False


def parse(text: str | bytes) -> Incoming:
    """Return what a text holds; what is wrong with it is among that.

    Args:
        text: JSON, in UTF-8 where it is bytes.
    """
    try:
        value = _loaded(text)
    except RpcError as error:
        return Incoming((Fault(error),))
    if not isinstance(value, list):
        return Incoming((_item(value),))
    if not value:
        return Incoming((Fault(BadCall("A batch has one request at least.")),))
    if len(value) > MOST_REQUESTS:
        message = f"A batch has {MOST_REQUESTS} requests at most; this one has {len(value)}."
        return Incoming((Fault(BadCall(message)),))
    return Incoming(tuple(map(_item, value)), is_batch=True)


def result_message(request_id: Id, result: Any) -> dict[str, Any]:
    """Return the response that tells a result (section 5)."""
    return {"jsonrpc": VERSION, "result": result, "id": request_id}


def error_message(request_id: Id, error: RpcError) -> dict[str, Any]:
    """Return the response that tells an error (section 5.1)."""
    told = {"code": error.code, "message": str(error), "data": dict(error.data)}
    return {"jsonrpc": VERSION, "error": told, "id": request_id}


def notification(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notification (section 4.1)."""
    return {"jsonrpc": VERSION, "method": method, "params": params}


def rpc_error(error: NotebookError) -> RpcError:
    """Return an error of other parts of this package as one of JSON-RPC, with its reason."""
    return error if isinstance(error, RpcError) else _Other(str(error), reason=error.reason)


class _Other(RpcError):
    code = -32000


def _loaded(text: str | bytes) -> Any:
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise NotJson("This JSON has half of a surrogate pair, which is no text (RFC 7493 section 2.1).") from None
    except UnicodeDecodeError:
        raise NotJson("This is no UTF-8.") from None
    except RecursionError:
        raise NotJson(f"The values lie too deep in each other; {DEEPEST} levels are the most.") from None
    except ValueError as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise NotJson(f"This is no JSON{place}.") from None
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [item for one in level for item in _inside(one)]
        if not level:
            return
    raise NotJson(f"The values lie too deep in each other; {DEEPEST} levels are the most.")


def _inside(value: Any) -> list[Any]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, (dict, list))]


def _refuse(name: str) -> None:
    raise ValueError(name)


def _finite(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):  # what answers could not repeat
        raise ValueError(digits)
    return value


def _item(value: Any) -> Request | Fault:
    if not isinstance(value, dict):
        return Fault(BadCall("A request is a JSON object."))
    request_id = value.get("id")
    has_id = request_id is None or (isinstance(request_id, (str, int, float)) and not isinstance(request_id, bool))
    known_id = request_id if has_id else None
    if fault := _fault(value, has_id):
        return Fault(BadCall(fault), known_id)
    return Request(value["method"], value.get("params", {}), known_id, is_notification="id" not in value)


def _fault(value: Mapping[str, Any], has_id: bool) -> str:
    if value.get("jsonrpc") != VERSION:
        return 'A request has "jsonrpc": "2.0".'
    if not isinstance(value.get("method"), str):
        return "A request names its method in a text."
    if not isinstance(value.get("params", {}), (dict, list)):
        return "The parameters are a JSON object or a list."
    if not has_id:
        return "The id is a text, a number or null."
    if unknown := sorted(value.keys() - _MEMBERS):
        return f"A request has no member {unknown[0][:_SHOWN]!r}."
    return ""
