"""The kernel process: IPython's kernel that runs a context's startup script and tells how it went.

Started as ``python -P -m pyramid_notebook.server.kernel -f CONNECTION_FILE --startup=SCRIPT``. A failed script does
not stop the kernel: what it defined before stays, the first cell says what happened, and ``%startup`` runs it again.
The user server asks for the outcome (:mod:`pyramid_notebook.server.outcome`) and shows the traceback in the notebook.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import zmq
from ipykernel import kernelapp
from traitlets import Dict, DottedObjectName, Unicode

from pyramid_notebook.server.kernel_history import save_history_later
from pyramid_notebook.server.kernel_streams import BurstStream, OutputThread

_QUEUED = 100_000  # messages of output that wait for a server that is slow; what comes then is lost


class Startup:
    """Runs the startup script in a shell and remembers how it went.

    Attributes:
        outcome: JSON of ``null`` after success, else of ``{"ename", "evalue", "traceback"}`` as in the content of an
            ``error`` message (Jupyter messaging, "Execution errors").
    """

    def __init__(self, shell: Any, script: Path) -> None:
        self.shell = shell
        self.script = script
        self.outcome = "null"
        self._told = True

    def run(self) -> None:
        """Run the script in the user's namespace; an error is kept, not raised."""
        try:
            code = compile(self.script.read_text(encoding="utf-8"), str(self.script), "exec")
            exec(code, self.shell.user_ns)  # noqa: S102 - that is what the site asked for
        except BaseException as error:
            content = {"ename": type(error).__name__, "evalue": str(error), "traceback": self._traceback(error)}
            self.outcome = json.dumps(content)
            self._told = False
        else:
            self.outcome = "null"

    def _traceback(self, error: BaseException) -> list[str]:
        trace = error.__traceback__.tb_next if error.__traceback__ else None  # the first frame is ours
        if trace is None:  # the script did not compile
            return list(self.shell.SyntaxTB.structured_traceback(type(error), error, []))
        return list(self.shell.InteractiveTB.structured_traceback(type(error), error, trace, tb_offset=0))

    def tell(self, info: Any) -> None:
        """Say once, above the output of the first cell, that the script failed.

        Args:
            info: IPython's ``ExecutionInfo`` of the cell.
        """
        told, self._told = self._told, True
        if not told and info.raw_cell.strip() != "%startup":  # that shows it anyway
            error = json.loads(self.outcome)
            message = f"The startup script failed with {error['ename']}: {error['evalue']}"
            print(f"{message}\nRun %startup to run it again and see where.", file=sys.stderr)  # noqa: T201

    def magic(self, line: str) -> None:
        """Run the site's startup script again, with its errors shown here."""
        self._told = True
        self.shell.safe_execfile(str(self.script), self.shell.user_ns)


class SiteKernelApp(kernelapp.IPKernelApp):
    """IPython's kernel application with a startup script whose errors are not lost."""

    aliases = Dict({**kernelapp.kernel_aliases, "startup": "SiteKernelApp.startup_script"})
    outstream_class = DottedObjectName(f"{BurstStream.__module__}.{BurstStream.__name__}")
    startup_script = Unicode(help="Path of the startup script.").tag(config=True)

    def init_iopub(self, context: Any) -> None:
        """Open the channel for output."""
        kernelapp.IOPubThread = OutputThread  # type: ignore[attr-defined]
        context.setsockopt(zmq.SNDHWM, _QUEUED)
        super().init_iopub(context)  # type: ignore[no-untyped-call]

    def init_kernel(self) -> None:
        """Make the kernel and its shell."""
        self.log.setLevel(self.log_level)  # else all messages are logged, for a handler that drops them
        save_history_later()
        super().init_kernel()  # type: ignore[no-untyped-call]

    def init_code(self) -> None:
        """Run IPython's own startup code, then the site's."""
        super().init_code()  # type: ignore[no-untyped-call]
        shell: Any = self.shell
        startup = Startup(shell, Path(self.startup_script))
        shell.startup = startup
        shell.register_magic_function(startup.magic, magic_name="startup")
        shell.events.register("pre_run_cell", startup.tell)
        startup.run()


if __name__ == "__main__":
    SiteKernelApp.launch_instance()
