"""A live Jupyter notebook inside a Pyramid web site.

``config.include("pyramid_notebook")`` is all that a site needs; see the README. Importing this package is light: the
names below are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .context import NotebookContext
from .errors import NotebookError
from .scopes import Scope
from .settings import Settings
from .startup import add_greeting, add_script, include_sqlalchemy_models, make_startup

if TYPE_CHECKING:
    from .manager import NotebookManager
    from .views import launch_notebook, notebook_proxy, shutdown_notebook

__all__ = [
    "NotebookContext",
    "NotebookError",
    "NotebookManager",
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

_LATER = {
    "NotebookManager": "manager",
    "launch_notebook": "views",
    "notebook_proxy": "views",
    "shutdown_notebook": "views",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def includeme(config: Any) -> None:
    """Add the notebook to a Pyramid site: settings, directives, routes, views and ``request.notebooks``.

    Args:
        config: the site's ``pyramid.config.Configurator``.

    Raises:
        SettingsError: a ``pyramid_notebook.*`` setting is unknown or has a bad value.
    """
    import_module(".door", __name__).setup(config)
