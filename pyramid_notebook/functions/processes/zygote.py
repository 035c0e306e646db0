"""The process from which calls are forked: IPython and the modules of the setting ``preload`` are loaded, once.

``python -P -m pyramid_notebook.functions.processes.zygote DESCRIPTOR``. It is started by exec, never by a fork of the
user server; it has one thread, no event loop, no connections and no secrets, which every fork would have as well. The
descriptor is its control socket. The first message names the modules; the answer is ``{"refused": …}`` with the reason,
or some of ``{"sources": …}`` with the source files that it has loaded, and ``{"ready": true}``. Then see
:mod:`.forks`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import Sequence

from setproctitle import setproctitle

from ..cells import run
from ..cells.shell import FunctionShell
from ..program import Cell, Role
from ..protocol import Order
from ..values import pack
from . import sandbox
from .call import Base
from .capture import Stream
from .forks import Forks
from .hazards import hazard
from .sources import loaded_sources

_MESSAGE_BYTES = 64 * 1024
#: Source files that one message names.
_AT_ONCE = 50
#: What is run once of a module that was loaded: most load a lot when they are first used.
_WARM_UP = {
    "pandas": "import pandas\npandas.DataFrame({'a': [1.0, 2.0]}).describe()",
    "matplotlib.pyplot": "import io, matplotlib.pyplot as p\nf = p.figure()\nf.gca().plot([1, 2])\n"
    "f.savefig(io.BytesIO(), format='png')\np.close(f)",
}
_TRIVIAL = ("x: int = 1\n_y = [x, 'a']", "import math\nprint(end='')\nfor _i in range(2):\n    pass", "{'a': x}")
_BAD = "def f():\n    1 / 0\nf()"


class Refused(Exception):
    """This process would not be safe to fork; the text says why."""


def main(control: socket.socket) -> None:
    """Load everything, say so, and fork a process for each message until the control socket is closed."""
    setproctitle("notebook functions zygote")
    streams = {"stdout": Stream("stdout", 1), "stderr": Stream("stderr", 2)}
    sys.stdout, sys.stderr = streams["stdout"], streams["stderr"]
    try:
        shell = _load(control, json.loads(control.recv(_MESSAGE_BYTES))["preload"])
    except Refused as error:
        control.send(json.dumps({"refused": str(error)}).encode())
        return
    sandbox.adopt_orphans()
    sandbox.tell_crashes()
    tempfile.gettempdir()  # the first to ask leaves a file there, where it is killed while it tries that folder
    sandbox.refuse_questions()
    sys.path.insert(0, "")  # the folder of each notebook
    sources = list(loaded_sources().items())
    base = Base(shell=shell, streams=streams, address_space=sandbox.address_space())
    gc.collect()
    gc.freeze()  # a collection would write to, and so copy, what the forks share
    gc.disable()
    for begin in range(0, len(sources), _AT_ONCE):
        control.send(json.dumps({"sources": dict(sources[begin : begin + _AT_ONCE])}).encode())
    control.send(json.dumps({"ready": True}).encode())
    Forks(control, base.child).serve()


def _load(control: socket.socket, names: Sequence[str]) -> FunctionShell:
    own = {0, 1, 2, control.fileno()}
    shell = FunctionShell.instance()
    _check("The zygote itself", own)
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            raise Refused(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
        _check(f"Importing {name}", own)
    _run(shell, *_TRIVIAL)
    for name, source in _WARM_UP.items():
        if name in sys.modules:
            _run(shell, source)
            _check(f"Using {name}", own)
    shell.run_cell(_BAD)  # what formats tracebacks is loaded by the first one
    shell.reset(new_session=False)  # type: ignore[no-untyped-call]
    shell.begin("__main__")
    sandbox.forget_loops()
    _check("Running a cell", own)
    return shell


def _run(shell: FunctionShell, *sources: str) -> None:
    cells = tuple(Cell(number, source, Role.CODE) for number, source in enumerate(sources[:-1]))
    cells = (*cells, Cell(len(cells), sources[-1], Role.RETURN))
    value = run(Order(cells=cells, values={}, names=(), folder="/"), shell, lambda event: None)
    if isinstance(value, dict):
        pack(value, ("json",), nan="error", most_bytes=1000)


def _check(what: str, own: set[int]) -> None:
    reason = hazard(own=own)
    if reason:
        raise Refused(f"{what} {reason}.")


if __name__ == "__main__":
    from pyramid_notebook.functions.processes.zygote import (
        main as start,  # cells run in another module with the name __main__
    )

    start(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)
