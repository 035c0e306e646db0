"""What goes wrong in the JSON-RPC API (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import NotebookError


class RpcError(NotebookError):
    """A request cannot be answered; the text says why.

    Attributes:
        code: tells programs what went wrong (JSON-RPC 2.0 section 5.1).

    Args:
        message: one sentence; empty for the class's own.
        data: more for programs, beside the reason.
    """

    status = 200  # the request as such was answered
    code = -32603
    reason = "internal"
    text = "The notebook server failed; its log says how."

    def __init__(self, message: str = "", **data: Any) -> None:
        super().__init__(message)
        self._data = data

    @property
    def data(self) -> Mapping[str, Any]:
        """What programs are told beside the code and the message."""
        return {"reason": self.reason, **self._data}


class NotJson(RpcError):
    """What came is no JSON."""

    code = -32700
    reason = "parse"
    text = "This is no JSON."


class BadCall(RpcError):
    """What came is JSON, but neither a request of JSON-RPC 2.0 nor a batch of some."""

    code = -32600
    reason = "request"


class CallTooLarge(BadCall):
    """What came has more bytes than are read."""

    status = 413
    reason = "too-large"


class NoMethod(RpcError):
    """There is no such method."""

    code = -32601
    reason = "method"


class BadArguments(RpcError):
    """The parameters do not fit the method; names all that is wrong."""

    code = -32602
    reason = "params"


class NoSession(RpcError):
    """There is no such session."""

    code = -32001
    reason = "no-such-session"
    text = "There is no such session. Open one with session.open."


class KernelDead(RpcError):
    """The session's kernel does not run any more."""

    code = -32002
    reason = "kernel-dead"
    text = "The kernel has ended. Restart it, or open another session."


class KernelBusy(RpcError):
    """The kernel works on something else, and would answer afterwards only."""

    code = -32003
    reason = "kernel-busy"
    text = "The kernel works on something else. Try again later, wait longer, or interrupt it."


class NotTheAsker(RpcError):
    """Somebody answers an input that another frontend's code asks for."""

    code = -32004
    reason = "not-asker"
    text = "Only the frontend that runs this code may answer what it asks."


class NoExecution(RpcError):
    """There is no such execution, or none that the method could do something with."""

    code = -32005
    reason = "no-such-execution"


class WaitedLongEnough(RpcError):
    """Something was not done in time; it goes on."""

    code = -32006
    reason = "time-out"


class NoSuchThing(RpcError):
    """There is no such notebook or kernel."""

    code = -32007
    reason = "no-such-notebook"


class TooMany(RpcError):
    """There are too many of something already."""

    code = -32009
    reason = "limit"
