"""Runs cells that are plain Python, as IPython would, in a quarter of its time.

What only IPython understands is no Python, and is left to it; so is whatever it would change in a cell that is: a name
that is a magic and stands alone, a prompt that was pasted along, ``await`` outside of a function, and all cells where
a notebook has asked IPython to do more.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from types import CodeType
from typing import Any

_PROMPT = re.compile(r"^\s*In ?\[", re.MULTILINE)
_WORD = re.compile(r"\s*([^\W\d]\w*)")
_EXITS = ("exit", "quit")
#: Events of IPython that tell of cells in more detail than is known here.
_DETAILED = ("pre_run_cell", "post_run_cell")


@dataclass(frozen=True, slots=True)
class Plain:
    """A cell that was compiled.

    Attributes:
        statements: what runs first.
        expression: the last statement, where it is an expression: compiled to be shown.
    """

    statements: CodeType
    expression: CodeType | None


def transformers_of(shell: Any) -> tuple[int, ...]:
    """Return how many functions of IPython and of a notebook change cells before they run."""
    manager = shell.input_transformer_manager
    kinds = (manager.cleanup_transforms, manager.line_transforms, manager.token_transformers, shell.ast_transformers)
    return (*map(len, kinds), len(shell.input_transformers_post))


def compiled(shell: Any, source: str) -> Plain | None:
    """Return a cell to run, or None where it is IPython's."""
    if _is_changed(shell, source):
        return None
    try:
        name = shell.compile.cache(source, shell.execution_count, raw_code=source)
        body = shell.compile.ast_parse(source, filename=name).body
        last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
        statements = shell.compile(ast.Module(body, []), name, "exec")
        expression = None if last is None else shell.compile(ast.Interactive([last]), name, "single")
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):  # IPython tells of it
        return None
    return Plain(statements, expression)


def _is_changed(shell: Any, source: str) -> bool:
    if _PROMPT.search(source) or any(shell.events.callbacks[name] for name in _DETAILED):
        return True
    if shell.custom_exceptions or shell.autocall or shell.ast_node_interactivity != "last_expr":
        return True
    word = _WORD.match(source)
    if word is None or len(source.splitlines()) != 1:
        return False
    return word[1] in _EXITS or shell.find_line_magic(word[1]) is not None


def run(shell: Any, plain: Plain) -> None:
    """Run a cell; what it raises is shown by the shell, which keeps it."""
    __tracebackhide__ = "__ipython_bottom__"  # IPython's mark: tracebacks begin below this frame
    shell.events.trigger("pre_execute")
    try:
        with shell.builtin_trap, shell.display_trap:
            try:
                exec(plain.statements, shell.user_global_ns, shell.user_ns)  # noqa: S102 - the notebook's own code
                if plain.expression is not None:
                    exec(plain.expression, shell.user_global_ns, shell.user_ns)  # noqa: S102
            except SystemExit:
                shell.showtraceback(exception_only=True)
            except BaseException:
                shell.showtraceback(running_compiled_code=True)
    finally:
        shell.events.trigger("post_execute")
