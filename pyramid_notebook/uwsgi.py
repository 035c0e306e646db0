"""The adaptor for uWSGI, under the name that a site writes into its settings.

With `pyramid_notebook.websocket_proxy = pyramid_notebook.uwsgi.serve_websocket` the start tells where it is not uWSGI
that runs. Without it the adaptor is found as well.
"""

from __future__ import annotations

from .proxy.uwsgi import take_over as serve_websocket

__all__ = ["serve_websocket"]
