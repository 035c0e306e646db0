"""Kernel websockets without the stall."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptWebsocketConnection(ZMQChannelsWebsocketConnection):
    """A kernel websocket that sends each frame at once, and reads each in the protocol that was agreed.

    A reply is several small frames; with Nagle's algorithm on, each waits for a delayed acknowledgement of the one
    before, some 40 ms.

    When a page connects anew, its old websocket is closed, and its handler forgets the subprotocol at once; what the
    page had sent before is still to come. Taken for the older protocol, the first bytes of such a message are a
    count of 100 million parts, for which the server would take gigabytes of memory and half a minute.
    """

    _agreed: str | None = None

    def connect(self) -> Any:
        """Connect to the kernel's channels."""
        self._agreed = super().subprotocol
        self.websocket_handler.set_nodelay(True)
        return super().connect()

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol of the websocket, also after it was closed."""
        return self._agreed

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Pass a message on to the kernel; where the page has connected anew, by its new websocket.

        The kernel takes nothing by the old one any more: both have one identity (zmq_setsockopt(3), ROUTER_HANDOVER).
        """
        successor = self._open_sessions.get(self.session_key)
        if successor is not None and successor is not self.websocket_handler:
            connection = successor.connection
            if connection is not None and connection.channels and connection.subprotocol == self._agreed:
                connection.handle_incoming_message(incoming_msg)
                return
        super().handle_incoming_message(incoming_msg)

    @property
    def write_message(self) -> Any:
        """What sends a message to the page; once the websocket is closed, nobody gets it."""
        return _drop if self.websocket_handler.ws_connection is None else super().write_message


def _drop(*_message: Any, **_options: Any) -> None:
    """Send nothing."""
