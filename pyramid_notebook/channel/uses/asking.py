"""Questions that a cell asks whoever looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from .parts import Part, Parts

_PARTS = Parts("ask")


def ask(question: str, buttons: Sequence[str] = ("Yes", "No"), *, timeout: float | None = None) -> str:
    """Show a question with buttons in the cell, wait until somebody presses one, and return its text.

    The answer is shown in the cell afterwards.

    Args:
        question: a sentence.
        buttons: their texts, each another one.
        timeout: seconds to wait; None for as long as it takes.

    Raises:
        NoChannel: this is no kernel of a user server.
        NoPage: no page is connected that could answer.
        TimeoutError: nobody answered in time.
        ValueError: there are no buttons, or two of the same text.
    """
    part = _asked(question, buttons)
    return _told(part, question, part.wait(timeout, _gone(question)))


async def ask_async(
    question: str,
    buttons: Sequence[str] = ("Yes", "No"),
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - as in ask()
) -> str:
    """Do what :func:`ask` does in a cell that awaits: what else runs on the kernel's loop goes on meanwhile."""
    part = _asked(question, buttons)
    return _told(part, question, await part.awaited(timeout, _gone(question)))


def _asked(question: str, buttons: Sequence[str]) -> Part:
    texts = [buttons] if isinstance(buttons, str) else list(buttons)
    if not texts or len(set(texts)) < len(texts):
        raise ValueError("A question has buttons, and each has another text.")
    about = {"question": question, "buttons": texts}
    part = _PARTS.show(about, lambda place: part.settle(texts[place]), f"{question} ({', '.join(texts)})")
    return part


def _told(part: Part, question: str, answer: str) -> str:
    part.finish(f"{question} {answer}")
    return answer


_gone = partial("{} (nobody waits for an answer any more)".format)
