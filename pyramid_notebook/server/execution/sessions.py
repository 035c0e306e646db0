"""Which kernel runs a notebook: that of its session, so that a page and we use the same one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp

_STATES = {"idle": "idle", "busy": "busy", "dead": "dead"}


@dataclass(frozen=True, slots=True)
class KernelState:
    """A notebook's kernel: the name of its kernelspec, and ``idle``, ``busy``, ``starting``, ``dead`` or ``none``."""

    name: str
    state: str


async def kernel_id_of(app: ServerApp, path: str) -> str:
    """Return the id of the kernel of the notebook with a path, or an empty text."""
    for session in await app.session_manager.list_sessions():
        if session["path"] == path and session["type"] == "notebook" and session["kernel"]:
            return str(session["kernel"]["id"])
    return ""


async def start_kernel(app: ServerApp, path: str, kernel_name: str) -> str:
    """Make a session with a kernel, and return the kernel's id.

    Args:
        app: the running server.
        path: of the notebook.
        kernel_name: what the notebook asks for; where there is none such, it gets the default.
    """
    specs: Any = app.kernel_spec_manager
    known = await ensure_async(specs.find_kernel_specs())
    session = await app.session_manager.create_session(
        path=path,
        name=PurePosixPath(path).name,
        type="notebook",
        kernel_name=kernel_name if kernel_name in known else app.kernel_manager.default_kernel_name,
    )
    return str(session["kernel"]["id"])


def is_pending(kernel: Any) -> bool:
    """Return whether somebody starts, ends or restarts a kernel of jupyter_server just now."""
    # between the end and the new start of a kernel that is restarted, only the flag tells
    return not kernel.ready.done() or (kernel.shutting_down and failure_of(kernel) is None)


def failure_of(kernel: Any) -> BaseException | None:
    """Return why the last start, end or restart of a kernel failed; None if it didn't."""
    ready = kernel.ready
    failure: BaseException | None = ready.exception() if ready.done() and not ready.cancelled() else None
    return failure


def state_of(app: ServerApp, kernel_id: str) -> KernelState:
    """Return how a kernel is doing."""
    if not kernel_id or kernel_id not in app.kernel_manager:
        return KernelState("", "none")
    kernel: Any = app.kernel_manager.get_kernel(kernel_id)
    if failure_of(kernel) is not None:
        return KernelState(str(kernel.kernel_name), "dead")
    # a kernel that is only just being started has no state yet, and reading it would raise
    state = kernel.execution_state if kernel.trait_has_value("execution_state") else "starting"
    return KernelState(str(kernel.kernel_name), _STATES.get(str(state), "starting"))
