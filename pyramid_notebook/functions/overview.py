"""The page that lists a user's functions, and their OpenAPI document: ``restified/-/``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from ..errors import NoNotebook, NotebookError
from .answering import FunctionHandler
from .library import Function
from .openapi import document

_FOLDER = Path(__file__).parent
_PAGES = Environment(loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True)
_ASSETS = {"functions.css": "text/css; charset=utf-8", "functions.js": "text/javascript; charset=utf-8"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src blob: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class OverviewHandler(FunctionHandler):
    """What is about all functions of a user."""

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def get(self, name: str) -> None:
        """Answer with the page, what it loads, or the OpenAPI document."""
        await self.answer(lambda: self._answer(name))

    async def _answer(self, name: str) -> None:
        if name == "openapi.json":
            told = document(
                [(one.path, one.program, one.signature) for one in await self._functions()],
                base_url=self.settings["base_url"],
                title=f"Functions of {self.current_user.username}",
            )
            self.send_json(told)
        elif name in _ASSETS:
            self.set_header("Content-Type", _ASSETS[name])
            self.set_header("Cache-Control", "private, no-cache")
            self.finish((_FOLDER / "static" / name).read_bytes())
        elif not name:
            self._page()
        else:
            raise NoNotebook("There is nothing at this address.")

    async def _functions(self) -> Sequence[Function]:
        """Return all that can be called; a notebook that cannot says so itself when it is called."""
        found = []
        for path in await asyncio.to_thread(self.functions.library.paths):
            try:
                found.append(await self.functions.library.find(path))
            except (NotebookError, OSError, ValueError):
                continue
        return found

    def _page(self) -> None:
        options = self.settings["pyramid_notebook"].options
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        self.finish(
            _PAGES.get_template("functions.html").render(
                user=self.current_user.username,
                base_url=self.settings["base_url"],
                ui=options.ui,
                home_url=options.home_url,
                home_title=options.home_title,
            )
        )


def overview_handlers(functions: Any) -> list[tuple[str, type[FunctionHandler], dict[str, Any]]]:
    """Return the handlers with their paths below the server's base address, as patterns."""
    return [(r"restified/-/([\w.]*)", OverviewHandler, {"functions": functions})]
