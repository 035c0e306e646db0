"""What the endpoints of a device login read and answer: OAuth 2.0 over forms and JSON (RFC 6749), pure."""

from __future__ import annotations

from urllib.parse import parse_qsl

from ..errors import ProtocolError

#: No form of ours is longer, in bytes.
LONGEST_FORM = 8192
_FORM_TYPE = "application/x-www-form-urlencoded"


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """Return the parameters of a form; those without a value are left out (RFC 6749 section 3.1).

    Args:
        content_type: media type of the body, without parameters.
        body: at most :data:`LONGEST_FORM` bytes of it.

    Raises:
        ProtocolError: it is not such a form, or a parameter comes twice.
    """
    if content_type != _FORM_TYPE:
        raise ProtocolError("invalid_request", f"Send a form, {_FORM_TYPE}.")
    try:
        pairs = parse_qsl(body.decode("ascii"), strict_parsing=bool(body), errors="strict", max_num_fields=20)
    except ValueError:  # also what cannot be decoded
        raise ProtocolError("invalid_request", f"The body is not of the type {_FORM_TYPE}.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ProtocolError("invalid_request", "A parameter was sent twice.")
    return fields


def required(fields: dict[str, str], name: str) -> str:
    """Return a parameter that must be there.

    Raises:
        ProtocolError: it is missing.
    """
    if name not in fields:
        raise ProtocolError("invalid_request", f"The parameter {name} is missing.")
    return fields[name]
