"""Runs the cells of an order in a shell of IPython."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from ...errors import CallError, NotebookFailed
from ..program import Cell, Role
from ..protocol import EnumMember, Order
from .shell import Emit, FunctionShell

_MOST_TEXT = 10_000


def _nothing() -> None:
    """Do nothing between two cells."""


def run(
    order: Order,
    shell: FunctionShell,
    emit: Emit,
    *,
    start: int = 0,
    end: int | None = None,
    settle: Callable[[], None] = _nothing,
) -> Any:
    """Run the cells of an order, and return the value of the last expression of the cell with the value.

    Args:
        order: what to run.
        shell: with the namespace in which it runs.
        emit: is told what happens.
        start: how many cells have run in that namespace already.
        end: how many will have run afterwards; None for all.
        settle: is called after each cell, whether it failed or not.

    Raises:
        NotebookFailed: a cell raised an exception, or left by ``exit()``.
    """
    shell.emit, shell.shows = emit, order.outputs
    names = iter(order.names)
    value = None
    for number, cell in enumerate(order.cells[:end], 1):
        declared = next(names, ()) if cell.role is Role.PARAMETERS else ()
        if number <= start:
            continue
        emit({"event": "cell", "cell": cell.index, "number": number, "of": len(order.cells)})
        try:
            value = _run(cell, shell)
        finally:
            settle()
        bind(shell.user_ns, {name: order.values[name] for name in declared if name in order.values})
    return value if end is None and order.cells and order.cells[-1].role is Role.RETURN else None


def bind(namespace: MutableMapping[str, Any], values: Mapping[str, Any]) -> None:
    """Put the values of parameters into a notebook's namespace, which has the classes of their enumerations."""
    namespace.update({name: _native(namespace, value) for name, value in values.items()})


def _native(namespace: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, EnumMember):
        return namespace[value.class_name][value.name]
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_native(namespace, item) for item in value)
    if type(value) is dict:
        return {_native(namespace, key): _native(namespace, item) for key, item in value.items()}
    return value


def _run(cell: Cell, shell: FunctionShell) -> Any:
    shell.forget(cell.source)
    shell.execution_count = cell.index + 1  # tracebacks name the cell by it
    try:
        if not shell.run_plain(cell.source):
            result = shell.run_cell(cell.source)
            shell.error = result.error_before_exec or result.error_in_exec or shell.error
        error = shell.error
    except (MemoryError, KeyboardInterrupt, RecursionError) as caught:  # raised while IPython told of another
        shell.relieve()
        error = caught
    if isinstance(error, CallError):  # ours, of something that was shown
        raise error
    if error is None:
        return shell.value if shell.has_value else None
    raise _failure(cell, shell, error)


def _failure(cell: Cell, shell: FunctionShell, error: BaseException) -> NotebookFailed:
    lines: tuple[str, ...] = ()
    if shell.error is None:
        shell.error = error
    lines = shell.traceback_lines
    name, value = type(error).__name__, _text(error)
    if isinstance(error, SystemExit):
        value = f"it left with exit({value}); what a notebook returns is the value of its cell with the tag return"
    elif isinstance(error, MemoryError):
        value = value or "there is no more memory for this call"
    if shell.shows:
        shell.emit_output(output_type="error", ename=name, evalue=value, traceback=list(lines))
    return NotebookFailed(name, value, cell.index, lines)


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # the notebook's own class
        return "(its text cannot be told)"
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"
