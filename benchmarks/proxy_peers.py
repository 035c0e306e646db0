"""What ours is compared with: the proxy of JupyterHub, which ``make bench-tools`` installs, and Jupyter by itself."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from tests.running import free_port, wait_until

from .open_shell import answers, stock_notebook
from .proxy_clients import Place

NAME = "configurable-http-proxy"
STOCK = "stock Jupyter"
_INSTALLED = Path(sys.prefix, "bench-tools", "node_modules", ".bin", NAME)
_START_SECONDS = 20.0
_STATIC_BYTES = 10_240


def tools_missing() -> str:
    """Return what to do for the programs that the benchmark needs and that are not here, or nothing."""
    missing = [name for name, place in (("wrk", shutil.which("wrk")), (NAME, _program())) if not place]
    return f"{' and '.join(missing)} missing: make bench-tools" if missing else ""


def _program() -> str | None:
    return str(_INSTALLED) if _INSTALLED.exists() else shutil.which(NAME)


@contextmanager
def configurable_http_proxy(base: str, target_port: int) -> Iterator[Place]:
    """Run the proxy with one route, as JupyterHub does for each user.

    Args:
        base: URL path of the user server.
        target_port: where the user server listens, on 127.0.0.1.
    """
    program = _program()
    assert program, tools_missing()
    port, api_port, token = free_port(), free_port(), secrets.token_hex(16)
    listens = ["--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1", "--api-port", str(api_port)]
    process = subprocess.Popen(
        [program, *listens, "--log-level", "error"],
        env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": token, "NODE_ENV": "production"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # as the web servers: the kernel shares out processors by session (sched(7), autogroup)
    )
    try:
        _add_route(process, api_port, token, base, target_port)
        yield Place(port, {}, (process.pid,))
    finally:
        process.terminate()
        process.wait(10)


def _add_route(process: subprocess.Popen[bytes], api_port: int, token: str, base: str, target_port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    body = json.dumps({"target": f"http://127.0.0.1:{target_port}"})
    while True:
        with closing(http.client.HTTPConnection("127.0.0.1", api_port, timeout=_START_SECONDS)) as connection:
            try:
                connection.request("POST", f"/api/routes{base}", body, {"Authorization": f"token {token}"})
                status = connection.getresponse().status
            except ConnectionRefusedError:
                assert process.poll() is None and time.monotonic() < deadline, f"{NAME} does not start"
                time.sleep(0.02)
                continue
        assert status == 201, status
        return


@contextmanager
def stock_jupyter() -> Iterator[Place]:
    """Run a stock ``jupyter notebook``."""
    with stock_notebook() as (url, start):
        start()
        wait_until(lambda: answers(f"{url}/api"), "the stock server answers", seconds=60)
        yield Place(urlsplit(url).port or 0, {}, ())


def static_file(base: str) -> dict[str, str]:
    """Return the URL paths of the script of Notebook that is nearest to 10 KB: by way, and the door's without a name.

    Args:
        base: URL path of the user server behind the door.
    """
    spec = find_spec("notebook")
    assert spec and spec.submodule_search_locations
    scripts = Path(spec.submodule_search_locations[0], "static").glob("*.js")
    nearest = min(scripts, key=lambda path: (abs(path.stat().st_size - _STATIC_BYTES), path.name))
    return {"": f"{base}static/notebook/{nearest.name}", STOCK: f"/static/notebook/{nearest.name}"}
