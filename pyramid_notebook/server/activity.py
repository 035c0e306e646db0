"""The dead-man switch: a user server that nobody uses ends itself.

Activity is what a person or a program does: running a cell, saving or editing, a request that changes something,
typing into a terminal. Reading, polling, pings and health checks are none. A busy kernel is activity.

Time is that of a clock that nobody sets. Jupyter notes the activity of kernels and terminals by the system's clock:
when such a moment has changed, it is believed as far as it lies between our last look and this one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from jupyter_server.serverapp import ServerApp
from tornado.ioloop import IOLoop

from ..processes import clock

CONTENTS_EVENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"
_READING = frozenset(("GET", "HEAD", "OPTIONS"))
_LOOK_SECONDS = 60.0
_CHANGING_ACTIONS = frozenset(("save", "rename", "delete", "copy"))


class Activity:
    """Knows when the server was last used, and ends it when that was too long ago.

    Args:
        app: the server.
        kill_timeout: seconds without activity after which ``end`` is called, 0 for never.
        max_lifetime: seconds after the start after which ``end`` is called in any case, 0 for never.
        end: called once, with the reason.
    """

    def __init__(self, app: ServerApp, *, kill_timeout: int, max_lifetime: int, end: Callable[[str], None]) -> None:
        self.app = app
        self.kill_timeout = kill_timeout
        self.max_lifetime = max_lifetime
        self._end = end
        self.started = self._touched = self._looked = clock()
        self._seen: dict[str, datetime] = {}
        self._works: list[Callable[[], bool]] = []

    def heed(self, works: Callable[[], bool]) -> None:
        """Count as busy whenever this tells that something works, such as a call of a notebook."""
        self._works.append(works)

    def watch(self) -> None:
        """Begin to watch; call it when the event loop is about to run."""
        settings = self.app.web_app.settings
        settings["event_logger"].add_listener(schema_id=CONTENTS_EVENTS, listener=self._on_contents_event)
        settings["log_function"] = self._logging(settings["log_function"])
        self.touch()  # loading was no idleness
        IOLoop.current().add_callback(self._check)

    def touch(self) -> None:
        """Note that somebody just did something."""
        self._touched = clock()

    @property
    def busy(self) -> bool:
        """Whether a kernel is running code or starting, or something else works."""
        if any(works() for works in self._works):
            return True
        # a kernel that is only just being started has no state yet, and reading it would raise
        return any(
            not kernel.trait_has_value("execution_state") or kernel.execution_state in ("busy", "starting")
            for kernel in self._kernels()
        )

    @property
    def idle(self) -> float:
        """Seconds since the last activity, 0 while a kernel is busy."""
        if self.busy:
            self.touch()
        self._look()
        return max(0.0, clock() - self._touched)

    def _look(self) -> None:
        now, moments = clock(), self._moments()
        for name, moment in moments.items():
            if moment != self._seen.get(name):
                age = min(max(0.0, time.time() - moment.timestamp()), now - self._looked)
                self._touched = max(self._touched, now - age)
        self._looked, self._seen = now, moments

    def _moments(self) -> dict[str, datetime]:
        """Return when each kernel and terminal was last active, by the system's clock."""
        terminals = getattr(self.app.web_app.settings.get("terminal_manager"), "terminals", {})
        kernels = {kernel.kernel_id: kernel for kernel in self._kernels() if kernel.trait_has_value("last_activity")}
        items = {**kernels, **{f"terminal {name}": terminal for name, terminal in terminals.items()}}
        return {name: item.last_activity for name, item in items.items() if hasattr(item, "last_activity")}

    def _kernels(self) -> list[Any]:
        manager = self.app.kernel_manager
        return [manager.get_kernel(kernel_id) for kernel_id in manager.list_kernel_ids()]

    def _check(self) -> None:
        remaining = []
        if self.max_lifetime:
            remaining.append(self.started + self.max_lifetime - clock())
            if remaining[-1] <= 0:
                self._end(f"it has reached its maximum life time of {self.max_lifetime} seconds")
                return
        if self.kill_timeout:
            remaining.append(self.kill_timeout - self.idle)
            if remaining[-1] <= 0:
                self._end(f"nothing happened for {self.kill_timeout} seconds")
                return
        if remaining:
            # seldom looks would leave much room for a wrong clock
            pause = min(*remaining, _LOOK_SECONDS, self.kill_timeout / 10 or _LOOK_SECONDS)
            IOLoop.current().call_later(max(0.05, pause), self._check)

    async def _on_contents_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        if data.get("action") in _CHANGING_ACTIONS:
            self.touch()

    def _logging(self, log: Callable[[Any], None]) -> Callable[[Any], None]:
        def log_and_note(handler: Any) -> None:
            if handler.request.method not in _READING and handler.get_status() < 400:
                self.touch()
            log(handler)

        return log_and_note
