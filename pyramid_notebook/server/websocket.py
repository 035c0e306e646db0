"""Kernel websockets without the stall."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptWebsocketConnection(ZMQChannelsWebsocketConnection):
    """A kernel websocket that sends each frame at once.

    A reply is several small frames; with Nagle's algorithm on, each waits for a delayed acknowledgement of the one
    before, some 40 ms.
    """

    def connect(self) -> Any:
        """Connect to the kernel's channels."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
