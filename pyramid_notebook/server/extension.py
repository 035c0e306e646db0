"""Our Jupyter server extension: the door's private paths, and what pages must know.

The paths below ``-/`` are for the door alone: it sends the secret, and never passes such a path on for a browser.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado.web import HTTPError, authenticated

from ..context import NotebookContext
from ..errors import ContextError
from ..layout import UserFolder
from ..record import ServerOptions
from ..sync.handlers import EditorSync, sync_handlers
from .activity import Activity
from .config import LABEXTENSIONS
from .contexts import install
from .outcome import OutcomeReporter
from .saving import Saving

SETTING = "pyramid_notebook"
SYNC_SETTING = "pyramid_notebook_sync"


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the handlers share; it lies in the web application's settings under :data:`SETTING`."""

    app: ServerApp
    options: ServerOptions
    activity: Activity
    saving: Saving
    folder: UserFolder
    installing: asyncio.Lock = field(default_factory=asyncio.Lock)


class DoorHandler(APIHandler):
    """A request of the door itself; Jupyter's XSRF check is for browsers."""

    @property
    def state(self) -> ServerState:
        """What the handlers share."""
        state = self.settings[SETTING]
        assert isinstance(state, ServerState)  # noqa: S101 - for the type checker
        return state

    def check_xsrf_cookie(self) -> None:
        """Pass: the secret, which no browser has, was checked."""


class StatusHandler(DoorHandler):
    """``GET -/status``: how the server is doing."""

    @authenticated
    def get(self) -> None:
        """Answer with idle seconds, whether a kernel is busy, and how many kernels there are."""
        activity = self.state.activity
        kernels = len(self.state.app.kernel_manager.list_kernel_ids())
        self.finish(json.dumps({"idle": activity.idle, "busy": activity.busy, "kernels": kernels}))


class SaveHandler(DoorHandler):
    """``POST -/save``: all open documents are saved now, before a stop for example."""

    @authenticated
    async def post(self) -> None:
        """Answer with ``unsaved``, a list of the documents that could not be saved: ``path`` and ``reason`` of each."""
        self.finish(json.dumps({"unsaved": await self.state.saving.save_all()}))


class ContextHandler(DoorHandler):
    """``POST -/context``: one more notebook context for the running server."""

    @authenticated
    async def post(self) -> None:
        """Install the context in the body and answer with the path of its notebook."""
        try:
            context = NotebookContext.from_mapping(self.get_json_body() or {})
        except ContextError as error:
            raise HTTPError(400, str(error)) from error
        async with self.state.installing:  # two launches at once must not start two kernels for one notebook
            path = await install(self.state.app, context, self.state.folder.runtime / "data")
        self.finish(json.dumps({"path": path}))


def _page_config(state: ServerState) -> Any:
    options = state.options
    additions = json.loads((LABEXTENSIONS / "page_config.json").read_text(encoding="utf-8"))[options.ui]
    disabled = additions.pop("disabledExtensions", [])

    def hook(handler: Any, page_config: dict[str, Any]) -> dict[str, Any]:
        page_config["disabledExtensions"] = [*page_config.get("disabledExtensions", []), *disabled]
        page_config.update(
            additions,
            pyramidNotebookHomeUrl=options.home_url,
            pyramidNotebookHomeTitle=options.home_title,
            pyramidNotebookStopUrl=url_path_join(options.base_url, "-/stop"),
            pyramidNotebookStartUrl=url_path_join(options.base_url, "-/start"),
            pyramidNotebookUi=options.ui,
        )
        return page_config

    return hook


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: ServerApp) -> None:
    settings = app.web_app.settings
    state = settings[SETTING]
    settings["page_config_hook"] = _page_config(state)
    base = app.base_url
    sync = settings[SYNC_SETTING] = EditorSync.of(app, state.saving, state.folder.runtime / "sync")
    app.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, "-/status"), StatusHandler),
            (url_path_join(base, "-/context"), ContextHandler),
            (url_path_join(base, "-/save"), SaveHandler),
            *((url_path_join(base, path), *rest) for path, *rest in sync_handlers(sync)),
        ],
    )
    state.activity.watch()
    OutcomeReporter(app)
