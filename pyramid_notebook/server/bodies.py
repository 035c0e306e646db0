"""Bodies of requests, for handlers that take them as they come."""

from __future__ import annotations

from ..errors import TooLarge


class BoundedBody:
    """A body that is kept up to some bytes; beyond that it is thrown away as it comes.

    Args:
        most: bytes that it may have.

    Attributes:
        length: bytes that came.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.length = 0
        self._parts: list[bytes] = []

    @property
    def is_too_large(self) -> bool:
        """Whether more bytes came than it may have."""
        return self.length > self.most

    def add(self, chunk: bytes) -> None:
        """Keep a part, see :meth:`tornado.web.RequestHandler.data_received`."""
        self.length += len(chunk)
        if self.is_too_large:
            self._parts.clear()
        else:
            self._parts.append(chunk)

    def take(self) -> bytes:
        """Return the whole, and keep it no longer.

        Raises:
            TooLarge: it is.
        """
        if self.is_too_large:
            raise TooLarge(f"The request has {self.length} bytes; {self.most} are the most.")
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole
