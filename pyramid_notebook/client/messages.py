"""JSON-RPC 2.0 as the client writes and reads it (pure; https://www.jsonrpc.org/specification)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import RpcRefused, SiteError
from ..site_client import shown

_VERSION = "2.0"
_LONGEST = 8_000_000  # bytes that the server reads
_NOT_UNDERSTOOD = "The server's answer cannot be understood: it is no message of JSON-RPC 2.0."


class Answer(NamedTuple):
    """An answer to a call.

    Attributes:
        id: of the call; None where the server could not read which.
        result: what it returns, where it does.
        error: what went wrong, or None.
    """

    id: object
    result: Any
    error: RpcRefused | None


class Notification(NamedTuple):
    """What the server tells without being asked.

    Attributes:
        method: its name.
        params: its parameters, whatever they are.
    """

    method: str
    params: Any


def request(id_: int | str, method: str, params: Mapping[str, Any]) -> str:
    """Return the text of a call; ASCII alone, so that every text can be sent.

    Raises:
        SiteError: a parameter has no JSON, or all is too long: the server could not even tell which call it refuses.
    """
    message = {"jsonrpc": _VERSION, "id": id_, "method": method, "params": params}
    try:
        text = json.dumps(message, allow_nan=False)
        if "\\ud" in text:
            json.dumps(message, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise SiteError(f"A text of {method} is none: it has half of a surrogate pair.") from None
    except (TypeError, ValueError, RecursionError):
        raise SiteError(f"The parameters of {method} cannot be sent as JSON.") from None
    if len(text) > _LONGEST:
        raise SiteError(f"{method} would send {len(text)} bytes; {_LONGEST} are the most.")
    return text


def read(text: str | bytes) -> list[Answer | Notification]:
    """Return the messages of a text, which is one of them or an array (sections 5 and 6).

    Raises:
        SiteError: it is something else.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise SiteError(_NOT_UNDERSTOOD) from None
    return [_message(value) for value in (values if isinstance(values, list) else [values])]


def values_of(body: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer, an empty one where it holds something else."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _message(value: object) -> Answer | Notification:
    if not isinstance(value, dict) or value.get("jsonrpc") != _VERSION:
        raise SiteError(_NOT_UNDERSTOOD)
    method = value.get("method")
    if isinstance(method, str):
        return Notification(method, value.get("params"))
    if "error" in value:
        return Answer(value.get("id"), None, _error(value["error"]))
    if "result" in value and "id" in value:
        return Answer(value["id"], value["result"], None)
    raise SiteError(_NOT_UNDERSTOOD)


def _error(value: object) -> RpcRefused:
    if not isinstance(value, dict) or not isinstance(value.get("code"), int):
        raise SiteError(_NOT_UNDERSTOOD)
    message, data = value.get("message"), value.get("data")
    told = shown(" ".join(message[:2000].split())) if isinstance(message, str) else "The server refuses."
    values = data if isinstance(data, dict) else {}
    reason = values.get("reason")
    return RpcRefused(told, code=value["code"], word=reason if isinstance(reason, str) else "", data=values)
