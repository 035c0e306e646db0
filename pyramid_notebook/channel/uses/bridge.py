"""A bridge between a notebook in an iframe and the page of the site that shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import NoPage
from ..exposed import Where
from ..kernel import SECONDS, Channel, open_channel

_NAME = "use.bridge"


class Bridge:
    """Calls between the kernel and a page of the site; see :func:`open_bridge`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def expose(self, function: Callable[..., Any], *, name: str = "", thread: Where = "main") -> Callable[..., Any]:
        """Let the page of the site call a function; arguments as those of :meth:`Channel.expose`."""
        self._channel.expose(function, name=name, thread=thread)
        return function

    def call(self, name: str, *arguments: Any, timeout: float | None = SECONDS) -> asyncio.Task[Any]:
        """Begin to call a function that the page of the site exposes; await what this returns for its value.

        Args:
            name: of the function.
            arguments: what JSON can hold, and bytes.
            timeout: seconds for its answer; None for as long as it takes.

        Raises:
            NoPage: no page shows this notebook inside a page of its own site (when awaited, as all below).
            ChannelTimeout: the page did not answer in time, or has no bridge.
            PageError: the function threw an exception, or there is none of that name.
        """
        return asyncio.create_task(self._call(name, arguments, timeout))

    def call_sync(self, name: str, *arguments: Any, timeout: float | None = SECONDS) -> Any:
        """Do the same in a cell that does not await."""
        page = _embedded(self._channel.call_sync("embedded", page="all"))
        return self._channel.call_sync("site", name, list(arguments), page=page, timeout=timeout)

    def close(self) -> None:
        """Close it."""
        self._channel.close()

    async def _call(self, name: str, arguments: tuple[Any, ...], timeout: float | None) -> Any:  # noqa: ASYNC109
        page = _embedded(await self._channel.call("embedded", page="all"))
        return await self._channel.call("site", name, list(arguments), page=page, timeout=timeout)


def open_bridge() -> Bridge:
    """Return the bridge of this kernel, and connect the page that shows this cell.

    The page of the site has the other end, ``NotebookBridge`` of ``channel/static/0/bridge.js`` below the address
    of the user's notebooks. Both ends take messages of the site's own origin only.

    Raises:
        NoChannel: this is no kernel of a user server.
    """
    code = Path(__file__).with_name("bridge.js").read_text(encoding="utf-8").partition("\n")[2]
    return Bridge(open_channel(_NAME, code))


def _embedded(answers: dict[str, Any]) -> str:
    """Return the id of the page that connected last, of those that are embedded."""
    found = [page for page, answer in answers.items() if answer is True]
    if not found:
        raise NoPage("No page shows this notebook inside a page of its own site.")
    return found[-1]
