"""What people look at: HTML and figures, by matplotlib or by what an object says of itself to Jupyter."""

from __future__ import annotations

import base64
import html
import io
import re
import sys
from collections.abc import Callable
from typing import Any

from ...errors import BadResult
from .walker import Unfit, class_name, is_a

#: What begins a PNG (ISO/IEC 15948 section 5.2).
_PNG = b"\x89PNG\r\n\x1a\n"
_DOCUMENT = re.compile(r"\s*(?:<!--.*?-->\s*)*<(?:!doctype|html)\b", re.IGNORECASE | re.DOTALL)
_STYLE = "body{font:14px system-ui,sans-serif}table{border-collapse:collapse}td,th{padding:.2em .6em;text-align:right}"
_TYPES = {"html": "text/html", "png": "image/png", "svg": "image/svg+xml"}


def ways(value: Any) -> list[str]:
    """Return the names of the forms in which a value can probably be shown, without making one."""
    if figure_of(value) is not None:
        return ["png", "svg", "html"]
    if _method(value, "_repr_mimebundle_") is not None:
        return ["html", "png"]
    return [name for name in ("png", "svg", "html") if _method(value, f"_repr_{name}_") is not None]


def figure_of(value: Any) -> Any:
    """Return matplotlib's figure behind a value: itself, or that of its axes, lines, or a list of them; else None."""
    if "matplotlib.figure" not in sys.modules:
        return None
    if is_a(value, "numpy", "ndarray") and value.dtype == object and value.size:
        value = value.flat[0]
    elif isinstance(value, list | tuple) and value:
        value = value[0]
    if is_a(value, "matplotlib.figure", "Figure"):
        return value
    figure = getattr(value, "figure", None)
    return figure if is_a(figure, "matplotlib.figure", "Figure") else None


def png_body(value: Any) -> bytes:
    """Return a figure as PNG.

    Raises:
        Unfit: the value is none.
        BadResult: it does not make one.
    """
    figure = figure_of(value)
    body = _drawn(figure, "png") if figure is not None else _said(value, "png")
    if isinstance(body, str):
        body = base64.b64decode(body)
    return checked_png(body)


def checked_png(body: object) -> bytes:
    """Return bytes that begin as a PNG does.

    Raises:
        BadResult: these do not.
    """
    if not isinstance(body, bytes) or not body.startswith(_PNG):
        raise BadResult("What the result says is a PNG is none.")
    return body


def svg_body(value: Any) -> bytes:
    """Return a figure as SVG in UTF-8.

    Raises:
        Unfit: the value is none.
    """
    figure = figure_of(value)
    return _drawn(figure, "svg") if figure is not None else _encoded(_said(value, "svg"))


def html_body(value: Any) -> bytes:
    """Return a value as an HTML document in UTF-8; a text is shown as it is.

    A table of pandas or polars has all its rows and the whole texts in them, which Jupyter's display has not.

    Raises:
        Unfit: the value does not say what it is in HTML.
    """
    figure = figure_of(value)
    if isinstance(value, str):
        fragment = f"<pre>{html.escape(value)}</pre>"
    elif figure is not None:
        fragment = f'<img alt="" src="data:image/png;base64,{base64.b64encode(_drawn(figure, "png")).decode()}">'
    elif is_a(value, "pandas", "DataFrame", "Series"):
        fragment = _pandas_html(value)
    elif is_a(value, "polars", "DataFrame", "Series"):
        fragment = _polars_html(value)
    else:
        fragment = _encoded(_said(value, "html")).decode()
    return document(fragment)


def document(fragment: str) -> bytes:
    """Return a piece of HTML as a document in UTF-8, as it is if it is one."""
    if _DOCUMENT.match(fragment):
        return fragment.encode()
    head = f'<!doctype html>\n<html><head><meta charset="utf-8"><title>Result</title><style>{_STYLE}</style></head>'
    return f"{head}\n<body>\n{fragment}\n</body></html>\n".encode()


def _pandas_html(value: Any) -> str:
    frame = value.to_frame("" if value.name is None else value.name) if is_a(value, "pandas", "Series") else value
    with sys.modules["pandas"].option_context("display.max_colwidth", None):
        return str(frame.to_html(border=1))


def _polars_html(value: Any) -> str:
    settings = {"tbl_rows": -1, "tbl_cols": -1, "fmt_str_lengths": 1 << 30, "fmt_table_cell_list_len": -1}
    with sys.modules["polars"].Config(**settings):
        return str(value._repr_html_())


def _drawn(figure: Any, form: str) -> bytes:
    sink = io.BytesIO()
    options: dict[str, Any] = {"metadata": {"Date": None}} if form == "svg" else {}
    figure.savefig(sink, format=form, bbox_inches="tight", **options)  # tight is what Jupyter shows
    return sink.getvalue()


def _said(value: Any, form: str) -> Any:
    """Return what an object says of itself, by the methods that IPython asks as well."""
    method = _method(value, f"_repr_{form}_")
    said = _data(method()) if method is not None else None
    if said is None and (bundle := _method(value, "_repr_mimebundle_")) is not None:
        said = (_data(bundle(include={_TYPES[form]}, exclude=None)) or {}).get(_TYPES[form])
    if said is None:
        known = " or ".join(f"format={name}" for name in ways(value) if name != form)
        advice = f" Ask for {known}." if known else ""
        raise Unfit(f"The result is of the type {class_name(value)}, which cannot be shown as {form.upper()}.{advice}")
    return said


def _data(said: Any) -> Any:
    """Return the data of a representation, which may come with metadata."""
    return said[0] if isinstance(said, tuple) else said


def _method(value: Any, name: str) -> Callable[..., Any] | None:
    """Return a method of an object's class; objects that have every attribute say nothing by it."""
    known = callable(getattr(type(value), name, None)) and not isinstance(value, type)
    return getattr(value, name) if known else None


def _encoded(said: Any) -> bytes:
    return said if isinstance(said, bytes) else str(said).encode()
