"""A small real site with a notebook inside: airports of the United States, users, and an *Open shell* button.

Start it with ``pserve pyramid_notebook/demo/development.ini`` and sign in as ``user`` with the password ``password``.
Everything that has to do with the notebook is in three places: ``config.include("pyramid_notebook")`` below,
:mod:`.notebook` (what a notebook knows) and :mod:`.views.shells` (the buttons).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyramid.config import Configurator
from pyramid.router import Router

#: Registry key of the names and values that pserve was started with; see :func:`.notebook.site_context`.
GLOBAL_CONFIG = "demo.global_config"


def main(global_config: Mapping[str, str], **settings: Any) -> Router:
    """Make the WSGI application (the ``paste.app_factory`` of the INI file).

    Args:
        global_config: the ``[DEFAULT]`` section of the INI file, with what pserve's command line changed in it.
        settings: the ``[app:main]`` section.
    """
    with Configurator(settings=settings) as config:
        config.registry[GLOBAL_CONFIG] = dict(global_config)
        config.include("pyramid_jinja2")
        config.include(".database")
        config.include("pyramid_notebook")
        config.include(".security")
        config.include(".notebook")
        config.include(".views")
        return config.make_wsgi_app()
