"""A mini site in a process of its own: waitress, Pyramid, and a view that calls the data path."""

import json
import logging
import os
import sys

import psutil
import waitress
from pyramid.config import Configurator
from pyramid.response import Response

from pyramid_notebook.errors import NotebookError
from pyramid_notebook.proxy.connection import pool_of
from pyramid_notebook.proxy.headers import is_upgrade
from pyramid_notebook.proxy.http import forward
from pyramid_notebook.proxy.passages import Passages, passes_again
from pyramid_notebook.proxy.places import Places
from pyramid_notebook.proxy.relay import Relay
from pyramid_notebook.proxy.static import StaticFiles
from pyramid_notebook.proxy.websocket import serve_websocket
from pyramid_notebook.record import ServerRecord
from pyramid_notebook.settings import Settings


def main(text: str) -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    options = json.loads(text)
    record = ServerRecord(**options.pop("record"))
    static = StaticFiles(options["cache"]) if options.pop("static", False) else None
    options.pop("cache", None)
    settings = Settings(notebook_folder="/nowhere", **options)
    relay, places, passages = Relay(), Places(settings.user_requests), Passages(lambda _user: 0.0)

    def door(request):
        if request.path == "/-/facts":
            process = psutil.Process(os.getpid())
            idle = len(pool_of(record)._idle)
            return Response(json={"descriptors": process.num_fds(), "pairs": relay.count("alice"), "idle": idle})
        if request.path == "/-/close":
            return Response(json=relay.close("alice"))
        answer = static.respond(request, request.path.removeprefix(record.base_url)) if static else None
        if answer or passes_again(request):
            return answer or Response(status=204)
        passage = passages.enter(request, "alice")
        if is_upgrade(request.environ):
            return serve_websocket(request, record, relay, passage=passage)
        return forward(request, record, settings, places, passage)

    def trouble(error, request):
        return Response(str(error), status=error.status, content_type="text/plain")

    with Configurator() as config:
        config.add_route("all", "/*rest")
        config.add_view(door, route_name="all")
        config.add_exception_view(trouble, context=NotebookError)
        application = config.make_wsgi_app()
    server = waitress.create_server(
        application,
        host="127.0.0.1",
        port=0,
        threads=8,
        asyncore_use_poll=True,
        connection_limit=2000,
        max_request_body_size=4 << 30,
    )
    sys.stdout.write(f"{server.effective_port}\n")
    sys.stdout.flush()
    server.run()


if __name__ == "__main__":
    main(sys.argv[1])
