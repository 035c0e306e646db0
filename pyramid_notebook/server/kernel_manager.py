"""Starts and ends kernels, and leaves nothing of them behind."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from jupyter_server.services.kernels.kernelmanager import ServerKernelManager

from ..channel.places import is_kernel_id, socket_of


class TidyKernelManager(ServerKernelManager):
    """Jupyter's, which also takes the socket of the channel away: a kernel that is killed leaves it."""

    def cleanup_ipc_files(self) -> None:
        """Remove the kernel's sockets; called when its process is gone, and before the next one of its id starts."""
        super().cleanup_ipc_files()
        if is_kernel_id(self.kernel_id or ""):
            with suppress(OSError):
                socket_of(self.kernel_id, Path(os.environ["JUPYTER_RUNTIME_DIR"])).unlink()
