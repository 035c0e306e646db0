"""What a session tells: one event for each thing that happens in its kernel (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import NotebookFailed, SiteError

#: What the server sends of a session; ``lost`` says that events were forgotten before they could be sent.
KINDS = frozenset(
    (
        *("begin", "stream", "display", "update", "result", "error", "clear", "status", "input_request", "input_done"),
        *("end", "lost"),
    )
)
#: What the client itself adds: the connection broke off, and is there again.
CONNECTION = "connection"
NOT_WHOLE = "It said more than the server keeps, and some of that is lost. Write so much into a file instead."
_ENVELOPE = ("session", "seq", "execution", "who", "time")


class Event(NamedTuple):
    """Something that has happened.

    Attributes:
        kind: one of :data:`KINDS`, or :data:`CONNECTION`.
        values: what belongs to the kind, such as ``name`` and ``text`` of a ``stream``.
        seq: its number in its session, which grows; 0 for what is not of the kernel.
        execution: id of what was run; empty for none.
        who: ``user``, ``name`` and ``client`` of whoever ran it.
        session: id of its session.
    """

    kind: str
    values: Mapping[str, Any]
    seq: int = 0
    execution: str = ""
    who: Mapping[str, Any] = {}
    session: str = ""

    def text(self, name: str) -> str:
        """Return one of the values as text; empty where it is none."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def data(self) -> dict[str, Any]:
        """Return the renderings of what is displayed, by media type; their values are text, but for JSON."""
        data = self.values.get("data")
        if not isinstance(data, dict):
            return {}
        return {kind: "".join(value) if _is_lines(value) else value for kind, value in data.items()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an execution that has ended.

    Attributes:
        status: ``ok``, ``error`` or ``aborted``.
        count: number of the input; None where it has none.
        events: all that was told; one of kind ``lost`` stands for those that the server could not keep.
    """

    status: str
    count: int | None
    events: tuple[Event, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing was forgotten by the server before it could be sent."""
        return not any(event.kind == "lost" for event in self.events)

    @property
    def stdout(self) -> str:
        """What was printed."""
        return self._printed("stdout")

    @property
    def stderr(self) -> str:
        """What was printed to standard error."""
        return self._printed("stderr")

    @property
    def results(self) -> list[dict[str, Any]]:
        """What the display hook showed, each by media type; an expression in a loop may show many."""
        return [event.data() for event in self.events if event.kind == "result"]

    @property
    def result(self) -> str | None:
        """The last result as plain text, None where there is none."""
        shown = self.results
        text = shown[-1].get("text/plain", "") if shown else None
        return text if text is None or isinstance(text, str) else str(text)

    def raise_for_error(self) -> Outcome:
        """Return itself where all is well.

        Raises:
            NotebookFailed: an exception was raised, or the execution was aborted.
            SiteError: it said so much that the server could not keep all of it.
        """
        error = next((event for event in reversed(self.events) if event.kind == "error"), None)
        if error is None and self.status == "ok":
            if not self.is_whole:
                raise SiteError(NOT_WHOLE)
            return self
        if error is None:
            raise NotebookFailed(self.status, "", (self.count or 0) - 1)
        lines = error.values.get("traceback")
        traceback = lines if isinstance(lines, list) else []
        raise NotebookFailed(error.text("ename"), error.text("evalue"), (self.count or 0) - 1, traceback)

    def _printed(self, name: str) -> str:
        return "".join(event.text("text") for event in self.events if event.text("name") == name)


def outcome_of(events: Sequence[Event]) -> Outcome:
    """Return what events tell of an execution; the last one is its end."""
    end = events[-1].values
    count = end.get("count")
    return Outcome(str(end.get("status", "")), count if isinstance(count, int) else None, tuple(events))


def event_of(method: object, params: object) -> Event | None:
    """Return the event that a notification tells, None for one that this version does not know."""
    if not isinstance(method, str) or method not in KINDS or not isinstance(params, dict):
        return None
    seq, who, execution = params.get("seq", 0), params.get("who"), params.get("execution")
    session = params.get("session")
    if not isinstance(seq, int) or not isinstance(session, str):
        return None
    return Event(
        method,
        {name: value for name, value in params.items() if name not in _ENVELOPE},
        seq,
        execution if isinstance(execution, str) else "",
        who if isinstance(who, dict) else {},
        session,
    )


def _is_lines(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)
