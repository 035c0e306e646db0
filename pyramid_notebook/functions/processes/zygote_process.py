"""One zygote (:mod:`.zygote`) as the user server sees it: started, watched, and ended with all that came of it."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...errors import CallDied, SettingsError
from ...record import LAUNCH_VARIABLE
from .fork_server import ForkServer
from .sources import have_changed

_LOG = logging.getLogger(__name__)
_COMMAND = (sys.executable, "-P", "-m", "pyramid_notebook.functions.processes.zygote")
#: All processes that come of one zygote have this variable, with a value of its own.
_MARK = "PYRAMID_NOTEBOOK_ZYGOTE"
_START_SECONDS = 120.0
_END_SECONDS = 6.0
_LOOK_SECONDS = 1.0
#: Variables that calls get; whatever a server keeps in others stays there.
_PASSED = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TERM", "VIRTUAL_ENV"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE"),
        *("PYTHONPYCACHEPREFIX", "PYTHONHASHSEED", "PYTHONUTF8", "PYTHONWARNINGS"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "R_HOME", "JAVA_HOME", "SPARK_HOME", "MPLCONFIGDIR", "MPLBACKEND"),
        *("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_PLATFORM_DIRS"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CUDA_VISIBLE_DEVICES", LAUNCH_VARIABLE),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"),
    )
)
_PASSED_PREFIXES = ("LC_", "XDG_", "CONDA_")
#: A library with threads of its own could not be forked; and a call has one of many places on a machine.
_ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # jemalloc(3), built under these names into pyarrow and into libraries in Rust
    **dict.fromkeys(("JE_ARROW_MALLOC_CONF", "_RJEM_MALLOC_CONF"), "background_thread:false"),
}


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment calls may see: nothing that may be a secret."""
    passed = {
        name: value for name, value in environment.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)
    }
    return {**_ONE_THREAD, "MPLBACKEND": "module://matplotlib_inline.backend_inline", **passed}


class ZygoteProcess:
    """A process that is ready to be forked. Make it with :meth:`start`.

    Attributes:
        server: has calls made by it.
        sources: the files of source code that it has loaded.
    """

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, mark: str) -> None:
        loop = asyncio.get_running_loop()
        self._process = process
        self._mark = mark
        self._ready: asyncio.Future[str] = loop.create_future()
        self._looked = loop.time()
        self._ending: asyncio.Task[None] | None = None
        self.sources: dict[str, Sequence[int]] = {}
        self.server = ForkServer(control, on_message=self._hear, on_idle=self.end, on_hang=self._kill)

    @classmethod
    async def start(cls, preload: Sequence[str], environment: Mapping[str, str]) -> ZygoteProcess:
        """Start a process, and return when it can be forked.

        Args:
            preload: names of the modules that it loads.
            environment: of the process.

        Raises:
            SettingsError: one of the modules cannot be loaded, or leaves something that must not be forked.
            CallDied: the process did not start.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mark = secrets.token_hex(16)
        with theirs:
            try:
                # exec'd without a fork of our memory: Popen has vfork for that where it needs no preexec_fn
                process = subprocess.Popen(  # noqa: ASYNC220 - it returns when the program runs
                    [*_COMMAND, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    env={**environment, _MARK: mark},
                )
            except OSError as error:
                ours.close()
                raise CallDied(f"No process can be started for calls: {error}.") from error
        made = cls(process, ours, mark)
        made.server.tell({"preload": list(preload)})
        try:
            refused = await asyncio.wait_for(asyncio.shield(made._ready), _START_SECONDS)
        except TimeoutError:
            made._kill()
            raise CallDied(f"The process for calls was not ready after {_START_SECONDS:g} seconds.") from None
        except asyncio.CancelledError:
            made.end()
            raise
        if refused:
            made.end()
            _LOG.error("The setting preload cannot be used: %s", refused)
            raise SettingsError(f"The setting preload cannot be used: {refused}")
        if made.server.is_gone:
            raise CallDied("The process for calls ended while it was started; the server's log says why.")
        return made

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_usable(self) -> bool:
        """Whether it runs, with the code as it is now; files are looked at once a second at most."""
        if self.server.is_gone or self._ending is not None:
            return False
        now = asyncio.get_running_loop().time()
        if now - self._looked < _LOOK_SECONDS:
            return True
        self._looked = now
        return not have_changed(self.sources)

    def end(self) -> None:
        """Let it end, with all that runs in it."""
        if self._ending is None:
            self.server.close()
            self._ending = asyncio.ensure_future(self._end())

    async def ended(self) -> None:
        """Wait until it has ended."""
        self.end()
        assert self._ending is not None  # noqa: S101 - for the type checker
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        if await asyncio.to_thread(_wait, self._process, _END_SECONDS) != 0:
            self._process.kill()
            await asyncio.to_thread(_wait, self._process, _END_SECONDS)
            # its forks have ended with it; what they had started has nobody else who would end it
            await asyncio.to_thread(_kill_marked, f"{_MARK}={self._mark}".encode())

    def _kill(self) -> None:
        self._process.kill()

    def _hear(self, message: Mapping[str, Any]) -> None:
        if "sources" in message:
            self.sources.update(message["sources"])
        if "gone" in message:
            self.end()
        if not self._ready.done() and message.keys() & {"ready", "refused", "gone"}:
            self._ready.set_result(str(message.get("refused", "")))


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def _kill_marked(mark: bytes) -> None:
    """Kill all processes with a variable in their environment, until there is none; see proc(5)."""
    while True:
        found = [path for path in Path("/proc").iterdir() if path.name.isdigit() and _has(path, mark)]
        for path in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(int(path.name), signal.SIGKILL)
        if not found:
            return


def _has(path: Path, mark: bytes) -> bool:
    try:
        return mark in (path / "environ").read_bytes().split(b"\0")  # empty of a process that has ended
    except OSError:
        return False
