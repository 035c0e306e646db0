"""IPython's shell for calls: it has no history, no threads and no terminal, and tells what it would show."""

# mypy: allow-untyped-calls
# IPython has no annotations
from __future__ import annotations

import ast
import base64
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from ..protocol import Event
from . import plain

Emit = Callable[[Event], None]
#: Characters of a traceback's lines that are kept.
_MOST_TRACEBACK = 200_000


def ignore(event: Event) -> None:
    """Take what happens when nobody asked."""


class FunctionDisplayHook(DisplayHook):
    """Keeps the value of a cell's last expression, with a semicolon behind it too."""

    def __call__(self, result: Any = None) -> None:
        """Take a value; IPython calls it for each expression that is to be shown."""
        shell: Any = self.shell
        if shell.depth <= 1:
            shell.value = result
        if result is None:
            return
        self.check_for_underscore()
        self.update_user_ns(result)
        self.fill_exec_result(result)
        if shell.shows and not self._is_silent():
            data, metadata = self.compute_format_data(result)
            if data:
                shell.emit_output(
                    output_type="execute_result", execution_count=shell.execution_count, data=data, metadata=metadata
                )

    def _is_silent(self) -> bool:
        try:
            shell: Any = self.shell
            return bool(self.semicolon_at_end_of_expression(shell.source))
        except (SyntaxError, ValueError):  # a magic, which is no Python
            return False


class FunctionDisplayPublisher(DisplayPublisher):
    """Tells what ``display()`` shows."""

    def publish(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        source: Any = None,
        *,
        transient: Mapping[str, Any] | None = None,
        update: bool = False,
        **_others: Any,
    ) -> None:
        """Take a MIME bundle (Jupyter messaging, "Display data")."""
        if self.shell.shows:
            more = {"display_id": transient["display_id"]} if transient and "display_id" in transient else {}
            self.shell.emit_output(
                _more=more | ({"update": True} if update else {}),
                output_type="display_data",
                data=data,
                metadata=dict(metadata or {}),
            )

    def clear_output(self, wait: bool = False) -> None:
        """Tell that the outputs of the cell so far are not wanted any more."""
        if self.shell.shows:
            self.shell.emit({"event": "clear", "wait": bool(wait)})


class FunctionDisplayFormatter(DisplayFormatter):
    """Formats what is displayed, where somebody will look at it: figures take their time."""

    def format(self, obj: Any, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the MIME bundle of an object, and its metadata."""
        shell: Any = self.parent
        if not shell.shows:
            return {}, {}
        data, metadata = super().format(obj, include, exclude)
        return data, metadata


class _LastStatement(ast.NodeTransformer):
    """Looks whether a cell ends in an expression; changes nothing."""

    def __init__(self, shell: FunctionShell) -> None:
        self._shell = shell

    def visit(self, node: ast.AST) -> ast.AST:
        if self._shell.depth <= 1 and isinstance(node, ast.Module):
            self._shell.has_value = bool(node.body) and isinstance(node.body[-1], ast.Expr)
        return node


class FunctionShell(InteractiveShell):
    """A shell that keeps values and errors of its cells.

    Attributes:
        emit: is told what happens.
        shows: whether that includes all that is displayed.
        relieve: is called when memory has run out, to get some for the traceback.
        depth: how many cells run within one another.
        source: of the cell that runs.
        value: of the last expression.
        has_value: whether the cell ends in one.
        error: what was raised, or shown as if it had been; None after success.
        traceback: its lines.
    """

    displayhook_class = Type(FunctionDisplayHook)
    display_pub_class = Type(FunctionDisplayPublisher)

    def __init__(self, **options: Any) -> None:
        self.emit: Emit = ignore
        self.shows = False
        self.relieve: Callable[[], None] = lambda: None
        self.depth = 0
        self.source = ""
        self.value: Any = None
        self.has_value = False
        self.error: BaseException | None = None
        self.traceback: Sequence[str] = ()
        config = Config()
        config.HistoryManager.enabled = False  # it would have a thread and a database
        super().__init__(config=config, **options)
        self.ast_transformers.append(_LastStatement(self))
        self._transformers = plain.transformers_of(self)

    def run_plain(self, source: str) -> bool:
        """Run a cell without IPython, and tell whether that is possible; if not, nothing has run."""
        if self._transformers != plain.transformers_of(self):
            return False
        found = plain.compiled(self, source)
        if found is None:
            return False
        self.has_value = found.expression is not None
        self.depth += 1
        try:
            plain.run(self, found)
        finally:
            self.depth -= 1
        return True

    def run_cell(self, *arguments: Any, **options: Any) -> Any:
        """Run a cell as IPython does, and know how deep it is: magics run cells, too."""
        self.depth += 1
        try:
            return super().run_cell(*arguments, **options)
        finally:
            self.depth -= 1

    @contextmanager
    def _tee(self, channel: str) -> Iterator[None]:
        """Leave the standard streams as they are: IPython would keep all that is printed for its history."""
        yield

    def emit_output(self, *, _more: Mapping[str, Any] | None = None, **output: Any) -> None:
        """Tell an output of nbformat 4."""
        if "data" in output:
            output["data"] = {name: _jsonable(value) for name, value in output["data"].items()}
        self.emit({"event": "output", "output": output, **(_more or {})})

    def showtraceback(self, exc_tuple: Any = None, *arguments: Any, **options: Any) -> None:
        """Keep an error; what IPython shows of one that it has handled is only shown."""
        error = (exc_tuple or sys.exc_info())[1]
        if isinstance(error, (MemoryError, RecursionError)):  # of thousands of frames IPython would tell for seconds
            self.relieve()
            self.error, self.traceback = error, traceback.format_exception(error, limit=20)
            return
        if exc_tuple is None:
            self.error = error  # some magics show an error and go on, such as %run
        super().showtraceback(exc_tuple, *arguments, **options)

    def _showtraceback(self, etype: Any, evalue: Any, stb: Sequence[str]) -> None:
        if evalue is self.error or self.error is None:
            self.traceback = tuple(stb)
        else:
            sys.stderr.write(self.InteractiveTB.stb2text(list(stb)) + "\n")

    def showsyntaxerror(self, *arguments: Any, **options: Any) -> None:
        """Keep a syntax error."""
        self.error = sys.exc_info()[1]
        super().showsyntaxerror(*arguments, **options)

    def forget(self, source: str) -> None:
        """Make ready for a cell."""
        self.source, self.value, self.has_value, self.error, self.traceback = source, None, False, None, ()

    @property
    def traceback_lines(self) -> tuple[str, ...]:
        """The lines of the error's traceback, the last ones where there are too many."""
        lines = list(self.traceback)
        if not lines and self.error is not None:
            lines = traceback.format_exception(self.error)
        while sum(map(len, lines)) > _MOST_TRACEBACK:
            lines = lines[len(lines) // 2 :] if len(lines) > 1 else [lines[0][-_MOST_TRACEBACK:]]
        return tuple(lines)

    def enable_gui(self, gui: Any = None) -> None:
        """Do nothing: no window is ever opened, but ``%matplotlib inline`` comes here as well."""

    def ask_exit(self) -> None:
        """End the notebook, for ``exit`` and ``quit``."""
        raise SystemExit(0)

    def init_display_formatter(self) -> None:
        """Have a formatter of ours."""
        formatter: Any = FunctionDisplayFormatter(parent=self)
        self.display_formatter = formatter
        self.configurables.append(formatter)

    def init_virtualenv(self) -> None:
        """Do nothing: the interpreter is the right one."""

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Run cells in a namespace that is thrown away; none of them may have a value, which would be kept."""
        module, namespace, hidden = self.user_module, self.user_ns, dict(self.user_ns_hidden)
        self.begin("__main__")
        try:
            yield
        finally:
            self.forget("")
            self.user_module, self.user_ns = module, namespace
            self.user_ns_hidden.clear()
            self.user_ns_hidden.update(hidden)
            sys.modules["__main__"] = module

    def begin(self, module_name: str) -> None:
        """Take a new namespace, that of a module which is empty."""
        self.user_module, self.user_ns = self.prepare_user_module(ModuleType(module_name))
        sys.modules[module_name] = self.user_module  # classes are pickled by the name of their module
        self.user_ns_hidden.clear()
        self.init_user_ns()


def _jsonable(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
