"""Who may import whom: the table "Rooms" of docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

import pyramid_notebook

PACKAGE = Path(pyramid_notebook.__file__).parent
NAME = "pyramid_notebook"

PURE = (
    *("errors*", "settings", "selftest.diagnosis", "context", "record", "names", "layout", "scopes", "addresses"),
    *("proxy.forwarded", "proxy.headers", "proxy.target", "sync", "sync.cells", "sync.headers", "sync.matching"),
    "sync.merge*",
    *("sync.percent*", "sync.requests", "sync.revisions"),
    *("functions.program", "functions.protocol", "functions.options", "functions.problems", "functions.openapi"),
    *("functions.executed", "functions.signature*", "functions.values.formats", "functions.kernels.literals"),
    *("channel", "channel.protocol", "channel.places", "tunnel.crossing", "server.bodies"),
    *("client.events", "console.questions", "console.html_text", "console.sixel"),
    *("rpc", "rpc.jsonrpc", "rpc.log", "rpc.methods", "rpc.openrpc", "rpc.events", "rpc.inside"),
)
#: What both sides of the door may use.
SHARED = (*PURE, "startup", "files", "processes", "pidfile", "proxy.upstream")
DOOR = ("security", "pages", "launching", "views", "nginx_views", "door")
#: What of the tokens answers requests.
TOKENS_DOOR = ("tokens.site", "tokens.judge", "tokens.*views", "tokens.*endpoints")
#: Beside the package's own names, what the documentation shows to sites.
DOCUMENTED = ("context", "errors", "settings", "startup", "views")
#: The first pattern that fits a module tells what it may import of the package.
ROOMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(PURE, PURE),
    "startup": PURE,
    "files": PURE,
    "processes": PURE,
    "pidfile": (*PURE, "files", "processes"),
    "server.extension": (*SHARED, "server", "server.*", "sync.handlers", "functions.*", "channel.handlers", "rpc.*"),
    "server*": (*SHARED, "server", "server.*"),
    "sync.client.__main__": ("cli",),
    "sync.client*": (*PURE, "files", "credentials", "site_client", "sync.client*"),
    "sync*": (*PURE, "files", "server.*", "sync.*"),
    "functions.client*": (*PURE, "files", "credentials", "site_client", "sync.client*", "functions.client*"),
    "client*": (*PURE, "files", "credentials", "site_client", "sync.client*", "client*"),
    "console*": (
        *(*PURE, "files", "credentials", "site_client", "device_login", "sync.client*", "client*", "console*"),
    ),
    "functions.remote": (*PURE, "proxy.upstream"),
    "functions.site": (*SHARED, *DOOR, "functions.remote", "functions.values*"),
    "functions": ("functions.models", "functions.values.response"),
    "functions.values*": (*PURE, "functions.values*"),
    "functions*": (*PURE, "files", "functions.*"),
    "rpc*": (*PURE, "files", "server.*", "rpc.*"),
    "channel": ("channel.kernel", "channel.streams"),
    "channel*": (*PURE, "channel.*"),
    "proxy*": (*PURE, "files", "proxy*"),
    "spawners*": (*SHARED, "spawners*"),
    "manager": (*SHARED, "spawners*", "functions.remote"),
    "tunnel*": (*PURE, "files", "site_client", "sync.client*", "tunnel.*"),
    "credentials": (*PURE, "files"),
    "site_client": PURE,
    "device_login": (*PURE, "files", "credentials", "site_client"),
    "cli": (
        *("errors*", "device_login", "sync", "sync.client*", "functions.client*", "tokens", "tokens.commands"),
        *("console.commands", "nginx_config", "tunnel", "tunnel.commands"),
    ),
    **dict.fromkeys(TOKENS_DOOR, (*SHARED, *DOOR, "manager", "proxy.decisions", "proxy.passages", "tokens*")),
    "tokens*": (*PURE, "files", "tokens*"),
    "selftest.echo": (*PURE, "files"),
    "handover.store": (*PURE, "files"),
    "demo*": ("", "demo*", *DOCUMENTED),  # of these the public names only, see below
    "*": (*SHARED, *DOOR, "proxy*", "spawners*", "manager", "tokens*", "selftest*", "handover*", "functions.site"),
}
#: Modules of others that do what a pure module must not do: talk, wait, run, or give another answer each time.
EFFECTS = frozenset(
    (
        *("asyncio", "concurrent", "ctypes", "fcntl", "http.client", "http.server", "importlib", "io", "logging"),
        *("mmap", "multiprocessing", "os", "psutil", "random", "requests", "secrets", "select", "selectors", "shutil"),
        *("signal", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time"),
        *("tornado", "urllib.request", "urllib3", "uuid", "zmq"),
    )
)
#: Frameworks, and the rooms that must do without them.
FRAMEWORKS = {
    "server*": ("pyramid", "webob", "zope", "waitress"),
    **dict.fromkeys((*TOKENS_DOOR, "tokens.commands"), ("jupyter_server", "tornado")),
    "tokens*": ("pyramid", "webob", "jupyter_server", "tornado"),
    **dict.fromkeys(
        ("credentials", "device_login", "site_client", "cli", "sync.client*", "functions.client*", "tunnel*"),
        ("pyramid", "webob", "jupyter_server", "tornado", "pycrdt", "sqlalchemy", "alembic", "requests"),
    ),
    **dict.fromkeys(
        (
            *("proxy*", "spawners*", "manager", "views", "launching", "security", "pages", "door", "demo*"),
            *("selftest*", "handover*", "functions.site", "functions.remote", "client*", "console*"),
        ),
        ("jupyter_server", "jupyter_client", "jupyterlab", "notebook", "ipykernel", "IPython", "tornado"),
    ),
    **dict.fromkeys((*PURE, "startup", "files", "processes", "pidfile"), ("pyramid", "jupyter_server", "tornado")),
    **dict.fromkeys(("sync*", "channel*", "rpc*"), ("pyramid", "webob", "zope", "waitress")),
}


@dataclass(frozen=True)
class Import:
    """One import of a module: of a whole module, or of a name in it."""

    source: str
    target: str
    name: str = ""


def imports(module: str, text: str, *, is_package: bool = False) -> Iterator[Import]:
    """Return all imports in the text of a module, wherever they stand, but for type checking only."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            kept = parts[: len(parts) - node.level + is_package] if node.level else []
            target = ".".join([*kept, *([node.module] if node.module else [])])
            yield from (Import(module, target, alias.name) for alias in node.names)


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = [NAME, *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def local(name: str) -> str | None:
    """Return a module's name inside the package, or None for one of others."""
    if name == NAME:
        return ""
    return name.removeprefix(f"{NAME}.") if name.startswith(f"{NAME}.") else None


def target_of(imported: Import) -> str | None:
    """Return which module of ours an import reaches."""
    whole = f"{imported.target}.{imported.name}" if imported.name else imported.target
    return local(whole if whole in MODULES else imported.target)


def fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def rule(table: dict[str, tuple[str, ...]], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    return next((value for pattern, value in table.items() if fnmatch(name, pattern)), default)


def is_of(target: str, roots: Container[str]) -> bool:
    parts = target.split(".")
    return any(".".join(parts[:length]) in roots for length in range(1, len(parts) + 1))


def violations(module: str, text: str, *, is_package: bool = False) -> list[str]:
    """Return what a module imports against the rules, as sentences."""
    room = local(module) or ""
    found = []
    for imported in imports(module, text, is_package=is_package):
        target = target_of(imported)
        if target is None:
            whole = f"{imported.target}.{imported.name}"
            if room in PURE and is_of(whole, EFFECTS):
                found.append(f"{room} is pure and imports {imported.target}")
            if is_of(imported.target, rule(FRAMEWORKS, room, ())):
                found.append(f"{room} must do without {imported.target}")
        elif not fits(target, rule(ROOMS, room, ())):
            found.append(f"{room} must not import {target or NAME}")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_what_its_room_may(module: str) -> None:
    path = MODULES[module]
    assert violations(module, path.read_text(), is_package=path.name == "__init__.py") == []


def test_every_pure_module_exists() -> None:
    assert not [pure for pure in PURE if not any(fnmatch(module, f"{NAME}.{pure}") for module in MODULES)]


def test_the_demo_site_takes_public_names_only() -> None:
    for module, path in MODULES.items():
        if not module.startswith(f"{NAME}.demo"):
            continue
        for imported in imports(module, path.read_text(), is_package=path.name == "__init__.py"):
            if imported.target == NAME:
                assert imported.name in (*pyramid_notebook.__all__, *DOCUMENTED), (module, imported.name)
            assert not imported.name.startswith("_"), (module, imported.name)


def reached(module: str) -> set[str]:
    """Return all modules of ours that a module loads, directly or not."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        path = MODULES[current]
        for imported in imports(current, path.read_text(), is_package=path.name == "__init__.py"):
            target = target_of(imported)
            if target is not None:
                waiting.append(f"{NAME}.{target}" if target else NAME)
    return found


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith(f"{NAME}.server.")])
def test_nothing_that_runs_inside_reaches_pyramid_over_any_way(module: str) -> None:
    for name in reached(module):
        for imported in imports(name, MODULES[name].read_text()):
            assert not is_of(imported.target, ("pyramid", "webob")), (module, name)


@pytest.mark.parametrize(
    ("module", "text", "sentence"),
    [
        ("context", "import os", "context is pure and imports os"),
        ("names", "from os.path import exists", "names is pure and imports os.path"),
        ("record", "def f():\n    import time", "record is pure and imports time"),
        ("settings", "import urllib.request", "settings is pure and imports urllib.request"),
        ("proxy.headers", "from http import client", "proxy.headers is pure and imports http"),
        ("errors", "from .files import tail", "errors must not import files"),
        ("context", "from . import manager", "context must not import manager"),
        ("startup", "from .views import notebook_proxy", "startup must not import views"),
        ("files", "from .processes import identity", "files must not import processes"),
        ("server.kernel", "import pyramid.request", "server.kernel must do without pyramid.request"),
        ("server.kernel", "from ..views import x", "server.kernel must not import views"),
        ("server.kernel", "from pyramid_notebook import manager", "server.kernel must not import manager"),
        ("manager", "from .server.config import x", "manager must not import server.config"),
        ("views", "from .server import config", "views must not import server.config"),
        ("spawners.process", "import jupyter_server", "spawners.process must do without jupyter_server"),
        ("proxy.http", "from ..manager import x", "proxy.http must not import manager"),
        ("demo.views", "from ..manager import x", "demo.views must not import manager"),
        ("scopes", "import secrets", "scopes is pure and imports secrets"),
        ("tokens.store", "from ..views import x", "tokens.store must not import views"),
        ("tokens.store", "from pyramid.request import x", "tokens.store must do without pyramid.request"),
        ("cli", "from .manager import x", "cli must not import manager"),
    ],
)
def test_a_module_that_breaks_a_rule_is_found(module: str, text: str, sentence: str) -> None:
    assert violations(f"{NAME}.{module}", text) == [sentence]


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("context", "import json, re, urllib.parse\nfrom .errors import ContextError"),
        ("server.kernel", "from ..files import tail\nfrom .config import x\nimport jupyter_server"),
        ("manager", "if TYPE_CHECKING:\n    from .server import config\nfrom .files import tail"),
        ("demo.views", "from pyramid_notebook.views import launch_notebook"),
    ],
)
def test_a_module_that_keeps_the_rules_is_not(module: str, text: str) -> None:
    assert violations(f"{NAME}.{module}", text) == []
