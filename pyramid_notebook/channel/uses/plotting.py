"""Pictures that a page drives: a slider moves, Python draws."""

from __future__ import annotations

import base64
import html
import inspect
import io
from collections.abc import Callable
from typing import Any

from .parts import Parts

_PARTS = Parts("live", thread="main")
_STEPS = 100
Number = int | float


def live(draw: Callable[..., Any], *, label: str = "", **sliders: tuple[Number, ...]) -> None:
    """Show a picture and sliders in the cell; whenever one is moved, the picture is drawn anew.

    Args:
        draw: called on the kernel's main thread with a number for each slider, by name; returns a figure of matplotlib,
            the text of an SVG, the bytes of a PNG, or what IPython shows as one of these.
        label: what is to be seen, for those who do not see it.
        sliders: by name of the argument: lowest and highest value, and the step if it is another one than a hundredth
            of what lies between, or 1 between integers. A slider stands at the argument's default, else at its lowest.

    Raises:
        NoChannel: this is no kernel of a user server.
        TypeError: what was drawn is no picture.
        ValueError: a slider has no two ends.
    """
    about = [_slider(draw, name, ends) for name, ends in sliders.items()]
    text = label or getattr(draw, "__name__", "picture").replace("_", " ")

    def hear(values: dict[str, Number]) -> dict[str, Any]:
        kind, data = picture(draw(**{one["name"]: _number(one, values) for one in about}))
        return {"type": kind, "data": data}

    first = hear({one["name"]: one["value"] for one in about})
    source = f"data:{first['type']};base64,{base64.b64encode(first['data']).decode()}"
    markup = f'<img alt="{html.escape(text)}" src="{source}">'
    _PARTS.show({"label": text, "sliders": about}, hear, text, markup=markup)


def _slider(draw: Callable[..., Any], name: str, ends: tuple[Number, ...]) -> dict[str, Any]:
    if len(ends) not in (2, 3) or not ends[0] < ends[1]:
        raise ValueError(f"The slider {name!r} is (lowest, highest) or (lowest, highest, step), and not {ends!r}.")
    low, high = ends[:2]
    whole = all(isinstance(end, int) for end in ends)
    step = ends[2] if len(ends) == 3 else 1 if whole else (high - low) / _STEPS
    default = inspect.signature(draw).parameters[name].default
    value = default if isinstance(default, (int, float)) else low
    return {"name": name, "low": low, "high": high, "step": step, "value": value, "whole": whole}


def _number(slider: dict[str, Any], values: dict[str, Number]) -> Number:
    value: Number = min(max(values[slider["name"]], slider["low"]), slider["high"])
    return round(value) if slider["whole"] else value


def picture(drawn: object) -> tuple[str, bytes]:
    """Return the MIME type and the bytes of a picture.

    Raises:
        TypeError: it is none.
    """
    figure = getattr(drawn, "figure", None) if not hasattr(drawn, "savefig") else drawn
    if figure is not None and hasattr(figure, "savefig"):
        file = io.BytesIO()
        figure.savefig(file, format="png")
        return "image/png", file.getvalue()
    for method in ("_repr_svg_", "_repr_png_"):
        shown = getattr(drawn, method, lambda: None)()
        if shown is not None:
            return picture(shown)
    if isinstance(drawn, str) and "<svg" in drawn:
        return "image/svg+xml", drawn.encode()
    if isinstance(drawn, bytes) and drawn.startswith(b"\x89PNG"):
        return "image/png", drawn
    raise TypeError(
        f"A {type(drawn).__name__} is no picture: return a figure, the text of an SVG, or the bytes of a PNG."
    )
