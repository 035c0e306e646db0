"""The user server: Jupyter Server with our configuration, started quickly.

Import this module late: it loads Jupyter.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from jupyter_server.serverapp import ServerApp

from ..files import private_folder
from ..layout import UserFolder
from ..record import ServerOptions, ServerRecord
from .activity import Activity
from .collector import Collector
from .config import environment, server_config
from .extension import FUNCTIONS_SETTING, SETTING, SYNC_SETTING, ServerState
from .saving import Saving

#: Exit code after the dead-man switch.
IDLE_EXIT_CODE = 66
#: A thread that saves or merges lets the event loop go on after so long (5 ms are usual).
_SWITCH_SECONDS = 0.002


class NotebookServerApp(ServerApp):
    """Jupyter's server, which saves open documents before it ends."""

    name = "ServerApp"
    no_browser_open_file = True

    async def cleanup_extensions(self) -> None:
        """End what runs for editors, save what is open, then let the extensions go."""
        state = self.web_app.settings[SETTING]
        await self.web_app.settings[SYNC_SETTING].close()
        await self.web_app.settings[FUNCTIONS_SETTING].close()
        for document in await state.saving.save_all():
            self.log.error("%s is not saved at the end: %s", document["path"], document["reason"])
        await super().cleanup_extensions()


def run(
    folder: UserFolder,
    options: ServerOptions,
    record: ServerRecord,
    *,
    port: int,
    extra: Sequence[str],
    ready: Callable[[ServerRecord], None],
) -> int:
    """Run a user server until it ends.

    Args:
        folder: the user's folder; its subfolders exist.
        options: what the manager wrote for the daemon.
        record: of this process, without an address.
        port: loopback port to listen on, 0 for a unix socket in the record's scratch folder.
        extra: more arguments for Jupyter's command line.
        ready: called with the whole record when the server listens.

    Returns:
        The exit code: 0, or :data:`IDLE_EXIT_CODE` when the dead-man switch ended it.
    """
    for name in ("config", "data", "ipython"):
        private_folder(folder.runtime / name)
    os.environ.update(environment(folder, record.scratch))
    sys.setswitchinterval(_SWITCH_SECONDS)
    record = replace(record, port=port, socket="" if port else f"{record.scratch}/s")
    app = NotebookServerApp.instance(config=server_config(options, folder, record))
    ended: list[str] = []

    def end(reason: str) -> None:
        ended.append(reason)
        app.log.warning("This server ends: %s", reason)
        app.stop()

    activity = Activity(app, kill_timeout=record.kill_timeout, max_lifetime=record.max_lifetime, end=end)
    saving = Saving(app, folder.runtime / "unsaved")
    state = ServerState(app, options, activity, saving, folder)
    app.tornado_settings = {SETTING: state, "page_config_data": {}}
    app.initialize(argv=list(extra))

    async def begin() -> None:
        await saving.begin()
        ready(record)
        Collector(lambda: activity.idle).begin()

    app.io_loop.add_callback(begin)  # runs after the callback that binds the socket
    app.start()
    return IDLE_EXIT_CODE if ended else 0
