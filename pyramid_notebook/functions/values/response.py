"""What a notebook may say of its answer, and what keeps that from harming the site.

An answer comes from the site's own origin and was made by code of a user. So nothing in it may run there, speak to the
web server in front, or be kept for others:

- documents (HTML, SVG, XML and whatever is not known to be inert) come with ``Content-Security-Policy: sandbox``, so
  that no script in them runs and they have an origin of their own;
- types that other pages run (JavaScript, WebAssembly) and answers of several parts are refused;
- the type is what we say (``nosniff``), caches are private, and header fields pass by a list.

Sources: RFC 9110, RFC 6266 and 8187 (``Content-Disposition``), CSP Level 3, the MIME Sniffing and Fetch standards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from ...errors import BadResult
from ..protocol import Result

#: With documents that could run something.
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
MOST_FIELDS = 50
MOST_FIELD_BYTES = 8192

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - of RFC 9110 section 5.6.2
_NAME = re.compile(_TOKEN)
_VALUE = re.compile(r"[\x20-\x7e]*")
_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})((?:[ ]*;[ ]*{_TOKEN}=(?:{_TOKEN}|\"[ !#-\[\]-~]*\"))*)")
_FILENAME = re.compile(r"(?!\.{1,2}$)[^/\\]{1,200}")
_CHARSET = re.compile(r";[ ]*charset=\"?([^;\" ]*)", re.IGNORECASE)
_RUN_BY_PAGES = re.compile(r"multipart/.*|[^/]*/(?:.*(?:javascript|ecmascript|jscript|livescript).*|wasm)")
_INERT = re.compile(
    r"application/(?:json|pdf|octet-stream|zip|gzip|x-ipynb\+json|vnd\.apache\.(?:parquet|arrow\.stream))"
    r"|text/(?:plain|csv)|image/(?:png|jpeg|gif|webp|avif)|(?:audio|video)/.*"
)
_FIELDS = frozenset(
    {
        "cache-control", "content-disposition", "content-language", "etag", "last-modified", "link", "retry-after"
    }
)  # fmt: skip
#: Fields that speak to a browser about more than this answer, or to a web server in front of the site.
_NOT_OURS = re.compile(
    r"x-(?:pyramid-notebook|accel|sendfile|lighttpd|litespeed|reproxy|frame-options|forwarded|real-ip|client-ip|"
    r"content|webkit|xss|permitted|dns-prefetch|ua-compatible|original|rewrite|host|http-method|csrf|xsrf|source-?map)"
    r".*"
)
#: What :func:`secured` says itself.
_SAID_BY_US = frozenset({"content-security-policy", "x-content-type-options"})
_SHARED_CACHES = re.compile(r"\b(?:public|s-maxage)\b", re.IGNORECASE)
_NO_BODY = frozenset({204, 205})
#: They need fields that a notebook cannot give: a range, or a challenge of the site.
_NOT_BY_NOTEBOOKS = frozenset({206, 401, 407})


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """What the cell with the tag ``return`` may give instead of a value, to say more of the answer.

    Args:
        value: what the answer tells, in the form that the request asks for. Bytes are sent as they are, and so is a
            text with a content type that is not JSON. Where the content type is that of a form, it is that form.
        status: HTTP status, 200 to 299 or 400 to 599.
        content_type: of the answer, such as ``text/markdown``; None for what the form or the file's name says.
        headers: more header fields: ``Cache-Control``, ``Content-Disposition``, ``Content-Language``, ``ETag``,
            ``Last-Modified``, ``Link``, ``Retry-After`` and most that begin with ``X-``.
        filename: under which a browser saves it, instead of showing it.
        file: path of a file that is sent, instead of a value.

    Raises:
        ValueError: something of it cannot be sent, or must not be.
        TypeError: something is of another type.
    """

    value: Any = None
    status: int = 200
    content_type: str | None = None
    headers: Mapping[str, str | int] | None = None
    filename: str | None = None
    file: str | PathLike[str] | None = None

    def __post_init__(self) -> None:
        check_status(self.status)
        if self.content_type is not None:
            check_type(self.content_type)
            if isinstance(self.value, str):
                with_charset(self.content_type)
        self.fields()
        if self.file is not None and self.value is not None:
            raise ValueError("A response has a value or a file, not both.")
        if self.status in _NO_BODY and (self.file is not None or self.value is not None):
            raise ValueError(f"A response with the status {self.status} has neither a value nor a file.")

    @property
    def empty(self) -> bool:
        """Whether it has no body at all."""
        return self.status in _NO_BODY

    @property
    def name(self) -> str:
        """The file's name, or empty."""
        return self.filename or ("" if self.file is None else PurePath(fspath(self.file)).name)

    def fields(self) -> tuple[tuple[str, str], ...]:
        """Return the header fields that it asks for, names in lower case.

        Raises:
            ValueError: a notebook cannot say one of them.
        """
        fields = check_fields((str(name), str(value)) for name, value in (self.headers or {}).items())
        if not self.name:
            return fields
        if any(name == "content-disposition" for name, _ in fields):
            if self.filename:
                raise ValueError("A response has a filename or the field Content-Disposition, not both.")
            return fields
        return (*fields, ("content-disposition", disposition("attachment" if self.filename else "inline", self.name)))


def check_status(status: object) -> None:
    """Raise where a notebook cannot answer with a status: TypeError or ValueError, which says why."""
    if not isinstance(status, int) or isinstance(status, bool):
        raise TypeError("The status of a response is a whole number, such as 404.")
    if not (200 <= status <= 299 or 400 <= status <= 599) or status in _NOT_BY_NOTEBOOKS:
        raise ValueError(
            f"A notebook cannot answer with the status {status}; it can with 200 to 299 and 400 to 599, except for "
            f"{', '.join(map(str, sorted(_NOT_BY_NOTEBOOKS)))}."
        )


def check_type(content_type: object) -> None:
    """Raise where a notebook's answer cannot be of a type: TypeError or ValueError, which says why."""
    if not isinstance(content_type, str):
        raise TypeError("The content type of a response is a text, such as text/markdown.")
    found = _TYPE.fullmatch(content_type)
    if found is None or len(content_type) > 250 or "*" in found[1]:
        raise ValueError(f"{content_type[:100]!r} is no content type such as text/markdown; charset=utf-8.")
    if _RUN_BY_PAGES.fullmatch(found[1].lower()):
        raise ValueError(
            f"A notebook cannot answer with {found[1][:100]}: a page of the site could run it. Use text/plain, or "
            "application/octet-stream with a filename."
        )


def check_fields(fields: Any) -> tuple[tuple[str, str], ...]:
    """Return header fields with their names in lower case.

    Raises:
        ValueError: a notebook cannot say one of them, or says it twice, or there are too many.
    """
    told: dict[str, str] = {}
    for given, value in fields:
        name = given.lower()
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"The header field {given[:60]!r} has a character that cannot be sent.")
        if name not in _FIELDS and (not name.startswith("x-") or _NOT_OURS.fullmatch(name)):
            raise ValueError(
                f"A notebook cannot set the header field {given[:60]!r}; it can set {', '.join(sorted(_FIELDS))}, and "
                "most that begin with x-."
            )
        if name in told:
            raise ValueError(f"The header field {given[:60]!r} is there twice.")
        if name == "cache-control" and _SHARED_CACHES.search(value):
            raise ValueError("A result is its user's alone: Cache-Control cannot be public or have s-maxage.")
        told[name] = value.strip()
    if len(told) > MOST_FIELDS or sum(len(name) + len(value) for name, value in told.items()) > MOST_FIELD_BYTES:
        raise ValueError(f"A response has at most {MOST_FIELDS} header fields, and {MOST_FIELD_BYTES:,} bytes of them.")
    return tuple(told.items())


def disposition(kind: str, filename: str) -> str:
    """Return the field ``Content-Disposition`` (RFC 6266) with a name in any language (RFC 8187).

    Raises:
        ValueError: the name is not that of a file.
    """
    if not isinstance(filename, str) or not _FILENAME.fullmatch(filename) or not filename.isprintable():
        raise ValueError(f"{filename!r:.100} cannot be the name of a file: it has up to 200 characters and no folders.")
    plain = re.sub(r'[^ !#$&-\[\]-~]|["%]', "_", filename)
    coded = quote(filename, safe="!#$&+^`|")
    return f'{kind}; filename="{plain}"' + (f"; filename*=UTF-8''{coded}" if plain != filename else "")


def with_charset(content_type: str) -> str:
    """Return the type of a text that is sent in UTF-8.

    Raises:
        ValueError: the type says something else.
    """
    found = _CHARSET.search(content_type)
    if found is None:
        return f"{content_type}; charset=utf-8" if content_type.lower().startswith("text/") else content_type
    if found[1].lower() not in {"utf-8", "utf8"}:
        raise ValueError(f"A text is sent in UTF-8, not in {found[1][:40]}. Give the bytes instead, or another type.")
    return content_type


def media_type(content_type: str) -> str:
    """Return a type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def secured(result: Result) -> Result:
    """Return a result with the fields that keep it from harming the site; what it said itself of those goes.

    The process of a call belongs to the user's code, so whoever reads a result from it has to ask here as well.

    Raises:
        BadResult: something that a notebook cannot say.
    """
    try:
        check_status(result.status)
        check_type(result.content_type)
        given = check_fields(field for field in result.fields if field[0].lower() not in _SAID_BY_US)
    except (TypeError, ValueError) as error:
        raise BadResult(str(error)) from None
    fields = dict(given)
    caching = fields.pop("cache-control", "no-store")
    private = caching if re.search(r"\b(?:private|no-store)\b", caching, re.IGNORECASE) else f"private, {caching}"
    ours = [("cache-control", private), ("x-content-type-options", "nosniff")]
    if not _INERT.fullmatch(media_type(result.content_type)):
        ours.append(("content-security-policy", SANDBOX))
    return replace(result, fields=(*fields.items(), *ours))


def received(result: Result) -> Any:
    """Return what a result of the form JSON or file was before it was sent; of other results, the Response."""
    kind, is_plain = media_type(result.content_type), result.status == 200
    if kind == "application/json" and is_plain:
        return json.loads(result.body)
    if kind == "application/octet-stream" and is_plain and "content-disposition" not in dict(result.fields):
        return result.body
    fields = {
        name: value
        for name, value in result.fields
        if name not in _SAID_BY_US and (name, value) != ("cache-control", "no-store")
    }
    value: Any = result.body or None
    if kind == "application/json" and result.body:
        value = json.loads(result.body)
    elif value is not None and kind.startswith(("text/", "image/svg")):
        value = result.body.decode()
    return Response(value, status=result.status, content_type=result.content_type, headers=fields or None)
