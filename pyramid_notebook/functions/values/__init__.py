"""What a notebook returns, in the form that a request asks for.

It runs in the process of the call, so it takes care to import nothing that is large.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from stat import S_ISREG
from typing import Any

from ...errors import BadResult, CallError, NotAcceptable
from ..protocol import Result
from .formats import FORMATS, NAN_POLICIES, negotiate
from .jsonable import KINDS, json_body
from .renderings import checked_png, document, html_body, png_body, svg_body
from .response import Response, check_type, media_type, secured, with_charset
from .tables import arrow_body, csv_body, parquet_body
from .walker import Unfit, Walker, class_name, too_large

__all__ = ["FORMATS", "NAN_POLICIES", "Response", "negotiate", "pack", "pack_shown"]

_FORMS_OF_TYPES = {form.media_type: form.name for form in FORMATS.values() if form.packed and form.name != "file"}
_UNKNOWN_TYPE = FORMATS["file"].media_type


def pack(value: Any, formats: Sequence[str], *, nan: str = "error", most_bytes: int) -> Result:
    """Return a value in the first form that knows values of its kind.

    A :class:`Response` that is bytes, a file, or a text with a type of its own is sent in that form, whatever the
    request asks for. Of the executed notebook, which must come first, the body is empty: others know what it holds.

    Args:
        value: any.
        formats: names of forms, the best first, as :func:`negotiate` gives them.
        nan: what becomes of NaN and infinities in JSON, one of :data:`NAN_POLICIES`.
        most_bytes: bytes that the body may have.

    Raises:
        BadResult: the value cannot be told in any of the forms; the text says why, and which form would do.
        ResultTooLarge: it is too long.
        NotAcceptable: a form or a policy is unknown.
    """
    if nan not in NAN_POLICIES:
        raise NotAcceptable(f"There is no way nan={nan!r:.60}. Known are: {', '.join(NAN_POLICIES)}.")
    packer = _Packer(nan, most_bytes)
    try:
        if isinstance(value, Response):
            return secured(packer.respond(value, formats))
        form, body = packer.first(value, formats)
        return secured(Result(content_type=FORMATS[form].content_type, body=body))
    except CallError:
        raise
    except RecursionError:
        raise BadResult("The result has too many levels within each other.") from None
    except MemoryError:
        raise BadResult("There is not enough memory to tell the result.") from None
    except Exception as error:  # of the classes of the notebook and its libraries
        raise BadResult(f"The result cannot be told: {type(error).__name__}: {error}") from error


def pack_shown(form: str, body: bytes) -> Result:
    """Return as a result what a kernel of any language shows of a value.

    Args:
        form: name of the form.
        body: what the kernel shows of that media type, texts in UTF-8.

    Raises:
        BadResult: it is not in that form.
    """
    if form == "html":
        body = document(body.decode(errors="replace"))
    elif form == "png":
        body = checked_png(body)
    return secured(Result(content_type=FORMATS[form].content_type, body=body))


class _Packer:
    def __init__(self, nan: str, most_bytes: int) -> None:
        self._nan = nan
        self._most = most_bytes

    def first(self, value: Any, formats: Sequence[str]) -> tuple[str, bytes]:
        """Return the name of the first form that knows values of this kind, and the bytes."""
        reasons: list[str] = []
        for name in formats:
            make = _MAKERS.get(name)
            if make is None:
                raise NotAcceptable(f"There is no format {name!r:.60}. Known are: {', '.join(FORMATS)}.")
            if reasons and not FORMATS[name].packed:  # what it needs was not kept
                continue
            try:
                body = make(self, value)
            except Unfit as unfit:
                reasons.append(str(unfit))
                continue
            self._measure(len(body), name)
            return name, body
        raise BadResult(" ".join(dict.fromkeys(reasons)) or "No format was asked for.")

    def respond(self, response: Response, formats: Sequence[str]) -> Result:
        """Return what a Response says."""
        kind = response.content_type
        sent = self._own(response)
        if response.empty:
            content_type, body = FORMATS["json"].content_type, b""
        elif sent is not None:
            content_type = _guessed(response.name) if kind is None else kind
            if isinstance(response.value, str):
                content_type = with_charset(content_type)
            body = sent
        elif kind is None:
            form, body = self.first(response.value, formats)
            content_type = FORMATS[form].content_type
        else:
            form, body = self.first(response.value, (_form_of(kind),))
            content_type = kind if form in {"json", "parquet", "arrow", "png"} else with_charset(kind)
        return Result(status=response.status, content_type=content_type, fields=response.fields(), body=body)

    def _own(self, response: Response) -> bytes | None:
        """Return the bytes that a Response brings along; None where its value has to be put into a form."""
        value, kind = response.value, response.content_type
        if response.file is not None:
            return self._file(os.fspath(response.file))
        if isinstance(value, str) and kind is not None and _form_of(kind, unknown="text") != "json":
            return value.encode()
        return self._bytes(value) if _is_bytes(value) else None

    def _file(self, path: str) -> bytes:
        try:
            with open(path, "rb", opener=_opened) as file:
                status = os.fstat(file.fileno())
                if not S_ISREG(status.st_mode):
                    raise BadResult(f"The file of the response, {path!r:.200}, is no file.")
                self._measure(status.st_size, "file")
                body = file.read(self._most + 1)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise BadResult(f"The file of the response, {path!r:.200}, cannot be read: {why}.") from None
        self._measure(len(body), "file")
        return body

    def _measure(self, size: int, name: str) -> None:
        if size > self._most:
            raise too_large(name if name in {"text", "file"} else name.upper(), size, self._most)

    def _bytes(self, value: Any) -> bytes:
        size = value.getbuffer().nbytes if isinstance(value, io.BytesIO) else memoryview(value).nbytes
        self._measure(size, "file")
        return value.getvalue() if isinstance(value, io.BytesIO) else bytes(value)

    def json(self, value: Any) -> bytes:
        return json_body(value, nan=self._nan, most_bytes=self._most)

    def csv(self, value: Any) -> bytes:
        nan = "null" if self._nan == "null" else "text"
        return csv_body(Walker(KINDS, nan=nan, most_bytes=self._most, what="CSV"), value)

    def text(self, value: Any) -> bytes:
        told = Walker(KINDS, nan="text", most_bytes=self._most, what="text").plain(value)
        if isinstance(told, str):
            return told.encode()
        if isinstance(told, int | float):
            return json_body(told, most_bytes=self._most)
        raise Unfit(f"The result is of the type {class_name(value)}, and format=text is for texts.")

    def file(self, value: Any) -> bytes:
        if _is_bytes(value):
            return self._bytes(value)
        raise Unfit(f"The result is of the type {class_name(value)}, and format=file is for bytes.")


_MAKERS: Mapping[str, Callable[[_Packer, Any], bytes]] = {
    "json": _Packer.json,
    "html": lambda _, value: html_body(value),
    "png": lambda _, value: png_body(value),
    "svg": lambda _, value: svg_body(value),
    "csv": _Packer.csv,
    "parquet": lambda _, value: parquet_body(value),
    "arrow": lambda _, value: arrow_body(value),
    "text": _Packer.text,
    "file": _Packer.file,
    "ipynb": lambda *_: b"",
}


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes | bytearray | memoryview | io.BytesIO)


def _form_of(content_type: str, *, unknown: str = "") -> str:
    """Return the name of the form that has a type; types such as ``application/geo+json`` are JSON."""
    kind = media_type(content_type)
    form = _FORMS_OF_TYPES.get(kind) or ("json" if kind.endswith("+json") else unknown)
    if not form:
        raise BadResult(f"A response of the type {kind:.100} needs a text or bytes as its value.")
    return form


def _guessed(filename: str) -> str:
    """Return the type that the name of a file tells, if a notebook may send it."""
    import mimetypes

    kind, coding = mimetypes.guess_type(filename)
    try:
        check_type(kind)
    except (TypeError, ValueError):
        return _UNKNOWN_TYPE
    return kind if kind and not coding else _UNKNOWN_TYPE


def _opened(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
