"""What calls are compared with: papermill, nbclient, and the mode notebook-http of jupyter_kernel_gateway.

Each runs in a process of its own that has everything loaded. papermill and nbclient start a kernel for each notebook,
as they do for everybody; the gateway has one kernel for all calls, in which each finds what those before it have left.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.functions.callers import code, notebook
from tests.running import free_port, wait_until

PAPERMILL, NBCLIENT, GATEWAY = "papermill", "nbclient", "kernel gateway"
_MODULES = {PAPERMILL: "papermill", NBCLIENT: "nbclient", GATEWAY: "kernel_gateway"}
PARAMETERS, MIDDLE, LAST = "a: int = 1", "import os\nb = a * 2", "{'sum': a + b, 'pid': os.getpid()}"
_SECONDS = 60.0

#: Makes a call, and returns how many seconds it took.
Call = Callable[[int], float]


def missing(peer: str) -> str:
    """Return why a peer cannot take part, or nothing."""
    return "" if find_spec(_MODULES[peer]) else f"{peer} is left out: make bench-tools"


@contextmanager
def papermill() -> Iterator[Call]:
    """Run notebooks with papermill."""
    with _notebook_file(code(PARAMETERS, "parameters"), code(MIDDLE), code(LAST)) as path, _worker() as worker:
        worker.submit(_load, "papermill").result()
        yield lambda number: worker.submit(_papermill, str(path), number).result()


@contextmanager
def nbclient() -> Iterator[Call]:
    """Run notebooks with nbclient."""
    with _worker() as worker:
        worker.submit(_load, "nbclient").result()
        yield lambda number: worker.submit(_nbclient, number).result()


@contextmanager
def kernel_gateway() -> Iterator[Call]:
    """Serve the cells of a notebook with jupyter_kernel_gateway."""
    body = "import json\na = int(json.loads(REQUEST)['args']['a'][0])"
    answer = f"# GET /sum\n{body}\n{MIDDLE}\nprint(json.dumps({LAST}))"
    kind = "# ResponseInfo GET /sum\nprint(json.dumps({'headers': {'Content-Type': 'application/json'}}))"
    with _notebook_file(code("import json"), code(answer), code(kind)) as path:
        port = free_port()
        options = ["api=kernel_gateway.notebook_http", f"seed_uri={path}", "ip=127.0.0.1", f"port={port}"]
        command = [sys.executable, "-m", "kernel_gateway", *(f"--KernelGatewayApp.{option}" for option in options)]
        process = subprocess.Popen(
            command, cwd=path.parent, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: _answers(process, port), "the kernel gateway answers", seconds=_SECONDS)
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)) as connection:
                yield lambda number: _ask(connection, number)
        finally:
            process.terminate()
            process.wait(20)


#: How to start each peer.
PEERS: dict[str, Callable[[], Any]] = {PAPERMILL: papermill, NBCLIENT: nbclient, GATEWAY: kernel_gateway}


@contextmanager
def _notebook_file(*cells: dict[str, Any]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pnb-bench-") as folder:
        path = Path(folder, "sum.ipynb")
        path.write_text(json.dumps(notebook(*cells)))
        yield path


@contextmanager
def _worker() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_be_quiet) as worker:
        yield worker


def _be_quiet() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # kernels warn about what does not matter here


def _load(module: str) -> None:
    __import__(module)


def _papermill(path: str, number: int) -> float:
    import papermill as module

    begun = time.perf_counter()
    result = module.execute_notebook(path, None, parameters={"a": number}, progress_bar=False, log_output=False)
    taken = time.perf_counter() - begun
    _check(result.cells[-1].outputs[0].data["text/plain"], number)
    return taken


def _nbclient(number: int) -> float:
    import nbformat
    from nbclient import execute

    content = nbformat.from_dict(notebook(code(PARAMETERS), code(f"a = {number}"), code(MIDDLE), code(LAST)))
    begun = time.perf_counter()
    result = execute(content)
    taken = time.perf_counter() - begun
    _check(result.cells[-1].outputs[0].data["text/plain"], number)
    return taken


def _ask(connection: http.client.HTTPConnection, number: int) -> float:
    begun = time.perf_counter()
    connection.request("GET", f"/sum?a={number}")
    answer = connection.getresponse()
    text = answer.read().decode()
    taken = time.perf_counter() - begun
    assert answer.status == 200, text
    _check(text, number)
    return taken


def _check(text: str, number: int) -> None:
    assert f"{3 * number}," in text, f"the answer to {number} is {text}"


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None, "the kernel gateway has ended"
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)) as connection:
            return _ask(connection, 1) > 0
    except OSError:
        return False
