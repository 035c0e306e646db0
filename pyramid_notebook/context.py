"""The notebook context: what a launch brings along (pure).

A context is identified by its hash, the SHA-256 of the canonical JSON (sorted keys, no spaces, ASCII) of the keys
that change what the user finds in the notebook. The same context has the same hash in every process.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from .errors import ContextError

_HASH = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_CALCULATED = re.compile(r"[0-9a-f]{64}")
_SHORT = 20
_IDENTITY = ("startup", "greeting", "title", "extra_template_paths", "jinja_environment_options")
_FILLED_IN = {"pid": "the daemon fills it in itself", "terminated": "it is not kept any more"}
_MAXIMUM_TEXT = 1_000_000


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    if "\0" in value:
        raise ValueError("must not contain NUL characters")
    if len(value) > _MAXIMUM_TEXT:
        raise ValueError(f"must not be longer than {_MAXIMUM_TEXT} characters")
    return value


def _paths(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise ValueError("must be a list of paths")
    return tuple(_text(item) for item in value)


def _options(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("must be a dictionary")
    try:
        return dict(json.loads(json.dumps(dict(value), allow_nan=False)))
    except (TypeError, ValueError):
        raise ValueError("must hold only what JSON can hold") from None


def _url_path(value: object) -> str:
    text = _text(value)
    if text and not (text.startswith("/") and text.endswith("/") and "//" not in text):
        raise ValueError("must be a URL path that starts and ends with a slash")
    return text


def _port(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 65536:
        raise ValueError("must be a port number, or 0 for a unix socket")
    return value


def _seconds(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("must be whole seconds, 0 for never")
    return value


def _hash(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)
    if text and not _HASH.fullmatch(text):
        raise ValueError("must be a number or up to 64 letters, digits, _ and -")
    return text


def _key(check: Any, doc: str, **default: Any) -> Any:
    return field(metadata={"check": check, "doc": doc}, **default)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookContext:
    """A checked notebook context. Make it with :meth:`from_mapping`; the fields are the keys it knows."""

    startup: str = _key(_text, "Python script that runs in the kernel before the first cell.", default="")
    greeting: str = _key(_text, "Markdown shown at the top of the notebook.", default="")
    title: str = _key(_text, "Name of the kernel in menus, for example `Shell of order 7`.", default="Shell")
    extra_template_paths: tuple[str, ...] = _key(
        _paths, "Folders with Jinja2 templates that override Jupyter's pages.", default=()
    )
    jinja_environment_options: dict[str, Any] = _key(
        _options, "Options for Jupyter's Jinja2 environment.", default_factory=dict
    )
    allow_origin: str = _key(
        _text, "One more origin that may call the user server (`ServerApp.allow_origin`).", default=""
    )
    websocket_url: str = _key(_text, "Base URL for websockets where it differs from the page's.", default="")
    notebook_path: str = _key(
        _url_path, "URL path under which the user server is proxied; filled in from the route.", default=""
    )
    http_port: int = _key(_port, "Loopback port for the user server; 0 for a unix socket.", default=0)
    kill_timeout: int | None = _key(
        _seconds, "Seconds without activity until the server ends; overrides the setting.", default=None
    )
    context_hash: str = _key(_hash, "Names this context; calculated when it is not given.", default="")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any] | NotebookContext) -> NotebookContext:
        """Check a mapping and return the context, with its hash filled in.

        Args:
            values: the keys of a notebook context; all may be left out.

        Raises:
            ContextError: a key is unknown, or a value cannot be used; the key is named.
        """
        if isinstance(values, NotebookContext):
            return values
        table = {item.name: item for item in fields(cls)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in table:
                reason = _FILLED_IN.get(name, f"the known keys are {', '.join(sorted(table))}")
                raise ContextError(f"Notebook context: {name!r} cannot be given: {reason}.")
            try:
                checked[name] = table[name].metadata["check"](value)
            except ValueError as error:
                raise ContextError(f"Notebook context: {name!r} {error}.") from None
        if not checked.get("context_hash"):
            checked["context_hash"] = cls(**checked).calculate_hash()
        return cls(**checked)

    def calculate_hash(self) -> str:
        """Return the SHA-256 of the identifying keys as 64 hexadecimal digits."""
        identity = {name: getattr(self, name) for name in _IDENTITY}
        canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    @property
    def short_hash(self) -> str:
        """What file names carry of the hash (80 bits); a short given hash stays whole."""
        if len(self.context_hash) <= _SHORT or _CALCULATED.fullmatch(self.context_hash):
            return self.context_hash[:_SHORT]
        # given hashes may differ in their ends only
        return hashlib.sha256(self.context_hash.encode("ascii")).hexdigest()[:_SHORT]

    @property
    def notebook_name(self) -> str:
        """File name of the notebook that belongs to this context."""
        return f"default-{self.short_hash}.ipynb"

    @property
    def kernel_name(self) -> str:
        """Name of the kernelspec that belongs to this context (lower case, as Jupyter wants it)."""
        digest = hashlib.sha256(self.context_hash.encode("ascii")).hexdigest()
        return f"site-{digest[:20]}"

    def to_dict(self) -> dict[str, Any]:
        """Return the context as a dictionary that JSON can hold."""
        return asdict(self)
