"""The functions of one side that the other may call: those on a list, and no others."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from .loops import crossed
from .threads import Workers, interruptible

#: Where a function runs: on the kernel's main thread between and within cells that await, or on one of the channel's.
Where = Literal["main", "own"]
_THREADS = 8
_OWN = __package__ or ""
_LONGEST = 100_000  # characters of what the page is told of an exception


@dataclass(frozen=True, slots=True)
class Exposed:
    """A function that pages may call.

    Attributes:
        function: called with the arguments that the page gives; may be a coroutine function.
        where: the thread that it runs on.
    """

    function: Callable[..., Any]
    where: Where


class Runner:
    """Runs exposed functions where they want to run.

    Args:
        loop: the channel's own.

    Attributes:
        main: the loop of the kernel's main thread, where there is one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._workers = Workers(loop, _THREADS)
        self.main: asyncio.AbstractEventLoop | None = None

    async def run(self, exposed: Exposed, arguments: list[Any], finish: Callable[[Any], Any]) -> Any:
        """Return what is made of the value that a function returns; called on the channel's loop.

        A cancelled call cancels a coroutine; a plain function goes on until it is done.

        Args:
            exposed: the function.
            arguments: that it gets.
            finish: makes something of its value, on the same thread: the value may be one that others change.
        """
        function = exposed.function
        if exposed.where == "main":
            return await self._on_main(function, arguments, finish)
        if inspect.iscoroutinefunction(function):
            return finish(await function(*arguments))
        if inspect.isasyncgenfunction(function):
            return finish(function(*arguments))

        def called() -> tuple[Any, bool]:
            value = function(*arguments)
            return (value, True) if inspect.isawaitable(value) else (finish(value), False)

        value, is_awaitable = await self._workers.run(called)
        return finish(await value) if is_awaitable else value

    def close(self) -> None:
        """Let its threads end."""
        self._workers.close()

    async def _on_main(self, function: Callable[..., Any], arguments: list[Any], finish: Callable[[Any], Any]) -> Any:
        main = self.main
        if main is None or main.is_closed():
            raise RuntimeError("The kernel's main thread has no event loop; expose the function on thread='own'.")

        async def called() -> Any:
            with interruptible():
                value = function(*arguments)
            return finish(await value if inspect.isawaitable(value) else value)

        return await crossed(main, called)


def told(error: BaseException) -> dict[str, Any]:
    """Return an exception as the other side is told of it, without the frames of this package."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and _is_ours(trace.tb_frame.f_globals):
        trace = trace.tb_next
    try:
        message = str(error)
    except Exception:  # of its own __str__
        message = ""
    lines = "".join(traceback.format_exception(type(error), error, trace))
    found = {"name": type(error).__name__, "message": message[:_LONGEST], "trace": lines[-_LONGEST:]}
    return {name: _unicode(text) for name, text in found.items()} | {"kind": "exception"}


def _unicode(text: str) -> str:
    """Return a text without halves of surrogate pairs, as the names of some files hold them (PEP 383)."""
    return text.encode(errors="backslashreplace").decode()


def _is_ours(names: dict[str, Any]) -> bool:
    return str(names.get("__name__", "")).startswith((_OWN, "asyncio.", "concurrent."))
