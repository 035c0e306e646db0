"""Messages of kernels as what a shared notebook can hold (pure)."""

from __future__ import annotations

import json
from typing import Any

from .events import Event, clipped

_LARGEST = 2**63
_TOLD = ("text/plain", "text/markdown")


def unpacked(packed: bytes) -> Any:
    """Return the content of a message, but for what a shared document cannot hold.

    Those are integers of more than 64 bits, which become floating numbers, and halves of characters, which kernels
    send as they are (the ``surrogateescape`` of :pep:`383`), as in names of files that are no UTF-8.

    Args:
        packed: JSON (Jupyter messaging, "The wire protocol").
    """
    content = json.loads(packed.decode("utf-8", "replace"), parse_int=_integer)
    return _whole(content) if b"\\ud" in packed or b"\\uD" in packed else content


def _integer(digits: str) -> int | float:
    if len(digits) < 19:
        return int(digits)
    value = int(digits) if len(digits) < 30 else _LARGEST
    return value if -_LARGEST <= value < _LARGEST else float(digits)


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole(name): _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value


def output_of(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return a message as an output of a cell (nbformat 4.5), but for streams.

    Args:
        kind: ``display_data``, ``execute_result`` or ``error`` (Jupyter messaging, "Messages on the IOPub channel").
        content: of the message.
    """
    if kind == "error":
        names = ("ename", "evalue")
        return {
            "output_type": kind,
            **{name: str(content.get(name, "")) for name in names},
            "traceback": [str(line) for line in content.get("traceback") or ()],
        }
    output = {"output_type": kind, "data": content.get("data") or {}, "metadata": content.get("metadata") or {}}
    if kind == "execute_result":
        output["execution_count"] = content.get("execution_count")
    return output


def event_of(cell: str, output: dict[str, Any]) -> Event:
    """Return the event that tells of an output, see :func:`output_of`."""
    if output["output_type"] == "error":
        return {
            "event": "error",
            "cell": cell,
            "ename": clipped(output["ename"], 1000),
            "evalue": clipped(output["evalue"], 10_000),
            "traceback": clipped("\n".join(output["traceback"])).split("\n"),
        }
    data = {kind: clipped(str(text)) for kind, text in output["data"].items() if kind in _TOLD}
    return {"event": "display", "cell": cell, "data": data, "types": list(output["data"])}


def size_of(output: dict[str, Any]) -> int:
    """Return about how many bytes an output takes."""
    return sum(len(value if isinstance(value, str) else repr(value)) for value in output.get("data", {}).values())
