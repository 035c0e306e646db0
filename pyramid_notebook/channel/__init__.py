"""The channel: Python in a kernel and JavaScript in the page call each other, through the site's own door.

::

    kernel (hub, a thread)  ◀── the door ──  page (channel.js)
          └── user server: lets the page through, hands its connection on, and is out of the way

``protocol`` says what the two ends tell each other; ``kernel`` is what a cell uses; ``handlers`` let a page through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kernel import Channel, open_channel
    from .streams import Stream

__all__ = ["Channel", "Stream", "open_channel"]


def __getattr__(name: str) -> Any:
    """Load what needs aiohttp when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import kernel, streams

    return getattr(kernel if hasattr(kernel, name) else streams, name)
