"""Our Jupyter server extension: the door's private paths, and what pages must know.

The paths below ``-/`` are for the door alone: it sends the secret, and never passes such a path on for a browser.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado.web import HTTPError, authenticated

from ..channel.handlers import channel_handlers
from ..context import NotebookContext
from ..errors import ContextError
from ..functions.engines import Engines
from ..functions.handlers import function_handlers
from ..functions.library import Library
from ..functions.options import FunctionOptions
from ..functions.overview import overview_handlers
from ..functions.service import Functions
from ..layout import UserFolder
from ..record import ServerOptions
from ..rpc.handlers import rpc_handlers
from ..rpc.service import Rpc
from ..sync.handlers import EditorSync, sync_handlers
from .activity import Activity
from .compression import compress_settings
from .config import LABEXTENSIONS
from .contexts import install
from .leases import Leases, watch
from .outcome import OutcomeReporter
from .saving import Saving

SETTING = "pyramid_notebook"
SYNC_SETTING = "pyramid_notebook_sync"
FUNCTIONS_SETTING = "pyramid_notebook_functions"


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the handlers share; it lies in the web application's settings under :data:`SETTING`."""

    app: ServerApp
    options: ServerOptions
    activity: Activity
    saving: Saving
    folder: UserFolder
    installing: asyncio.Lock = field(default_factory=asyncio.Lock)
    leases: Leases = field(default_factory=Leases)


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


class LeasesHandler(DoorHandler):
    """``POST -/leases``: a web worker says which of its leases go on, and which have ended."""

    @authenticated
    def post(self) -> None:
        """Answer with ``unused``, a list of the leases among ``renewed`` that have no connection."""
        told = self.get_json_body() or {}
        renewed, ended = (told.get(name) for name in ("renewed", "ended"))
        if not all(isinstance(name, str) for names in (renewed, ended) for name in _listed(names)):
            raise HTTPError(400, "Leases have names.")
        self.finish(json.dumps({"unused": self.state.leases.tell(_listed(renewed), _listed(ended))}))

    def _log(self) -> None:
        """Log nothing: it comes every other second, and is no activity."""


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise HTTPError(400, "Leases come in lists.")
    return value


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


def _functions(app: ServerApp, state: ServerState) -> Functions:
    options = FunctionOptions.from_dict(state.options.functions)
    kernels = state.folder.runtime / "data" / "kernels"
    engines = Engines(app.kernel_spec_manager, options)
    return Functions(Library(Path(app.root_dir), kernels), options, engines, state.activity.touch)


def _rpc(app: ServerApp, state: ServerState, sync: EditorSync) -> Rpc:
    options, touch = state.options, state.activity.touch
    return Rpc(app, sync.exchange.notebooks, sync.execution, user=options.user, ui=options.ui, touch=touch)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: ServerApp) -> None:
    settings = app.web_app.settings
    state = settings[SETTING]
    settings["page_config_hook"] = _page_config(state)
    base, scratch = app.base_url, Path(os.environ["JUPYTER_RUNTIME_DIR"])
    sync = settings[SYNC_SETTING] = EditorSync.of(app, state.saving, state.folder.runtime / "sync")
    functions = settings[FUNCTIONS_SETTING] = _functions(app, state)
    state.activity.heed(lambda: functions.is_busy)
    rpc = _rpc(app, state, sync)
    app.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, "-/status"), StatusHandler),
            (url_path_join(base, "-/context"), ContextHandler),
            (url_path_join(base, "-/save"), SaveHandler),
            (url_path_join(base, "-/leases"), LeasesHandler),
            *((url_path_join(base, path), *rest) for path, *rest in sync_handlers(sync)),
            *((url_path_join(base, path), *rest) for path, *rest in rpc_handlers(rpc)),
            *((url_path_join(base, path), *rest) for path, *rest in overview_handlers(functions)),
            *((url_path_join(base, path), *rest) for path, *rest in function_handlers(functions)),
            *((url_path_join(base, path), *rest) for path, *rest in channel_handlers(app.kernel_manager, scratch)),
        ],
    )
    state.activity.watch()
    watch(app.web_app, state.leases)
    compress_settings(app.web_app, base)
    OutcomeReporter(app)
