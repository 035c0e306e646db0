"""A Jupyter server extension that measures for how long the event loop does nothing else; see ``benchmarks.sync``."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado.web import authenticated

_PAUSE_SECONDS = 0.001
_longest = 0.0


class LongestHandler(APIHandler):
    """``GET api/loop-probe``: the longest gap since this was asked last, in milliseconds."""

    @authenticated
    def get(self) -> None:
        """Answer with the gap, and begin anew."""
        global _longest
        longest, _longest = _longest, 0.0
        self.finish(json.dumps(longest * 1000))


async def _watch() -> None:
    global _longest  # noqa: PLW0603 - one server, one loop
    last = time.perf_counter()
    while True:
        await asyncio.sleep(_PAUSE_SECONDS)
        now = time.perf_counter()
        _longest = max(_longest, now - last - _PAUSE_SECONDS)
        last = now


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    app.web_app.add_handlers(".*$", [(url_path_join(app.base_url, "api/loop-probe"), LongestHandler)])
    app.io_loop.add_callback(_watch)
