"""A shell for a notebook that is called within a process which has other things to do, such as that of a kernel.

It leaves alone what belongs to the caller: ``__main__``, IPython's own shell, ``sys.displayhook``, the standard streams
and a running event loop. Any number of threads may have one at once, and a notebook may call another.
"""

from __future__ import annotations

import ast
import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from types import ModuleType
from typing import Any

from IPython.core.display_trap import DisplayTrap

from ..cells.shell import Emit, FunctionShell, ignore

#: Shells that nobody uses now; each costs 30 ms and can never be thrown away.
_spare: list[BorrowedShell] = []
_numbers = count(1)
#: By what name a cell finds what takes its value.
_TAKE = "__pyramid_notebook_value__"


class _NoTrap(DisplayTrap):
    """Leaves ``sys.displayhook`` as it is: there is one for all threads."""

    def set(self) -> None:
        """Do nothing."""

    def unset(self) -> None:
        """Do nothing."""


class _TakeValue(ast.NodeTransformer):
    """Gives the value of a cell's last expression to the shell."""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Module) and node.body and isinstance(last := node.body[-1], ast.Expr):
            call = ast.Call(ast.Name(_TAKE, ast.Load()), [last.value], [])
            last.value = ast.fix_missing_locations(ast.copy_location(call, last.value))
        return node


class BorrowedShell(FunctionShell):
    """A shell beside others."""

    def __init__(self) -> None:
        super().__init__(user_module=_module())
        self.ast_node_interactivity = "none"
        self.ast_transformers.append(_TakeValue())
        trap: Any = _NoTrap
        self.display_trap = trap(hook=self.displayhook)

    def init_sys_modules(self) -> None:
        """Leave ``__main__`` to the program that is."""

    def borrow(self, module: ModuleType, namespace: Mapping[str, Any]) -> None:
        """Take the namespace of a module."""
        shell: Any = self
        self.user_module, self.user_ns = shell.prepare_user_module(module)
        self.user_ns_hidden.clear()
        shell.init_user_ns()
        self.user_ns.update(namespace)
        self.user_ns[_TAKE] = self._take

    def give_back(self) -> None:
        """Forget the call."""
        self.forget("")
        self.emit = ignore
        history: Any = self.history_manager
        history.output_hist.clear()
        self.displayhook._ = self.displayhook.__ = self.displayhook.___ = ""
        self.borrow(_module(), {})

    def _take(self, value: Any) -> Any:
        self.displayhook(value)
        return value


class _Loop:
    """The event loop of one call's cells: in this thread, or, where one runs here, in another."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._thread: threading.Thread | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a cell with ``await``."""
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        if self._thread is None:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                return self._runner.run(coroutine)
            loop = self._runner.get_loop()
            self._thread = threading.Thread(target=loop.run_forever, name="notebook-function", daemon=True)
            self._thread.start()
        future = asyncio.run_coroutine_threadsafe(coroutine, self._runner.get_loop())
        try:
            return future.result()
        except BaseException:  # of the cell, or it took too long
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what the cells have left running."""
        if self._runner is None:
            return
        if self._thread is not None:
            loop = self._runner.get_loop()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            closer = threading.Thread(target=self._runner.close)  # it runs the loop, and one runs here
            closer.start()
            closer.join()
        else:
            self._runner.close()


@contextmanager
def loop_beside() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Yield what runs the cells with ``await`` of one call, where a loop may run already."""
    loop = _Loop()
    try:
        yield loop.run
    finally:
        loop.close()


def _module() -> ModuleType:
    return ModuleType(f"pyramid_notebook_function_{next(_numbers)}")


@contextmanager
def borrowed_shell(namespace: Mapping[str, Any], emit: Emit = ignore) -> Iterator[BorrowedShell]:
    """Yield a shell for one call within this process.

    Each call has a namespace of its own, whose functions live on after it.

    Args:
        namespace: what the notebook finds there at its beginning.
        emit: is told what happens.
    """
    shell = _spare.pop() if _spare else BorrowedShell()
    module = _module()
    callbacks = {name: list(found) for name, found in shell.events.callbacks.items()}
    shell.borrow(module, namespace)
    shell.emit = emit
    sys.modules[module.__name__] = module  # pickle and pydantic look for classes there
    try:
        with loop_beside() as shell.loop_runner:
            yield shell
    finally:
        sys.modules.pop(module.__name__, None)
        shell.events.callbacks.update(callbacks)
        shell.give_back()
        _spare.append(shell)
