"""What the check of a token adds to a request, with 10 and with 10,000 tokens stored, on SQLite and on PostgreSQL.

Run it with ``python -m benchmarks.tokens [--rounds N] [--json]``. A small real site on waitress answers three kinds of
requests that differ in nothing but who is let pass: everybody, who has a signed cookie (the peer: Pyramid's own
AuthTktCookieHelper), and who has a token, judged as the door does it. They take turns on one connection each, so that
all see the same machine. What is added is the difference of the medians to the request that everybody may make.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import waitress
from pyramid.authentication import AuthTktCookieHelper
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import insert

from pyramid_notebook.addresses import classify
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from pyramid_notebook.tokens.judge import require_scope, token_of
from pyramid_notebook.tokens.model import Token
from pyramid_notebook.tokens.secret import digest, new_token
from pyramid_notebook.tokens.store import TokenStore
from tests.tokens.databases import postgresql

SIZES = (10, 10_000)
#: Milliseconds that may be added at the median.
TARGET = 0.2
COOKIES = AuthTktCookieHelper("a secret of the site", hashalg="sha512")
#: So many different tokens take turns, or all where there are fewer. What is written down once a minute for each, its
#: last use, is written while the benchmark warms up.
USED = 100


def fill(store: TokenStore, count: int) -> list[str]:
    """Store so many tokens of a hundred users, and return some of them."""
    secrets = [new_token() for _ in range(count)]
    now = time.time()
    rows = [
        {
            "id": f"{number:016x}",
            "digest": digest(secret),
            "username": f"user{number % 100}",
            "name": "benchmark",
            "scopes": "sync run:reports/*.ipynb",
            "created": now,
            "expires": now + 86400,
            "last_address": "",
        }
        for number, secret in enumerate(secrets)
    ]
    with store.engine.begin() as connection:
        connection.execute(insert(Token), rows)
    return random.sample(secrets, min(USED, count))


def serve(settings: Settings, told: Connection) -> None:
    """Run the site until its process is ended; tells its port first."""
    prefixed = {
        "pyramid_notebook.notebook_folder": settings.notebook_folder,
        "pyramid_notebook.database_url": settings.database_url,
        "pyramid_notebook.zygote": "off",
    }

    def everybody(_request: Any) -> Response:
        return Response("ok")

    def cookie(request: Any) -> Response:
        assert COOKIES.identify(request)["userid"] == "alice"
        return Response("ok")

    def token(request: Any) -> Response:
        info = token_of(request)
        assert info
        require_scope(info, classify("restified/reports/a.ipynb"))
        return Response("ok")

    with Configurator(settings=prefixed) as config:
        config.include("pyramid_notebook")
        config.set_notebook_permits(lambda _request, _username, permission: permission == "shell")
        for view in (everybody, cookie, token):
            config.add_route(view.__name__, f"/{view.__name__}")
            config.add_view(view, route_name=view.__name__)
        application = config.make_wsgi_app()
    server = waitress.create_server(application, host="127.0.0.1", port=0, asyncore_use_poll=True)
    told.send(server.effective_port)
    server.run()


@contextmanager
def site(settings: Settings) -> Iterator[int]:
    """Run the site in a process of its own, as it is for real clients; yields its port."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(settings, there), daemon=True)
    process.start()
    try:
        assert here.poll(30), "the site does not start"
        yield here.recv()
    finally:
        process.terminate()
        process.join(20)


def measure(port: int, secrets: list[str], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each kind of request."""
    signed = COOKIES.remember(Request.blank("/"), "alice")[0][1].partition(";")[0]
    kinds: dict[str, Iterator[dict[str, str]]] = {
        "everybody": itertools.repeat({}),
        "cookie": itertools.repeat({"Cookie": signed}),
        "token": ({"Authorization": f"Bearer {secret}"} for secret in itertools.cycle(secrets)),
    }
    connections = {kind: http.client.HTTPConnection("127.0.0.1", port, timeout=10) for kind in kinds}
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for turn in range(rounds + 2 * USED):
        for kind, fields in kinds.items():
            begun = time.perf_counter()
            connections[kind].request("GET", f"/{kind}", headers=next(fields))
            answer = connections[kind].getresponse()
            answer.read()
            if turn >= 2 * USED:  # those before it warm up
                taken[kind].append((time.perf_counter() - begun) * 1000)
            assert answer.status == 200
    for connection in connections.values():
        connection.close()
    return {kind: statistics.median(values) for kind, values in taken.items()}


def check_alone(store: TokenStore, secrets: list[str], rounds: int) -> float:
    """Return the median milliseconds of a check, without any request around it."""
    taken = []
    for secret in itertools.islice(itertools.cycle(secrets), rounds):
        begun = time.perf_counter()
        store.check(secret, "127.0.0.1")
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken)


def rows(rounds: int) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="pnb-tokens-") as folder, postgresql() as server:
        for kind, size in itertools.product(("SQLite", "PostgreSQL"), SIZES):
            url = server.new_database() if kind == "PostgreSQL" else ""
            settings = Settings(notebook_folder=str(Path(folder, f"{size}")), database_url=url)
            store = open_store(settings)
            secrets = fill(store, size)
            with site(settings) as port:
                medians = measure(port, secrets, rounds)
            alone = check_alone(store, secrets, rounds)
            store.wait_for_writes()
            store.close()
            yield {
                "database": kind,
                "tokens": size,
                "everybody, ms": round(medians["everybody"], 3),
                "cookie, ms": round(medians["cookie"], 3),
                "token, ms": round(medians["token"], 3),
                "a cookie adds, ms": round(medians["cookie"] - medians["everybody"], 3),
                "a token adds, ms": round(medians["token"] - medians["everybody"], 3),
                "token / cookie": round(medians["token"] / medians["cookie"], 2),
                "check alone, ms": round(alone, 3),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3000)
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    options = parser.parse_args()
    found = list(rows(options.rounds))
    if options.json:
        print(json.dumps(found))
        return
    print(f"| {' | '.join(found[0])} |\n|{'---|' * len(found[0])}")
    for row in found:
        print(f"| {' | '.join(map(str, row.values()))} |")
    print(f"\nA token may add {TARGET} ms.")


if __name__ == "__main__":
    main()
