r"""Every route of the door and every handler of a user server, and who may pass there.

Written by hand and compared with the program by ``test_inventory.py`` and ``test_matrix.py``: who adds a route or a
handler, or gets one with a new version of Jupyter, has to say here who may pass. It takes nothing from the product.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "/notebook"
#: Patterns that Jupyter uses in several places.
_PATH = r"(?P<path>(?:(?:/[^/]+)+|/?))"
_KERNEL = r"(?P<kernel_id>\w+-\w+-\w+-\w+-\w+)"
_SESSION = r"(?P<session_id>\w+-\w+-\w+-\w+-\w+)"
_SPEC = r"(?P<kernel_name>[\w\.\-%]+)"
_LAB = r"(?P<mode>lab|doc)(?P<workspace>/workspaces/[a-zA-Z0-9\-\_]+)?(?P<tree>/tree/.*)?"
_ID = "5d0c1b6e-1111-4222-8333-444444444444"


class Who(StrEnum):
    """Who may pass at a route of the door."""

    ANYBODY = "anybody"
    USER = "a signed-in user with the permission, by session"
    ADMIN = "a signed-in user with the permission for admins, by session"
    NOBODY = "nobody, in a plain site; see test_alternative.py, and tests/proxy/test_nginx.py"
    TOKEN = "whoever sends a valid token, about that token only"
    BELOW = "whoever may at the address below it: see HANDLERS and ACTIONS"


class Needs(StrEnum):
    """What it takes to pass at an address of a user server, besides the session of its owner with the permission."""

    SYNC = "sync"
    RUN = "run"
    CONSOLE = "console"
    SHELL = "shell"
    SESSION = "no token may pass"
    NOBODY = "nobody may pass: the door does not pass it on at all"


class Kind(StrEnum):
    """What is special about a handler."""

    WEBSOCKET = "a websocket"
    OPEN = "Jupyter itself would let everybody pass"


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_ANY = " ".join(METHODS)


@dataclass(frozen=True)
class Route:
    """A route of the door.

    Attributes:
        name: of the route.
        pattern: as Pyramid has it.
        methods: those that are answered; where all of them stand, those that nobody has listed as well.
        who: who may pass, with each of these methods.
        form: what an example sends with the first method.
        status: how that is answered.
    """

    name: str
    pattern: str
    methods: str
    who: Who
    form: str = ""
    status: int = 200

    @property
    def example(self) -> str:
        """An address that it answers."""
        return self.pattern.replace("{probe}", "selftest.js")

    @property
    def first(self) -> str:
        """The method of the example."""
        return self.methods.split()[0]

    def takes(self, method: str) -> bool:
        """Tell whether a method is answered."""
        return method in self.methods.split() or self.methods == _ANY


@dataclass(frozen=True)
class Handler:
    """A handler of a user server.

    Attributes:
        pattern: as Tornado has it, below the base URL and without the ``$`` at its end; where it begins otherwise, all
            of it.
        name: of its class.
        needs: what it takes to pass, with every method.
        example: an address below the base URL that it answers; with a slash at its start, the whole path.
        kind: what is special about it, if anything.
    """

    pattern: str
    name: str
    needs: Needs
    example: str
    kind: Kind | None = None


@dataclass(frozen=True)
class Action:
    """What the door answers itself below the address of a user, with one method; ``needs`` as for handlers."""

    method: str
    below: str
    needs: Needs


_GRANT = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"
ROUTES = (
    Route("notebook_open", f"{PREFIX}/-/open", "POST", Who.USER),
    Route("notebook_stop", f"{PREFIX}/-/stop", "POST", Who.USER, status=303),
    Route("notebook_tokens", f"{PREFIX}/-/tokens", "GET HEAD POST", Who.USER),
    Route("notebook_device", f"{PREFIX}/-/device", "GET HEAD POST", Who.USER),
    Route("notebook_device_code", f"{PREFIX}/-/device/code", "POST", Who.ANYBODY, "client_id=x&scope=sync"),
    Route(
        *("notebook_device_token", f"{PREFIX}/-/device/token", "POST", Who.ANYBODY),
        f"client_id=x&grant_type={_GRANT}&device_code=unknown",
        status=400,
    ),
    Route(
        *("notebook_device_metadata", f"{PREFIX}/-/device/.well-known/oauth-authorization-server"),
        *("GET HEAD", Who.ANYBODY),
    ),
    Route("notebook_token_revoke", f"{PREFIX}/-/tokens/revoke", "POST", Who.TOKEN),
    Route("notebook_selftest", f"{PREFIX}/-/selftest", "GET HEAD", Who.ADMIN),
    Route("notebook_selftest_probe", f"{PREFIX}/-/selftest/{{probe}}", "GET HEAD", Who.ADMIN),
    Route("notebook_hand_over", f"{PREFIX}/-/hand-over", "GET", Who.NOBODY),
    Route("notebook_enter", f"{PREFIX}/-/enter", "GET", Who.NOBODY),
    Route("notebook_nginx", f"{PREFIX}/-/auth", _ANY, Who.NOBODY),
    Route("notebook_proxy", f"{PREFIX}/{{user}}/*remainder", _ANY, Who.BELOW),
)
#: Views without a route, by their module: what answers addresses that Pyramid cannot
#: decode, and those that the notebooks' own host has not.
OTHER_VIEWS = ("a view of pyramid_notebook.door", "a view of pyramid_notebook.handover.views")

ACTIONS = (
    Action("GET", "-/launch.js", Needs.SHELL),
    Action("GET", "-/tokens.js", Needs.SHELL),
    Action("GET", "-/page.css", Needs.SHELL),
    Action("POST", "-/start", Needs.SHELL),
    Action("POST", "-/restart", Needs.SHELL),
    Action("POST", "-/stop", Needs.SHELL),
    Action("POST", "api/shutdown", Needs.SHELL),
)

#: What the design says of addresses by their first segment, or the first two; all others need the shell.
PROGRAMS = {
    "sync": Needs.SYNC, "restified": Needs.RUN, "rpc": Needs.CONSOLE, "channel": Needs.SESSION,
    "api/kernels": Needs.CONSOLE, "api/kernelspecs": Needs.CONSOLE, "kernelspecs": Needs.CONSOLE,
}  # fmt: skip

_OURS = (
    Handler("-/status", "StatusHandler", Needs.NOBODY, "-/status"),
    Handler("-/context", "ContextHandler", Needs.NOBODY, "-/context"),
    Handler("-/save", "SaveHandler", Needs.NOBODY, "-/save"),
    Handler("-/leases", "LeasesHandler", Needs.NOBODY, "-/leases"),
)
_SYNC = (
    Handler("sync", "PushHandler", Needs.SYNC, "sync"),
    Handler("sync/(pull|pair|clear|focus)", "ChangeHandler", Needs.SYNC, "sync/pull"),
    Handler("sync/(interrupt|restart)", "KernelHandler", Needs.SYNC, "sync/restart"),
    Handler("sync/run", "RunHandler", Needs.SYNC, "sync/run"),
    Handler("sync/status", "StatusHandler", Needs.SYNC, "sync/status"),
)
_RUN = r"restified/(.+?\.ipynb)/-/runs"
_FUNCTIONS = (
    Handler(r"restified/-/([\w.]*)", "OverviewHandler", Needs.RUN, "restified/-/openapi.json"),
    Handler(_RUN, "RunsHandler", Needs.RUN, "restified/a.ipynb/-/runs"),
    Handler(rf"{_RUN}/([\w-]{{1,64}})", "RunHandler", Needs.RUN, "restified/a.ipynb/-/runs/x"),
    Handler(rf"{_RUN}/([\w-]{{1,64}})/result", "ResultHandler", Needs.RUN, "restified/a.ipynb/-/runs/x/result"),
    Handler(rf"{_RUN}/([\w-]{{1,64}})/events", "EventsHandler", Needs.RUN, "restified/a.ipynb/-/runs/x/events"),
    Handler(r"restified/((?!-/)(?:(?!\.ipynb/-/).)+)", "CallHandler", Needs.RUN, "restified/reports/a.ipynb"),
)
_RPC = (Handler("rpc/?", "RpcHandler", Needs.CONSOLE, "rpc", Kind.WEBSOCKET),)
_CHANNEL = (
    Handler(
        *(r"channel/static/([0-9a-f]{1,64})/([a-z]+\.js)", "ScriptHandler", Needs.SESSION),
        "channel/static/0/channel.js",
    ),
    Handler("channel/([0-9a-f-]{1,64})/socket", "SocketHandler", Needs.SESSION, f"channel/{_ID}/socket"),
    Handler(
        *(r"channel/([0-9a-f-]{1,64})/streams/([A-Za-z0-9_-]{1,64})", "StreamHandler", Needs.SESSION),
        f"channel/{_ID}/streams/x",
    ),
)
_PAGES = (
    Handler("?", "RedirectWithParams", Needs.SHELL, "", Kind.OPEN),
    Handler("tree(.*)", "TreeHandler", Needs.SHELL, "tree/reports"),
    Handler("notebooks(.*)", "NotebookHandler", Needs.SHELL, "notebooks/a.ipynb"),
    Handler("edit(.*)", "FileHandler", Needs.SHELL, "edit/a.py"),
    Handler("consoles/(.*)", "ConsoleHandler", Needs.SHELL, "consoles/a"),
    Handler("terminals/(.*)", "TerminalHandler", Needs.SHELL, "terminals/1"),
    Handler("custom/custom.css", "CustomCssHandler", Needs.SHELL, "custom/custom.css"),
    Handler(f"view{_PATH}", "ViewHandler", Needs.SHELL, "view/a.html"),
    Handler(_LAB, "LabHandler", Needs.SHELL, "lab/tree/a.ipynb"),
    Handler("lab/.*", "NotFoundHandler", Needs.SHELL, "lab/nothing"),
    Handler(".*/", "TrailingSlashHandler", Needs.SHELL, "nothing/", Kind.OPEN),
    Handler("(.*)", "Template404", Needs.SHELL, "nothing"),
)
_SETTINGS = (
    Handler("lab/api/settings/?", "SettingsHandler", Needs.SHELL, "lab/api/settings"),
    Handler("lab/api/settings/(?P<schema_name>.+)", "SettingsHandler", Needs.SHELL, "lab/api/settings/a:b"),
    Handler("lab/api/translations/?", "TranslationsHandler", Needs.SHELL, "lab/api/translations"),
    Handler("lab/api/translations/(?P<locale>.*)", "TranslationsHandler", Needs.SHELL, "lab/api/translations/de"),
    Handler("lab/api/workspaces/?", "WorkspacesHandler", Needs.SHELL, "lab/api/workspaces"),
    Handler("lab/api/workspaces/(?P<space_name>.+)", "WorkspacesHandler", Needs.SHELL, "lab/api/workspaces/a"),
    Handler("lab/api/listings/(.*)", "ListingsHandler", Needs.SHELL, "lab/api/listings/a.json"),
    Handler("lab/api/licenses/(.*)", "LicensesHandler", Needs.SHELL, "lab/api/licenses/a"),
)
#: The door answers what it has of these itself, to the same people.
_STATIC = (
    Handler("lab/api/themes/(.*)", "ThemesHandler", Needs.SHELL, "lab/api/themes/a/index.css", Kind.OPEN),
    Handler("lab/extensions/(.*)", "FileFindHandler", Needs.SHELL, "lab/extensions/a/static/none.js", Kind.OPEN),
    Handler("static/notebook/(.*)", "FileFindHandler", Needs.SHELL, "static/notebook/none.js", Kind.OPEN),
    Handler("static/(.*)", "FileFindHandler", Needs.SHELL, "static/none.js", Kind.OPEN),
    Handler(r"(robots\.txt|favicon\.ico)", "PublicStaticFileHandler", Needs.SHELL, "favicon.ico", Kind.OPEN),
    Handler(r"/(robots\.txt)", "FileFindHandler", Needs.NOBODY, "/robots.txt", Kind.OPEN),
    Handler(r"/(favicon\.ico)", "FileFindHandler", Needs.NOBODY, "/favicon.ico", Kind.OPEN),
)
_FILES = (
    Handler(f"api/contents{_PATH}", "ContentsHandler", Needs.SHELL, "api/contents/a.ipynb"),
    Handler(f"api/contents{_PATH}/checkpoints", "CheckpointsHandler", Needs.SHELL, "api/contents/a.ipynb/checkpoints"),
    Handler(
        *(rf"api/contents{_PATH}/checkpoints/(?P<checkpoint_id>[\w-]+)", "ModifyCheckpointsHandler", Needs.SHELL),
        "api/contents/a.ipynb/checkpoints/1",
    ),
    Handler(f"api/contents{_PATH}/trust", "TrustNotebooksHandler", Needs.SHELL, "api/contents/a.ipynb/trust"),
    Handler("api/notebooks/?(.*)", "NotebooksRedirectHandler", Needs.SHELL, "api/notebooks/a.ipynb", Kind.OPEN),
    Handler("files/(.*)", "AuthenticatedFileHandler", Needs.SHELL, "files/a.ipynb"),
    Handler("api/resolvePath", "PathResolverHandler", Needs.SHELL, "api/resolvePath"),
    Handler("api/fileid/id", "FileIDHandler", Needs.SHELL, "api/fileid/id"),
    Handler("api/fileid/path", "FilePathHandler", Needs.SHELL, "api/fileid/path"),
    Handler(r"nbconvert/(?P<format>\w+)", "NbconvertPostHandler", Needs.SHELL, "nbconvert/html"),
    Handler(rf"nbconvert/(?P<format>\w+){_PATH}", "NbconvertFileHandler", Needs.SHELL, "nbconvert/html/a.ipynb"),
    Handler("api/nbconvert", "NbconvertRootHandler", Needs.SHELL, "api/nbconvert"),
)
_KERNELS = (
    Handler("api/kernels", "MainKernelHandler", Needs.CONSOLE, "api/kernels"),
    Handler(f"api/kernels/{_KERNEL}", "KernelHandler", Needs.CONSOLE, f"api/kernels/{_ID}"),
    Handler(
        *(f"api/kernels/{_KERNEL}/(?P<action>restart|interrupt)", "KernelActionHandler", Needs.CONSOLE),
        f"api/kernels/{_ID}/interrupt",
    ),
    Handler(
        *(f"api/kernels/{_KERNEL}/channels", "KernelWebsocketHandler", Needs.CONSOLE),
        *(f"api/kernels/{_ID}/channels", Kind.WEBSOCKET),
    ),
    Handler("api/kernelspecs", "MainKernelSpecHandler", Needs.CONSOLE, "api/kernelspecs"),
    Handler(f"api/kernelspecs/{_SPEC}", "KernelSpecHandler", Needs.CONSOLE, "api/kernelspecs/python3"),
    Handler(f"kernelspecs/{_SPEC}/(?P<path>.*)", "KernelSpecResourceHandler", Needs.CONSOLE, "kernelspecs/python3/x"),
    Handler("api/sessions", "SessionRootHandler", Needs.SHELL, "api/sessions"),
    Handler(f"api/sessions/{_SESSION}", "SessionHandler", Needs.SHELL, f"api/sessions/{_ID}"),
)
_TERMINALS = (
    Handler("api/terminals", "TerminalRootHandler", Needs.SHELL, "api/terminals"),
    Handler(r"api/terminals/(\w+)", "TerminalHandler", Needs.SHELL, "api/terminals/1"),
    Handler(r"terminals/websocket/(\w+)", "TermSocket", Needs.SHELL, "terminals/websocket/1", Kind.WEBSOCKET),
)
_COLLABORATION = (
    Handler("api/collaboration/session/(.*)", "DocSessionHandler", Needs.SHELL, "api/collaboration/session/a.ipynb"),
    Handler(
        *("api/collaboration/room/(.*)", "YDocWebSocketHandler", Needs.SHELL),
        *("api/collaboration/room/json:notebook:1", Kind.WEBSOCKET),
    ),
    Handler("api/collaboration/fork/(.*)", "DocForkHandler", Needs.SHELL, "api/collaboration/fork/1"),
    Handler("api/collaboration/timeline/(.*)", "TimelineHandler", Needs.SHELL, "api/collaboration/timeline/a.ipynb"),
    Handler("api/collaboration/undo_redo/(.*)", "UndoRedoHandler", Needs.SHELL, "api/collaboration/undo_redo/1"),
)
_SERVER = (
    Handler("api", "APIVersionHandler", Needs.SHELL, "api", Kind.OPEN),
    Handler("api/spec.yaml", "APISpecHandler", Needs.SHELL, "api/spec.yaml"),
    Handler("api/status", "APIStatusHandler", Needs.SHELL, "api/status"),
    Handler("api/me", "IdentityHandler", Needs.SHELL, "api/me"),
    Handler(r"api/config/(?P<section_name>\w+)", "ConfigHandler", Needs.SHELL, "api/config/notebook"),
    Handler("api/security/csp-report", "CSPReportHandler", Needs.SHELL, "api/security/csp-report"),
    Handler("api/shutdown", "ShutdownHandler", Needs.SHELL, "api/shutdown"),
    Handler("api/events", "EventHandler", Needs.SHELL, "api/events"),
    Handler("api/events/subscribe", "SubscribeWebsocket", Needs.SHELL, "api/events/subscribe", Kind.WEBSOCKET),
    Handler("metrics", "PrometheusMetricsHandler", Needs.SHELL, "metrics", Kind.OPEN),
)
#: What a user server has with the setting ``ui = lab`` only.
_LAB_ONLY = (
    Handler("lab/api/build", "BuildHandler", Needs.SHELL, "lab/api/build"),
    Handler("lab/api/extensions", "ExtensionHandler", Needs.SHELL, "lab/api/extensions"),
    Handler("lab/api/plugins", "PluginHandler", Needs.SHELL, "lab/api/plugins"),
    Handler("lab/api/update", "CheckForUpdateHandler", Needs.SHELL, "lab/api/update"),
    Handler("lab/api/news", "NewsHandler", Needs.SHELL, "lab/api/news"),
    Handler("static/lab/(.*)", "FileFindHandler", Needs.SHELL, "static/lab/none.js", Kind.OPEN),
)
_NOTEBOOK = (
    *(*_OURS, *_SYNC, *_FUNCTIONS, *_RPC, *_CHANNEL, *_PAGES, *_SETTINGS, *_STATIC, *_FILES, *_KERNELS, *_TERMINALS),
    *(*_COLLABORATION, *_SERVER),
)
#: What a user server has, for each value of the setting ``ui``.
HANDLERS = {"notebook": _NOTEBOOK, "lab": (*_NOTEBOOK, *_LAB_ONLY)}


def path_of(example: str, user: str) -> str:
    """Return the URL path of a handler's example at the server of a user."""
    return example if example.startswith("/") else f"{PREFIX}/{user}/{example}"
