"""What kernel and page tell each other over their websocket (pure).

A frame is a header, a JSON object with a ``type``, and a payload of bytes. One without a payload is a text message,
which is the header; any other is a binary message: the header's length in bytes as an unsigned 32-bit integer,
big-endian, the header, the payload.

=========  ======  ==================================  ======================================================
type       sent    fields                              meaning
=========  ======  ==================================  ======================================================
hello      up      version, page, title                first of all; ``page`` is an id that the page chose
welcome    down    version, largest, kernel            the answer; ``largest`` bytes may be in a message
open       down    id, channel, code                   have a channel, and run its code; answered like a call
close      down    channel                             it is gone
call       both    id, channel, name, args, stream?    call a function
result     both    id, value, stream?                  its value
error      both    id, error                           ``{"name", "message", "trace", "kind"}``
cancel     both    id                                  nobody waits for that call any more
data       up      stream, payload                     a piece of a stream
end        both    stream or ticket, error?, size      a stream is over; ``size`` bytes were sent
credit     down    stream, bytes                       so many more bytes may be sent
stop       both    stream or ticket                    nobody reads that stream any more
ping       up                                          say something: the page has heard nothing for a while
pong       down                                        the answer
=========  ======  ==================================  ======================================================

An id is the caller's: both sides count their own. A stream from the page comes in ``data``, and has an id of the
page's; one from the kernel is fetched by HTTP, at an address with its ``ticket``, which is good for once. Bytes inside
``args`` and ``value`` are null there, and stand in the payload, one after the other: ``buffers`` is a list of pairs,
the path to a value (keys and places) and its length in bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import BadFrame, Unsendable

VERSION = 1
#: Bytes of a message, in each direction; what is larger goes as a stream.
LARGEST = 16 * 1024 * 1024
#: Bytes of a stream's piece.
PIECE = 64 * 1024
#: Bytes of a stream from the page that may be under way; more when the kernel has read some.
WINDOW = 16 * PIECE
#: Levels of lists and objects in a value, as json of Python reads them without running out of stack.
DEEPEST = 200
_LENGTH = 4
_SCALARS = (str, bool, int, type(None))
_EXACT = 2**53  # JavaScript knows no larger integers exactly (ECMA-262, Number.MAX_SAFE_INTEGER + 1)


@dataclass(frozen=True, slots=True)
class Frame:
    """A message.

    Attributes:
        header: what it says.
        payload: bytes that go with it.
    """

    header: dict[str, Any]
    payload: bytes | memoryview = b""

    @property
    def type(self) -> str:
        """What kind of message it is."""
        return str(self.header["type"])


class Packed(NamedTuple):
    """A value as it goes.

    Attributes:
        value: as JSON can hold it.
        buffers: the places of the bytes in it, and their lengths.
        payload: these bytes.
    """

    value: Any
    buffers: list[Any]
    payload: bytes

    def fields(self, name: str) -> dict[str, Any]:
        """Return what a header says of it, which is called by this name there."""
        return {name: self.value, **({"buffers": self.buffers} if self.buffers else {})}


def encode(frame: Frame) -> str | bytes:
    """Return a frame as a text or binary message.

    Raises:
        Unsendable: its header is no JSON, or it is larger than :data:`LARGEST`.
    """
    try:
        text = json.dumps(frame.header, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
        header = text.encode()
    except UnicodeEncodeError as error:
        raise Unsendable("A text holds half of a surrogate pair, which is no Unicode character.") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise Unsendable(f"It cannot be sent as JSON: {error}") from error
    size = len(header) + len(frame.payload)
    if size > LARGEST:
        raise Unsendable(f"It has {size:,} bytes, and a message may have {LARGEST:,}. Send it as a stream.")
    if not frame.payload:
        return text
    return b"".join((len(header).to_bytes(_LENGTH, "big"), header, frame.payload))


def decode(message: str | bytes) -> Frame:
    """Return the frame that a message holds.

    Raises:
        BadFrame: it holds none.
    """
    payload: bytes | memoryview = b""
    text: str | bytes = message
    if not isinstance(message, str):
        length = int.from_bytes(message[:_LENGTH], "big")
        if len(message) < _LENGTH + length:
            raise BadFrame("A message ends before its header does.")
        text = bytes(message[_LENGTH : _LENGTH + length])
        payload = memoryview(message)[_LENGTH + length :]
    try:
        text = text if isinstance(text, str) else text.decode()  # json would guess the encoding
        header = json.loads(text, parse_constant=_refuse_constant, parse_int=_integer)
    except (ValueError, OverflowError, RecursionError) as error:
        raise BadFrame(f"The header of a message is no JSON: {error}") from error
    if not isinstance(header, dict) or not isinstance(header.get("type"), str):
        raise BadFrame("The header of a message is no object with a type.")
    return Frame(header, payload)


def pack(value: Any) -> Packed:
    """Return a value as it goes.

    Args:
        value: of None, bool, int, float, str, bytes, lists, tuples, and dictionaries with texts as keys.

    Raises:
        Unsendable: it holds something else, NaN, an infinity, an integer that JavaScript would round, or itself.
    """
    places: list[Any] = []
    pieces: list[bytes] = []
    packed = _pack(value, (), places, pieces)
    return Packed(packed, places, b"".join(pieces))


def unpack(value: Any, places: Any, payload: bytes | memoryview) -> Any:
    """Return a value with its bytes put back.

    Args:
        value: as it came in a header.
        places: ``buffers`` of the header.
        payload: of the frame.

    Raises:
        BadFrame: the places are none, or do not fit.
    """
    if not places:
        return value
    root, start = [value], 0
    try:
        for path, length in places:
            if not isinstance(length, int) or not 0 <= length <= len(payload) - start:
                raise BadFrame("The payload of a message is shorter than its header says.")
            holder: Any = root
            keys = [0, *path]
            for key in keys[:-1]:
                holder = holder[key]
            if holder[keys[-1]] is not None:
                raise BadFrame("The header of a message has bytes where there is a value.")
            holder[keys[-1]] = bytes(payload[start : start + length])
            start += length
    except BadFrame:
        raise
    except (TypeError, ValueError, LookupError) as error:
        raise BadFrame("The header of a message names no place for its bytes.") from error
    return root[0]


def _integer(text: str) -> int | float:
    # JavaScript writes a large number without an exponent, and means the nearest float (ECMA-262, Number::toString)
    number = int(text)
    return number if abs(number) <= _EXACT else float(number)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _pack(value: Any, path: tuple[Any, ...], places: list[Any], pieces: list[bytes]) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        piece = bytes(value)
        places.append([list(path), len(piece)])
        pieces.append(piece)
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unsendable(f"{_at(path)} is {value!r}, which JSON does not have. Send None or a text instead.")
        return value
    if isinstance(value, _SCALARS):
        if isinstance(value, int) and abs(value) > _EXACT:
            raise Unsendable(f"{_at(path)} is an integer that JavaScript would round. Send it as a text.")
        return value
    if len(path) > DEEPEST:
        raise Unsendable(f"A value holds more than {DEEPEST} levels, or itself.")
    if isinstance(value, (list, tuple)):
        return [_pack(item, (*path, place), places, pieces) for place, item in enumerate(value)]
    if isinstance(value, dict):
        return _pack_object(value, path, places, pieces)
    raise Unsendable(f"{_at(path)} is a {type(value).__name__}, which cannot be sent. Make JSON or bytes of it.")


def _pack_object(value: dict[Any, Any], path: tuple[Any, ...], places: list[Any], pieces: list[bytes]) -> Any:
    for key in value:
        if not isinstance(key, str):
            raise Unsendable(f"A key of {_at(path)} is {key!r}, and keys of JSON are texts.")
    return {key: _pack(item, (*path, key), places, pieces) for key, item in value.items()}


def _at(path: Sequence[Any]) -> str:
    return "The value" if not path else "The value at " + "".join(f"[{key!r}]" for key in path)
