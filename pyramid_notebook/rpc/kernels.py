"""What a kernel can be asked beside running code: completions, what names are, its history."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from ..errors import BadArguments, KernelBusy, KernelDead, RpcError, WaitedLongEnough
from ..server.execution.kernels import KernelConnection
from . import inside
from .methods import PATIENCE
from .running import Hidden
from .sessions import Session

# a path such as numpy.linalg.so at the end of a line; what begins otherwise may be in a text, or has to be evaluated
_ATTRIBUTE = re.compile(r"(?<![\w.)\]}\"'\\/#])[^\W\d]\w*(?:\.[^\W\d]\w*)*\.(?:[^\W\d]\w*)?$")
_NO_EXPRESSIONS = ("%", "!", "import ", "from ")
_LONGEST = 30.0  # seconds that an answer may take
_TYPES = "_jupyter_types_experimental"


async def asked(session: Session, kind: str, content: Mapping[str, Any], wait: float = PATIENCE) -> dict[str, Any]:
    """Ask a session's kernel by the shell channel, and return the content of the answer.

    Args:
        session: that is meant.
        kind: of the message (Jupyter messaging, "Messages on the shell channel").
        content: of the message.
        wait: seconds for which a kernel that is busy is waited for.

    Raises:
        KernelBusy: it works on something else for longer.
        KernelDead: there is none.
        RpcError: it cannot do it.
    """
    connection = await _idle(session, wait)
    asking = asyncio.ensure_future(connection.ask(kind, dict(content)))
    try:
        for patience in (wait, _LONGEST):
            if (await asyncio.wait({asking}, timeout=patience))[0]:
                break
            if session.is_busy or connection.closed:  # somebody was faster; else it only takes its time
                break
        if not asking.done():
            raise KernelDead if connection.closed else KernelBusy
        reply = asking.result()
    finally:
        asking.cancel()
    if reply.get("status") == "error":
        raise RpcError(f"The kernel could not do it: {reply.get('ename')}: {reply.get('evalue')}.")
    return reply


async def _idle(session: Session, wait: float) -> KernelConnection:
    connection = await session.connection()
    try:
        async with asyncio.timeout(wait):
            # what is sent to a busy kernel would wait there, also when nobody is interested any more
            await session.until_idle()
    except TimeoutError:
        raise KernelBusy from None
    if session.is_gone:
        raise KernelDead
    return connection


async def looked(session: Session, expression: str, wait: float, longest: float = _LONGEST) -> Any:
    """Look around in a kernel of Python, which nobody else hears of.

    Args:
        session: that is meant.
        expression: of :mod:`.inside`.
        wait: seconds for which a kernel that is busy is waited for.
        longest: seconds after which the kernel is not waited for any more.

    Raises:
        KernelBusy, WaitedLongEnough: it takes too long.
        RpcError: it cannot do it.
    """
    connection = await _idle(session, wait)
    options = {"silent": True, "store_history": False, "user_expressions": {inside.ANSWER: expression}}
    try:
        async with asyncio.timeout(longest):
            reply = await connection.execute("", "", Hidden(), options)
    except TimeoutError:
        message = f"This took longer than {longest:g} seconds. Interrupt it, if it shall not go on."
        raise WaitedLongEnough(message) from None
    try:
        return inside.answer_of(reply)
    except ValueError as error:
        raise RpcError(f"The kernel could not do it; this works with kernels of Python. It says: {error}") from None


async def variables(session: Session, asked_for: Mapping[str, Any]) -> Any:
    """Return what the user has defined."""
    expression = inside.expression("variables", limit=asked_for.get("limit", 200))
    return await looked(session, expression, asked_for.get("wait", PATIENCE))


async def doctest(session: Session, asked_for: Mapping[str, Any]) -> Any:
    """Run examples, and return which failed."""
    if ("text" in asked_for) == ("name" in asked_for):
        message = "Give the text with the examples, or the name of something whose docstring has them."
        raise BadArguments(message, errors=[{"path": "text", "message": message}])
    expression = inside.expression("doctest", text=asked_for.get("text"), name=asked_for.get("name"))
    result = await looked(session, expression, asked_for.get("wait", PATIENCE), asked_for.get("timeout", 60))
    if "problem" in result:
        raise BadArguments(result["problem"], errors=[{"path": "name", "message": result["problem"]}])
    return result


async def complete(session: Session, asked_for: Mapping[str, Any]) -> dict[str, Any]:
    """Return completions, with their types where the kernel tells them."""
    _require_cursor(asked_for)
    found = await _attributes(session, asked_for)
    if found is not None:
        return found
    content = {"code": asked_for["code"], "cursor_pos": asked_for["cursor"]}
    reply = await asked(session, "complete_request", content, asked_for.get("wait", PATIENCE))
    start, end = int(reply.get("cursor_start", 0)), int(reply.get("cursor_end", 0))
    detailed = (reply.get("metadata") or {}).get(_TYPES)
    matches = [
        {"text": one["text"], "start": one.get("start", start), "end": one.get("end", end)}
        | ({"type": one["type"]} if one.get("type") and one["type"] != "<unknown>" else {})
        for one in detailed or ({"text": text} for text in reply.get("matches") or ())
    ]
    return {"matches": matches, "cursor_start": start, "cursor_end": end}


async def _attributes(session: Session, asked_for: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the names that an object of a kernel of Python has; None where that is not what is asked for.

    IPython asks Jedi for the type of each, which takes a tenth of a second with a large module; here the objects
    themselves are looked at, without running any code of theirs but ``__dir__``.
    """
    cursor = asked_for["cursor"]
    line = asked_for["code"][:cursor].rpartition("\n")[2]
    asked = _ATTRIBUTE.search(line)
    if asked is None or line.lstrip().startswith(_NO_EXPRESSIONS) or session.language != "python":
        return None
    *path, prefix = asked[0].split(".")
    try:
        names = await looked(
            session, inside.expression("attributes", path=path, prefix=prefix), asked_for.get("wait", PATIENCE)
        )
    except KernelBusy:
        raise
    except RpcError:
        return None
    if not names:
        return None
    start = cursor - len(prefix)
    matches = [{"text": name, "start": start, "end": cursor} | ({"type": kind} if kind else {}) for name, kind in names]
    return {"matches": matches, "cursor_start": start, "cursor_end": cursor}


async def inspect(session: Session, asked_for: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known about a name."""
    _require_cursor(asked_for)
    content = {
        "code": asked_for["code"],
        "cursor_pos": asked_for["cursor"],
        "detail_level": asked_for.get("detail", 0),
    }
    reply = await asked(session, "inspect_request", content, asked_for.get("wait", PATIENCE))
    return {"found": bool(reply.get("found")), "data": reply.get("data") or {}}


def _require_cursor(asked_for: Mapping[str, Any]) -> None:
    length = len(asked_for["code"])
    if asked_for["cursor"] > length:  # a kernel would not even answer
        message = f"The code has {length} characters, so the cursor is not behind them."
        raise BadArguments(message, errors=[{"path": "cursor", "message": message}])


async def is_complete(session: Session, asked_for: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether code can be run as it is."""
    content = {"code": asked_for["code"]}
    reply = await asked(session, "is_complete_request", content, asked_for.get("wait", PATIENCE))
    return {"status": reply.get("status", "unknown"), "indent": reply.get("indent") or ""}


async def history(session: Session, asked_for: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return inputs of the kernel's history."""
    content = {
        "output": False,
        "raw": True,
        "n": asked_for.get("limit", 100),
        "hist_access_type": "search" if asked_for.get("pattern") else "tail",
        "pattern": asked_for.get("pattern") or "*",
        "unique": asked_for.get("unique", False),
    }
    reply = await asked(session, "history_request", content, asked_for.get("wait", PATIENCE))
    return [{"session": one[0], "line": one[1], "code": str(one[2])} for one in reply.get("history") or ()]
