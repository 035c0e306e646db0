"""Whether what was typed is whole, or goes on in another line: the kernel says so."""

from __future__ import annotations

import re

from ..client.session import Session
from ..errors import NotebookError
from .questions import is_leaving, question_of, seems_complete

#: Two empty lines mean that nothing follows, whatever the kernel says.
_AT_REST = re.compile(r"\n[ \t]*\n[ \t]*\Z")


def more_of(session: Session, text: str) -> str | None:
    """Return the indent of the line that has to follow, None where the code is whole.

    Args:
        session: whose kernel is asked.
        text: what has been typed.
    """
    if not text.strip() or question_of(text) or is_leaving(text) or _AT_REST.search(text):
        return None
    try:
        told = session.is_complete(text)
    except NotebookError:  # the kernel is busy, or out of reach
        return None if seems_complete(text) else ""
    if told.get("status") != "incomplete":
        return None
    indent = told.get("indent")
    return indent if isinstance(indent, str) and not indent.strip() else ""
