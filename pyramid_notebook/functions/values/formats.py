"""The forms in which a value may come back, and which of them a request asks for (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from ...errors import NotAcceptable

#: What may become of NaN and infinities, for which JSON has no word: an error, ``null``, or the text ``"NaN"``.
NAN_POLICIES = ("error", "null", "text")

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - of RFC 9110 section 5.6.2
_RANGE = re.compile(rf"({_TOKEN})/({_TOKEN})")
#: A little more than RFC 9110 section 12.4.2 allows: some clients send ``.2``.
_WEIGHT = re.compile(r"[01](?:\.[0-9]*)?|\.[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One form of a value.

    Attributes:
        name: what ``?format=`` says.
        media_type: what ``Accept`` says, and the type of the answer.
        purpose: what it is for, for people.
        packed: whether ``values.pack`` makes it; the executed notebook is made of what the call displays.
        by_wildcard: whether ``Accept: image/*`` and the like may lead to it.
    """

    name: str
    media_type: str
    purpose: str
    packed: bool = True
    by_wildcard: bool = True

    @property
    def content_type(self) -> str:
        """The type with its charset, as it is sent."""
        return f"{self.media_type}; charset=utf-8" if self.media_type.startswith("text/") else self.media_type


#: All forms by name; where a request likes several equally, the first of them here.
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        form.name: form
        for form in (
            Format(name="json", media_type="application/json", purpose="the value, for programs"),
            Format(name="html", media_type="text/html", purpose="a table or a figure, for people; no script runs"),
            Format(name="png", media_type="image/png", purpose="a figure as pixels"),
            Format(name="svg", media_type="image/svg+xml", purpose="a figure as lines"),
            Format(name="csv", media_type="text/csv", purpose="a table, for spreadsheets"),
            Format(name="parquet", media_type="application/vnd.apache.parquet", purpose="a table with its types"),
            Format(
                name="arrow",
                media_type="application/vnd.apache.arrow.stream",
                purpose="the same as a stream",
            ),
            Format(name="text", media_type="text/plain", purpose="one text or number, without quotes"),
            Format(
                name="ipynb",
                media_type="application/x-ipynb+json",
                purpose="the executed notebook",
                packed=False,
                by_wildcard=False,
            ),
            Format(name="file", media_type="application/octet-stream", purpose="bytes as they are", by_wildcard=False),
        )
    }
)


@dataclass(frozen=True, slots=True)
class _Liking:
    """A media range of an Accept field; sorts by how much it is liked, then as it stands in the field."""

    major: str
    minor: str
    weight: float
    place: int

    @property
    def precision(self) -> int:
        """How exactly it names a type: 2 for ``text/csv``, 1 for ``text/*``, 0 for ``*/*``."""
        return (self.major != "*") + (self.minor != "*")

    def names(self, form: Format) -> bool:
        """Tell whether it means this form; ``*/*`` means JSON only, so that such clients always get the same form."""
        if self.major == "*":
            return form.name == "json"
        if self.minor == "*":
            return form.by_wildcard and form.media_type.startswith(f"{self.major}/")
        return form.media_type == f"{self.major}/{self.minor}"


@lru_cache(maxsize=256)  # clients always send the same
def negotiate(accept: str, wanted: str = "") -> tuple[str, ...]:
    """Return the names of the forms that a request asks for, the best first (RFC 9110 section 12.5.1).

    Parameters of media types are not looked at, and neither are members of the field that cannot be read. ``*/*``
    stands for JSON, and so does a field that is empty. Which of the names it becomes depends on the value.

    Args:
        accept: the field ``Accept``, its lines joined by commas; empty where there is none.
        wanted: the name in the query's ``format``, which wins; empty where there is none.

    Raises:
        NotAcceptable: none of what is asked for is known; the text tells what is.
    """
    if wanted:
        if wanted not in FORMATS:
            raise NotAcceptable(f"There is no format {wanted!r:.100}. {_known()}")
        return (wanted,)
    likings = list(_likings(accept))
    if not likings:
        return ("json",)
    ranked = []
    for number, form in enumerate(FORMATS.values()):
        fitting = [liking for liking in likings if liking.names(form)]
        if fitting:
            best = max(fitting, key=lambda liking: (liking.precision, liking.weight, -liking.place))
            if best.weight:
                ranked.append((-best.weight, -best.precision, best.place, number, form.name))
    if not ranked:
        raise NotAcceptable(f"No form of a result is acceptable for {accept!r:.200}. {_known()}")
    return tuple(name for *_, name in sorted(ranked))


def _known() -> str:
    return f"Known are: {', '.join(f'{form.name} ({form.media_type})' for form in FORMATS.values())}."


def _likings(accept: str) -> Iterator[_Liking]:
    for place, member in enumerate(_split(accept, ",")):
        kind, *parameters = (part.strip() for part in _split(member, ";"))
        found = _RANGE.fullmatch(kind.lower())
        weight = _weight(parameters)
        if found and weight is not None and (found[1] != "*" or found[2] == "*"):
            yield _Liking(found[1], found[2], weight, place)


def _weight(parameters: Sequence[str]) -> float | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            return min(float(value), 1.0) if _WEIGHT.fullmatch(value.strip()) else None
    return 1.0


def _split(text: str, separator: str) -> list[str]:
    """Return the parts of a text between separators that are not within quotes."""
    if '"' not in text:
        return text.split(separator)
    parts, start, quoted, escaped = [], 0, False, False
    for place, letter in enumerate(text):
        if escaped:
            escaped = False
        elif letter == '"':
            quoted = not quoted
        elif quoted:
            escaped = letter == "\\"
        elif letter == separator:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
