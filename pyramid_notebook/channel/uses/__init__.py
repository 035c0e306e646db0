"""What the channel is good for, ready to use in cells: questions, uploads, live pictures, progress, a bridge to a site.

``docs/how-to/channel.md`` shows each of them.
"""

from __future__ import annotations

from .asking import ask, ask_async
from .bridge import Bridge, open_bridge
from .plotting import live
from .progress import Stopped, progress
from .uploading import Uploaded, upload, upload_async

__all__ = [
    "Bridge",
    "Stopped",
    "Uploaded",
    "ask",
    "ask_async",
    "live",
    "open_bridge",
    "progress",
    "upload",
    "upload_async",
]
