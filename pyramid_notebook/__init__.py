"""A live Jupyter notebook inside a Pyramid web site.

``config.include("pyramid_notebook")`` is all that a site needs; see the README. The names below are loaded
when they are first used: the package is imported by programs on users' machines, too, and by user servers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .context import NotebookContext
    from .errors import NotebookError
    from .functions.models import KernelModel, PythonModel
    from .manager import NotebookManager
    from .scopes import Scope
    from .settings import Settings
    from .startup import add_greeting, add_script, include_sqlalchemy_models, make_startup
    from .views import launch_notebook, notebook_proxy, shutdown_notebook

__all__ = [
    "KernelModel",
    "NotebookContext",
    "NotebookError",
    "NotebookManager",
    "PythonModel",
    "Scope",
    "Settings",
    "add_greeting",
    "add_script",
    "include_sqlalchemy_models",
    "includeme",
    "launch_notebook",
    "make_startup",
    "notebook_proxy",
    "shutdown_notebook",
]

_MODULES = {
    "NotebookContext": "context",
    "NotebookError": "errors",
    "NotebookManager": "manager",
    "Scope": "scopes",
    "Settings": "settings",
    **dict.fromkeys(("KernelModel", "PythonModel"), "functions.models"),
    **dict.fromkeys(("add_greeting", "add_script", "include_sqlalchemy_models", "make_startup"), "startup"),
    **dict.fromkeys(("launch_notebook", "notebook_proxy", "shutdown_notebook"), "views"),
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def includeme(config: Any) -> None:
    """Add the notebook to a Pyramid site: settings, directives, routes, views and ``request.notebooks``.

    Args:
        config: the site's ``pyramid.config.Configurator``.

    Raises:
        SettingsError: a ``pyramid_notebook.*`` setting is unknown or has a bad value.
    """
    import_module(".door", __name__).setup(config)
