"""The pages of the site; each module adds its own routes."""

from __future__ import annotations

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add all routes and views."""
    config.add_static_view("static", "pyramid_notebook.demo:static", cache_max_age=300)
    config.include(".airports")
    config.include(".shells")
    config.include(".accounts")
    config.include(".problems")
