"""What a cell prints and shows, written into the live notebook.

The cell is looked up by its id at each write, because it may be moved meanwhile, which makes it anew, or deleted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pycrdt import Array, Map, Text

from .displays import Displays
from .events import Event, clipped
from .messages import event_of, output_of, size_of
from .overtype import overtype
from .surviving import surviving

if TYPE_CHECKING:
    from ..live import LiveNotebook

_SLICE = 64_000  # characters that are written at once, and what an output counts at least towards that
_LEAST = 1000
_LINE = 10_000  # characters of a line that a carriage return can rewrite
_BLOCK = 1_000_000  # bytes of one text; to add to a text takes the longer the longer it is
_TEXT = 10_000_000
_RICH = 100_000_000
_OUTPUTS = 2000
_CUT = "\n[The rest of this cell's output is left out here: {}.]\n"


@dataclass(slots=True)
class _Step:
    """One thing that a kernel wants done with the outputs: ``stream``, ``output``, ``update`` or ``clear``."""

    kind: str
    name: str = ""  # of a stream, or the display id
    texts: list[str] = field(default_factory=list)
    content: dict[str, Any] = field(default_factory=dict)
    wait: bool = False


@dataclass(slots=True)
class _Tail:
    """The end of the stream that is written just now."""

    line: str = ""
    column: int = 0
    length: int = -1  # of the whole text, in bytes of UTF-8 as pycrdt counts


class CellOutputs:
    """The outputs of one run of one cell.

    Args:
        notebook: that holds the cell.
        cell_id: of the cell.
        displays: of the notebook.
        tell: takes the events.
    """

    def __init__(self, notebook: LiveNotebook, cell_id: str, displays: Displays, tell: Callable[[Event], None]) -> None:
        self.notebook = notebook
        self.cell_id = cell_id
        self.count: int | None = None
        self._displays = displays
        self._tell = tell
        self._steps: deque[_Step] = deque()
        self._waiting = 0  # characters in them
        self._tail = _Tail()
        self._text = self._rich = 0  # bytes that are written
        self._cut = self._clear_next = self._finished = False

    def begin(self) -> None:
        """Empty the cell and show that it runs."""
        with surviving("Emptying a cell"), self.notebook.transaction():
            cell = self._cell()
            if cell is not None:
                _outputs_of(cell).clear()
                cell["execution_count"] = None
                cell["execution_state"] = "running"

    def finish(self) -> None:
        """Show that the cell runs no longer; what comes now is written as long as nobody runs it again."""
        with surviving("Finishing a cell"), self.notebook.transaction():
            cell = self._cell()
            if cell is not None:
                if self.count is not None and cell.get("execution_count") != self.count:
                    cell["execution_count"] = self.count
                cell["execution_state"] = "idle"
        self._finished = True

    def take(self, kind: str, content: dict[str, Any]) -> bool:
        """Take a message of the kernel, to be written at the next flush.

        Args:
            kind: the message's type (Jupyter messaging, "Messages on the IOPub channel").
            content: of the message.

        Returns:
            Whether there is something to write.
        """
        if kind == "stream":
            self._take_stream(str(content.get("name", "stdout")), str(content.get("text", "")))
        elif kind == "clear_output":
            self._steps.append(_Step("clear", wait=bool(content.get("wait"))))
        elif kind == "update_display_data":
            name = _display_id(content)
            if self._steps and self._steps[-1].kind == "update" and self._steps[-1].name == name:
                self._steps.pop()  # nobody would see it
            self._steps.append(_Step("update", name, content=content))
        elif kind in ("display_data", "execute_result", "error"):
            self._steps.append(_Step("output", _display_id(content), content=output_of(kind, content)))
        else:
            return False
        return True

    def flush(self) -> bool:
        """Write some of what was taken, as one change, and tell of it; return whether there is more."""
        steps = list(self._taken())
        if steps:
            with surviving("Writing outputs"), self.notebook.transaction():
                cell = self._cell()
                for step in steps if cell is not None else ():
                    self._write(cell, step)
            for step in steps:
                self._tell(self._event(step))
        return bool(self._steps)

    def _cell(self) -> Any:
        cell = self.notebook.ycell(self.cell_id)
        if cell is None or cell.get("cell_type") != "code":
            return None
        if self._finished and cell.get("execution_count") != self.count:
            return None  # somebody has run it again
        return cell

    def _take_stream(self, name: str, text: str) -> None:
        if self._waiting > 2 * _TEXT:
            return  # it will be cut in any case
        if not (self._steps and self._steps[-1].kind == "stream" and self._steps[-1].name == name):
            self._steps.append(_Step("stream", name))
        self._steps[-1].texts.append(text)
        self._waiting += len(text)

    def _taken(self) -> Iterator[_Step]:
        left = _SLICE
        while self._steps and left > 0:
            step = self._steps.popleft()
            left -= _LEAST
            if step.kind == "stream":
                text = "".join(step.texts)
                if len(text) > _SLICE:
                    self._steps.appendleft(_Step("stream", step.name, [text[_SLICE:]]))
                    text = text[:_SLICE]
                self._waiting -= len(text)
                left -= len(text)
                step.texts = [text]
            else:
                left -= size_of(step.content)
            yield step

    def _event(self, step: _Step) -> Event:
        if step.kind == "stream":
            return {"event": "stream", "cell": self.cell_id, "name": step.name, "text": clipped(step.texts[0])}
        if step.kind == "clear":
            return {"event": "clear", "cell": self.cell_id, "wait": step.wait}
        if step.kind == "update":
            return event_of(self.cell_id, output_of("display_data", step.content))
        return event_of(self.cell_id, step.content)

    def _write(self, cell: Any, step: _Step) -> None:
        outputs = _outputs_of(cell)
        if step.kind == "clear":
            self._clear_next = step.wait
            if not step.wait:
                self._clear(outputs)
            return
        if step.kind == "update":
            self._displays.update(self.notebook, step.name, step.content)
            return
        if self._clear_next:
            self._clear_next = False
            self._clear(outputs)
        with surviving("Writing an output"):
            if step.kind == "stream":
                self._write_stream(outputs, step.name, step.texts[0])
            else:
                self._write_output(outputs, step)

    def _clear(self, outputs: Any) -> None:
        outputs.clear()
        self._tail = _Tail()
        self._text = self._rich = 0
        self._cut = False

    def _write_output(self, outputs: Any, step: _Step) -> None:
        if step.content["output_type"] == "display_data":
            self._rich += size_of(step.content)
            if self._rich > _RICH:
                self._write_cut(outputs, f"it shows more than {_RICH // 1_000_000} MB")
            elif len(outputs) >= _OUTPUTS:
                self._write_cut(outputs, f"it shows more than {_OUTPUTS} things")
            if self._cut:
                return
        outputs.append(Map(step.content))
        if step.name:
            self._displays.add(step.name, self.cell_id, outputs[len(outputs) - 1])

    def _write_cut(self, outputs: Any, reason: str) -> None:
        if not self._cut:
            self._append(outputs, "stderr", _CUT.format(reason))
            self._cut = True

    def _write_stream(self, outputs: Any, name: str, text: str) -> None:
        if self._cut:
            return
        if self._text > _TEXT:
            self._write_cut(outputs, f"it prints more than {_TEXT // 1_000_000} MB")
        elif len(outputs) >= _OUTPUTS:
            self._write_cut(outputs, f"it shows more than {_OUTPUTS} things")
        else:
            self._append(outputs, name, text)

    def _append(self, outputs: Any, name: str, text: str) -> None:
        last: Any = outputs[len(outputs) - 1] if len(outputs) else None
        shared = last.get("text") if _is_stream(last, name) else None
        if isinstance(shared, Text) and len(shared) > _BLOCK:  # it goes on in another one, from the next line on
            end = text.find("\n") + 1 or (len(text) if len(shared) < 2 * _BLOCK else 0)
            self._extend(shared, text[:end])
            shared, text = None, text[end:]
            if not text:
                return
        if not isinstance(shared, Text):
            outputs.append(Map({"output_type": "stream", "name": name, "text": Text("")}))
            shared = outputs[len(outputs) - 1]["text"]
            self._tail = _Tail(length=0)
        self._extend(shared, text)

    def _extend(self, shared: Any, text: str) -> None:
        length = len(shared)
        tail = self._tail
        if length != tail.length:  # another one's, or the cell was made anew, or somebody has cleared it
            line = str(shared).rpartition("\n")[2][-_LINE:]
            tail = self._tail = _Tail(line, tail.column if line == tail.line else len(line), length)
        shown, column = overtype(tail.line, tail.column, text)
        same = len(tail.line) if shown.startswith(tail.line) else _common(shown, tail.line)
        position = length - len(tail.line[same:].encode())
        if position < length:
            del shared[position:length]
        if len(shown) > same:
            shared.insert(position, shown[same:])
        tail.length = len(shared)
        self._text += tail.length - length
        line = shown.rpartition("\n")[2]
        tail.line = line[-_LINE:]
        tail.column = max(0, column - (len(line) - len(tail.line)))


def _outputs_of(cell: Any) -> Any:
    outputs = cell.get("outputs")
    if not isinstance(outputs, Array):
        cell["outputs"] = Array()
        outputs = cell["outputs"]
    return outputs


def _is_stream(output: Any, name: str) -> bool:
    return isinstance(output, Map) and output.get("output_type") == "stream" and output.get("name") == name


def _display_id(content: dict[str, Any]) -> str:
    return str((content.get("transient") or {}).get("display_id") or "")


def _common(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
