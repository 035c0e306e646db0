"""What a user server and the process of a call tell each other (pure).

The two are connected by a stream socket of their own for each call. The server writes one :class:`Order`; then frames
come back: any number of events, and at the end either a result, a failure, or (by the zygote, where the process died
before it said anything) how it ended. A frame is its length in four bytes, big-endian, its kind in one byte, and the
payload.

To be woken takes a server longer than many a cell. So each call has a bell beside its socket, a pipe: the process
rings it, once, when it has sent something that is more than the beginning of a cell. The server reads nothing before
that, or before 50 ms have passed.
"""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .program import Cell, Role

#: Length of a payload, and its kind.
HEAD = struct.Struct(">Ic")
#: Bytes that a payload may have.
MOST_BYTES = 1 << 30


class Kind(StrEnum):
    """What a frame holds."""

    ORDER = "O"  # pickle of what an Order holds
    EVENT = "E"  # JSON, see Event
    RESULT = "R"  # JSON of status, content type and fields, a line feed, and the body
    FAILURE = "F"  # JSON, see the attributes of NotebookFailed and reason


@dataclass(frozen=True, slots=True)
class EnumMember:
    """A member of an Enum that a cell of the notebook defines: only its process has the class."""

    class_name: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One call.

    Attributes:
        cells: what runs.
        values: of the parameters, by name.
        names: for each cell with parameters, in order, the names that it declares; after the cell has run, the values
            of these are bound.
        folder: working folder, absolute.
        formats: names of the forms in which the value may come back, the best first, see ``values.py``.
        nan: what becomes of NaN and infinities in JSON: ``error``, ``null``, or ``text``.
        most_bytes: bytes that the answer may have.
        memory: bytes of address space that the process may have; 0 for any number.
        outputs: whether events tell all that is displayed, for the executed notebook, or only streams.
        title: what ``ps`` shows of it.
    """

    cells: tuple[Cell, ...]
    values: Mapping[str, Any]
    names: tuple[tuple[str, ...], ...]
    folder: str
    formats: tuple[str, ...] = ("json",)
    nan: str = "error"
    most_bytes: int = 10_000_000
    memory: int = 0
    outputs: bool = False
    title: str = ""

    def to_bytes(self) -> bytes:
        """Return it as the payload of a frame; only processes of one user server exchange it."""
        told = {name: getattr(self, name) for name in self.__slots__}
        told["cells"] = [(cell.index, cell.source, str(cell.role)) for cell in self.cells]  # far quicker to read
        return pickle.dumps(told, protocol=5)

    @classmethod
    def from_bytes(cls, payload: bytes) -> Order:
        """Return the order in a payload, which must come from the user server that has started this process."""
        told = pickle.loads(payload)  # noqa: S301 - our own server's, on a socket that nobody else has
        told["cells"] = tuple(Cell(index, source, Role(role)) for index, source, role in told["cells"])
        return cls(**told)


#: What happens in a call, as a JSON object: ``{"event": "cell", "cell": index, "number": i, "of": n}``;
#: ``{"event": "stream", "name": "stdout" | "stderr", "text": …}``;
#: ``{"event": "output", "output": an output of nbformat 4}``, which belongs to the cell that was told last.
Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a call returned, in the form in which it is sent.

    Attributes:
        status: HTTP status.
        content_type: of the body.
        fields: more header fields.
        body: the bytes.
    """

    status: int = 200
    content_type: str = "application/json"
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """Return it as the payload of a frame."""
        head = {"status": self.status, "content_type": self.content_type, "fields": self.fields}
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def from_bytes(cls, payload: bytes) -> Result:
        """Return the result in a payload.

        Raises:
            ValueError: there is none.
        """
        head, _, body = payload.partition(b"\n")
        told = json.loads(head)
        fields = tuple((str(name), str(value)) for name, value in told["fields"])
        return cls(status=int(told["status"]), content_type=str(told["content_type"]), fields=fields, body=body)


def frame(kind: Kind, payload: bytes) -> bytes:
    """Return a frame."""
    return HEAD.pack(len(payload), kind.value.encode()) + payload
