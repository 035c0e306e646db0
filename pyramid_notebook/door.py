"""What the views of one site share, and how it gets into the site."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyramid.events import NewRequest
from pyramid.security import NO_PERMISSION_REQUIRED

from .context import NotebookContext
from .errors import WebSocketUnsupported
from .manager import NotebookManager
from .proxy import adaptors
from .proxy.places import Places
from .proxy.relay import Relay
from .proxy.static import StaticFiles
from .settings import Settings
from .startup import make_startup

_KEY = "pyramid_notebook"
_LOCK = threading.Lock()

ContextFactory = Callable[[Any], Mapping[str, Any] | NotebookContext]


@dataclass(slots=True)
class Door:
    """One site's settings and the objects that its views use; there is one in each web worker.

    Attributes:
        settings: the site's settings.
        manager: of the user servers.
        relay: moves the bytes of websockets.
        static: Notebook's own files.
        places: how much of this web worker each user may hold up.
        assets: folder of the files of our pages.
        context_factory: makes the default notebook context of a request.
        unprepared: taken, and never released, by the request that begins to prepare this web worker.
        log: where trouble goes.
    """

    settings: Settings
    manager: NotebookManager
    relay: Relay
    static: StaticFiles
    places: Places
    assets: Path = Path(__file__).with_name("static")
    context_factory: ContextFactory | None = None
    unprepared: threading.Lock = field(default_factory=threading.Lock)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("pyramid_notebook"))

    def default_context(self, request: Any) -> Mapping[str, Any] | NotebookContext:
        """Return what a notebook holds that was not opened from a certain object."""
        if self.context_factory:
            return self.context_factory(request)
        context: dict[str, Any] = {}
        make_startup(context, self.settings.config_file or None)
        return context


def door_of(request: Any) -> Door:
    """Return the door of the site that a request is for; it is made and prepared at first use.

    Raises:
        SettingsError: a ``pyramid_notebook.*`` setting is missing, unknown or bad.
    """
    door = _door_of_registry(request.registry)
    if door.unprepared.acquire(blocking=False):
        work = threading.Thread(target=_prepare, args=(door, request.environ), name="notebook-prepare", daemon=True)
        work.start()
    return door


def _door_of_registry(registry: Any) -> Door:
    with _LOCK:
        if _KEY not in registry:
            settings = Settings.from_mapping(registry.settings)
            manager = NotebookManager(settings)
            labextensions = Path(__file__).parent / "server" / "labextension"
            registry[_KEY] = Door(
                settings=settings,
                manager=manager,
                relay=Relay(),
                places=Places(settings.user_requests),
                static=StaticFiles(manager.root / ".static", extensions=[labextensions]),
            )
        door = registry[_KEY]
        assert isinstance(door, Door)  # noqa: S101 - for the type checker
        return door


def setup(config: Any) -> None:
    """Add settings, directives, routes, views and ``request.notebooks`` to a site (its ``includeme``)."""
    from . import views

    settings = _door_of_registry(config.registry).settings
    config.add_directive("set_notebook_context", set_notebook_context)
    config.add_request_method(lambda request: door_of(request).manager, "notebooks", reify=True)
    prefix = settings.route_prefix
    config.add_route("notebook_open", f"{prefix}/-/open", request_method="POST")
    config.add_route("notebook_stop", f"{prefix}/-/stop", request_method="POST")
    config.add_route("notebook_proxy", f"{prefix}/{{user}}/*remainder")
    for route, view in (
        ("notebook_open", views.notebook_open_view),
        ("notebook_stop", views.notebook_stop_view),
        ("notebook_proxy", views.notebook_proxy_view),
    ):
        # the views ask for the permission themselves, and check the origin instead of a CSRF token
        config.add_view(view, route_name=route, permission=NO_PERMISSION_REQUIRED, require_csrf=False)
    config.add_subscriber(_on_request, NewRequest)


def set_notebook_context(config: Any, factory: ContextFactory) -> None:
    """Directive ``config.set_notebook_context``: say what a notebook holds that was opened by ``notebook_open``.

    Args:
        config: the configurator.
        factory: gets the request and returns a notebook context.
    """

    def register() -> None:
        _door_of_registry(config.registry).context_factory = config.maybe_dotted(factory)

    introspectable = config.introspectable("notebook", "context", "default notebook context", "notebook context")
    introspectable["factory"] = factory
    config.action(("pyramid_notebook", "context"), register, introspectables=(introspectable,))


def _on_request(event: Any) -> None:
    door_of(event.request)  # a kernel of ours makes the application too, and gets no request


def _prepare(door: Door, environ: Mapping[str, Any]) -> None:
    """Do once in a web worker what no request should wait for."""
    try:
        adaptors.check(environ, door.settings.websocket_proxy)
        door.manager.warm_up()
        for name in door.manager.sweep():
            door.log.warning("Removed what a crashed notebook server of %s had left", name)
        door.static.compress()
    except WebSocketUnsupported as error:  # so it is in a site's own tests, and no notebook will be opened there
        door.log.warning("%s", error)
    except Exception:
        door.log.exception("Preparing for notebooks failed")
