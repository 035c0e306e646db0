"""Messages of kernels as events of a session (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

#: What is told, by the event's name: when, and what else than session, number, time, execution and who.
EVENTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "begin": ("the kernel begins with code, whoever has asked for it", ("code", "count")),
    "stream": ("text is written to `stdout` or `stderr`", ("name", "text")),
    "display": ("something is shown, in several media types", ("data", "metadata", "display_id")),
    "update": ("what was shown with a display id changes", ("display_id", "data", "metadata")),
    "result": ("the last expression has a value", ("count", "data", "metadata")),
    "error": ("an exception was raised", ("ename", "evalue", "traceback")),
    "clear": ("what was shown shall go, at once or when something new comes (`wait`)", ("wait",)),
    "input_request": ("code asks for a line", ("prompt", "password")),
    "input_done": ("it was given one", ()),
    "status": ("the kernel is `busy`, `idle`, `starting`, `restarting` or `dead`", ("state",)),
    "end": (
        "an execution has ended: `ok`, `error` or `aborted`; `reason` says `restarted` or `died` where the kernel did",
        ("status", "count", "reason", "expressions"),
    ),
    "lost": ("events with these numbers are not kept any more; it has no number itself", ("from", "to")),
}


def event_of(kind: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a message tells, with the event's name as ``event``; None for what is told otherwise, or not at all.

    Args:
        kind: type of the message (Jupyter messaging, "Messages on the IOPub channel").
        content: of the message.
    """
    data, metadata = finite(content.get("data") or {}), finite(content.get("metadata") or {})
    display_id = (content.get("transient") or {}).get("display_id")
    if kind == "display_data":
        named = {"display_id": str(display_id)} if display_id else {}
        return {"event": "display", "data": data, "metadata": metadata, **named}
    if kind == "update_display_data":
        return {"event": "update", "display_id": str(display_id or ""), "data": data, "metadata": metadata}
    if kind == "execute_result":
        return {"event": "result", "count": content.get("execution_count"), "data": data, "metadata": metadata}
    if kind == "error":
        texts = {name: str(content.get(name, "")) for name in ("ename", "evalue")}
        return {"event": "error", **texts, "traceback": [str(line) for line in content.get("traceback") or ()]}
    if kind == "clear_output":
        return {"event": "clear", "wait": bool(content.get("wait"))}
    return None


def finite(value: Any) -> Any:
    """Return a value without numbers that JSON does not have (RFC 8259 section 6); null stands for them."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return value


def size_of(value: Any) -> int:
    """Return about how many characters a value has as JSON."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(str(name)) + size_of(item) for name, item in value.items())
    if isinstance(value, list):
        return sum(map(size_of, value))
    return 8
