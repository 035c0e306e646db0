"""Makes a site tell of its answers where they come from."""

from __future__ import annotations

import itertools
from pathlib import Path

from webob import Request, Response


def marked(application):
    """Tell of each answer whom it was for, and which one it is, also of those that no tween of the site sees."""
    numbers = itertools.count()

    def marking(environ, start_response):
        request = Request(environ)
        response = request.get_response(application)
        response.headers["X-For"] = request.cookies.get("user", "nobody")
        response.headers["X-Number"] = str(next(numbers))
        return response(environ, start_response)

    return marking


def orders(handler, registry):
    """Do what a test says in a file.

    ``closed`` holds the status with which the site answers who is nobody, and with ``cookies`` it sets one each time.
    """
    folder = Path(registry.settings["pyramid_notebook.notebook_folder"])
    closed, cookies = folder / "closed", folder / "cookies"

    def tween(request):
        user = request.cookies.get("user", "nobody")
        is_kept_out = user == "nobody" and closed.exists()
        response = Response(status=int(closed.read_text())) if is_kept_out else handler(request)
        if cookies.exists():
            response.set_cookie("seen", user)
        return response

    return tween
