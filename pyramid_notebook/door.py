"""What the views of one site share, and how it gets into the site."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyramid.events import ApplicationCreated, NewRequest
from pyramid.exceptions import URLDecodeError
from pyramid.interfaces import ISecurityPolicy
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from .context import NotebookContext
from .errors import NotebookError, SettingsError, WebSocketUnsupported
from .handover.store import Handover
from .manager import NotebookManager
from .names import slug
from .proxy import adaptors
from .proxy.decisions import forget_decisions
from .proxy.early import Early
from .proxy.forwarded import TrustedProxies
from .proxy.leases import Leases
from .proxy.nginx import Gate
from .proxy.passages import Passages
from .proxy.places import Places
from .proxy.relay import Relay
from .proxy.static import StaticFiles
from .proxy.waitress_loop import answer_from_loop
from .settings import Settings
from .startup import make_startup

_KEY = "pyramid_notebook"
_LOG = logging.getLogger("pyramid_notebook")
_LOCK = threading.Lock()

#: Key in the environ of a request that a token let pass: the token's user.
USER = "pyramid_notebook.user"

#: Key in the environ of a request about which the proxies were heard; it stays where the request is asked about again.
_HEARD = "notebook.proxies_were_heard"
#: What is said of an address that Pyramid cannot read.
UNREADABLE = "This address cannot be read: its path is not UTF-8."

ContextFactory = Callable[[Any], Mapping[str, Any] | NotebookContext]
#: Tells whether a user, who need not be the request's, has a permission.
Permits = Callable[[Any, str, str], Any]


@dataclass(slots=True)
class Door:
    """One site's settings and the objects that its views use; there is one in each web worker.

    Attributes:
        settings: the site's settings.
        manager: of the user servers.
        relay: moves the bytes of websockets.
        static: Notebook's own files.
        places: how much of this web worker each user may hold up.
        passages: what passes through this web worker just now.
        proxies: whose word counts about the client of a request.
        handover: of a sign-in, to the host that notebooks have for themselves.
        gate: by which nginx is known, where it passes requests on by itself.
        leases: what nginx passes on for this web worker.
        assets: folder of the files of our pages.
        context_factory: makes the default notebook context of a request.
        permits: tells whether the user of a token has a permission; None where the site does not say, so that no
            token lets pass.
        unprepared: taken, and never released, by the request that begins to prepare this web worker.
        log: where trouble goes.
    """

    settings: Settings
    manager: NotebookManager
    relay: Relay
    static: StaticFiles
    places: Places
    passages: Passages
    proxies: TrustedProxies
    handover: Handover
    gate: Gate
    assets: Path = Path(__file__).with_name("static")
    context_factory: ContextFactory | None = None
    permits: Permits | None = None
    leases: Leases = field(default_factory=Leases)
    unprepared: threading.Lock = field(default_factory=threading.Lock)
    log: logging.Logger = _LOG

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


def hear_proxies(request: Any) -> None:
    """Let the proxies that the site trusts say who the client of a request is, and what they asked for."""
    door = door_of(request)
    if not request.environ.get(_HEARD):
        request.environ[_HEARD] = True
        adaptors.unbelieve(request.environ)
        door.proxies.read(request.environ)


def base_url_at(request: Any, segment: str) -> str:
    """Return the URL path of the user server at a segment; a site's own route has no ``{user}`` and ignores it."""
    path: str = request.route_path("notebook_proxy", user=segment, remainder=())
    return path if path.endswith("/") else f"{path}/"


def base_url_of(request: Any, username: str) -> str:
    """Return the URL path of a user's server."""
    return base_url_at(request, slug(username))


def notebook_user(request: Any) -> str | None:
    """Return whose notebooks a request is about, as ``request.notebook_user``.

    That is the user of its token, if that is what let it pass the door; else who is signed in. A context factory that
    greets its user by name needs it: a program can be the first to need a notebook server.
    """
    user: str | None = request.environ.get(USER) or request.authenticated_userid
    return user


def home_url_of(request: Any) -> str:
    """Return where *Back to site* leads."""
    settings = door_of(request).settings
    home = settings.home_url or f"{request.script_name}/"
    return f"{settings.site_domain}{home}" if settings.alternative_domain and home.startswith("/") else home


def at_alternative(request: Any) -> bool:
    """Tell whether a request is for the host that notebooks have for themselves, by whatever scheme and port.

    Cookies do not know ports, so nothing else may be at any of them.
    """
    own = door_of(request).settings.alternative_domain
    if not own:
        return False
    try:
        asked = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return False
    return asked.rstrip(".") == urlsplit(own).hostname


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
                passages=Passages(manager.signed_out),
                proxies=settings.proxies,
                handover=Handover(manager.root, manager.signed_out),
                gate=Gate(manager.root),
                static=StaticFiles(manager.root / ".static", extensions=[labextensions]),
            )
        door = registry[_KEY]
        assert isinstance(door, Door)  # noqa: S101 - for the type checker
        return door


def setup(config: Any) -> None:
    """Add settings, directives, routes, views and ``request.notebooks`` to a site (its ``includeme``)."""
    from . import nginx_views, views
    from .functions.site import add_notebook_function
    from .handover import views as handover_views
    from .selftest import views as selftest_views
    from .tokens import device_views
    from .tokens import views as token_views

    settings = _door_of_registry(config.registry).settings
    config.add_directive("set_notebook_context", set_notebook_context)
    config.add_directive("set_notebook_permits", set_notebook_permits)
    config.add_directive("add_notebook_function", add_notebook_function)
    config.add_request_method(lambda request: door_of(request).manager, "notebooks", reify=True)
    config.add_request_method(notebook_user, property=True)
    prefix = settings.route_prefix
    config.add_route("notebook_open", f"{prefix}/-/open", request_method="POST")
    config.add_route("notebook_stop", f"{prefix}/-/stop", request_method="POST")
    device_views.add_routes(config, prefix)
    token_views.add_routes(config, prefix)
    selftest_views.add_routes(config, prefix)
    handover_views.add_routes(config, prefix)
    for route, view in (("notebook_open", views.notebook_open_view), ("notebook_stop", views.notebook_stop_view)):
        add_open_view(config, route, view)
    add_open_route(config, "notebook_nginx", f"{prefix}/-/auth", nginx_views.notebook_nginx_view)
    add_open_route(config, "notebook_proxy", f"{prefix}/{{user}}/*remainder", views.notebook_proxy_view)
    config.add_exception_view(_undecodable, context=URLDecodeError)
    config.add_subscriber(_on_request, NewRequest)
    config.add_subscriber(_watch_sign_outs, ApplicationCreated)
    config.add_subscriber(_answer_early, ApplicationCreated)  # the site's own execution policy may come after us


def add_open_route(config: Any, route: str, pattern: str, view: Callable[[Any], Any]) -> None:
    """Add a route, and a view that asks for the permission itself and checks the origin instead of a CSRF token.

    Args:
        config: the configurator.
        route: name of the route.
        pattern: of its path.
        view: gets the request.
    """
    config.add_route(route, pattern)
    add_open_view(config, route, view)


def add_open_view(config: Any, route: str, view: Callable[..., Any]) -> None:
    """Add such a view to a route that is there."""
    config.add_view(view, route_name=route, permission=NO_PERMISSION_REQUIRED, require_csrf=False)


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


def set_notebook_permits(config: Any, permits: Permits) -> None:
    """Directive ``config.set_notebook_permits``: say how to find out whether the user of a token has a permission.

    A program has no session, so the site's security policy cannot be asked about the request; it is asked about a
    user. Until a site calls this directive no token lets pass, and none can be made.

    Args:
        config: the configurator.
        permits: gets a request, the name of a user, and the name of a permission; returns something true where there
            is such a user and they have the permission, as ``ACLHelper().permits`` does. Whoever is signed in by the
            request's own session has nothing to do with it. It is called for each request with a token, and every
            other second for each connection that is open.
    """

    def register() -> None:
        _door_of_registry(config.registry).permits = config.maybe_dotted(permits)

    introspectable = config.introspectable("notebook", "permits", "permissions of users of tokens", "notebook permits")
    introspectable["permits"] = permits
    config.action(("pyramid_notebook", "permits"), register, introspectables=(introspectable,))


def _watch_sign_outs(event: Any) -> None:
    """Learn from the site's security policy when somebody signs out: that is when it is asked to forget them."""
    registry = event.app.registry
    door = _door_of_registry(registry)
    if door.settings.alternative_domain and door.permits is None:
        # on a host without the site's session nobody else can say who may still do what
        raise SettingsError("Setting pyramid_notebook.alternative_domain needs config.set_notebook_permits.")
    policy = registry.queryUtility(ISecurityPolicy)
    forget = getattr(policy, "forget", None)
    if policy is None or forget is None:
        return

    @wraps(forget)
    def forget_and_sign_out(request: Any, **options: Any) -> Any:
        username = policy.authenticated_userid(request)
        headers = forget(request, **options)
        if username:
            try:
                forget_decisions()
                _door_of_registry(registry).manager.sign_out(str(username))
            except (NotebookError, OSError):  # signing out of the site comes first
                _LOG.exception("The connections of %r could not be ended", username)
        return headers

    try:
        policy.forget = forget_and_sign_out
    except AttributeError:
        _LOG.warning("Call request.notebooks.sign_out(username) where users sign out: the policy cannot be watched.")


def _answer_early(event: Any) -> None:
    """Answer for Notebook's static files before Pyramid makes a request, where the site said yes just now."""
    app = event.app
    door, ask = _door_of_registry(app.registry), app.execution_policy
    early = Early(door.static, door.settings.decision_seconds)

    def answer(environ: dict[str, Any], router: Any) -> Any:
        answer_from_loop(environ, app)
        return early.answer(environ, lambda environ: ask(environ, router))

    app.execution_policy = answer


def _undecodable(request: Any) -> Response:
    """Answer a request whose path is not UTF-8; Pyramid itself has no answer to it."""
    return Response(UNREADABLE, status=400, content_type="text/plain", charset="utf-8")


def _on_request(event: Any) -> None:
    from .handover.views import keep_apart

    hear_proxies(event.request)  # a kernel of ours makes the application too, and gets no request
    keep_apart(event.request)


def _prepare(door: Door, environ: Mapping[str, Any]) -> None:
    """Do once in a web worker what no request should wait for."""
    try:
        adaptors.check(environ, door.settings.websocket_proxy)
        door.manager.warm_up()
        for name in door.manager.sweep():
            door.log.warning("Removed what a crashed notebook server of %s had left", name)
        _compress(door)
    except WebSocketUnsupported as error:  # so it is in a site's own tests, and no notebook will be opened there
        door.log.warning("%s", error)
    except Exception:
        door.log.exception("Preparing for notebooks failed")


def _compress(door: Door) -> None:
    """Compress the static files, which takes some time of one core where that was not done yet."""
    door.static.compress()
