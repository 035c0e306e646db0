"""What is run inside a kernel of Python to look around there, and how its answer comes back (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: Name of the expression whose value is the answer.
ANSWER = "answer"
_TYPE = "application/json"

# The function has names of its own only, and prints nothing. Its result comes back as the value of an expression
# (Jupyter messaging, "Execute", user_expressions), so that nothing is left behind in the user's namespace.
_FRAME = """
class _Answer:
    def __init__(self, value):
        self.value = value
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"application/json": self.value}
    def __repr__(self):
        return ""
"""
_VARIABLES = """
def look(shell, limit):
    import types
    def short(value):
        if type(value) in (int, float, complex, bool, type(None)) and not (
            type(value) is int and value.bit_length() > 300
        ):
            return repr(value)
        if type(value) in (str, bytes):
            return repr(value) if len(value) <= 100 else repr(value[:100]) + "…"
        if type(value) in (list, tuple, dict, set, frozenset):
            return f"{len(value)} items"
        if isinstance(value, type) or callable(value):
            return str(getattr(value, "__qualname__", type(value).__qualname__))[:100]
        shape = getattr(type(value), "shape", None) and getattr(value, "shape", None)
        return "" if shape is None else f"shape {tuple(shape)}"[:100]
    def size(value):
        try:
            return len(value)
        except Exception:
            return None
    found = []
    for name in sorted(shell.user_ns):
        if name.startswith("_") or name in shell.user_ns_hidden and shell.user_ns_hidden[name] is shell.user_ns[name]:
            continue
        value = shell.user_ns[name]
        if isinstance(value, types.ModuleType):
            continue
        if len(found) == limit:
            break
        one = {"name": name, "type": type(value).__qualname__[:100]}
        try:
            one["repr"] = short(value)
        except Exception as error:
            one["repr"] = f"[{type(error).__name__}]"
        length = size(value)
        if isinstance(length, int):
            one["size"] = length
        found.append(one)
    return found
"""
_DOCTEST = """
def look(shell, text, name):
    import doctest
    space = dict(shell.user_ns)
    failures = []
    class Runner(doctest.DocTestRunner):
        def report_start(self, out, test, example):
            pass
        def report_success(self, out, test, example, got):
            pass
        def failed(self, test, example, got):
            if len(failures) < 100:
                failures.append({
                    "name": test.name, "line": (test.lineno or 0) + example.lineno + 1,
                    "source": example.source[:10000], "want": example.want[:10000], "got": got[:10000],
                })
        def report_failure(self, out, test, example, got):
            self.failed(test, example, got)
        def report_unexpected_exception(self, out, test, example, exc_info):
            self.failed(test, example, f"{exc_info[0].__name__}: {exc_info[1]}")
    if name is not None:
        try:
            value = eval(name, space)
        except Exception as error:
            return {"problem": f"{name[:100]} cannot be found: {type(error).__name__}: {error}"}
        tests = doctest.DocTestFinder(exclude_empty=True).find(value, name, module=False, globs=space)
        if not tests and isinstance(getattr(value, "__doc__", None), str):
            tests = [doctest.DocTestParser().get_doctest(value.__doc__, space, name, None, 0)]
    else:
        try:
            tests = [doctest.DocTestParser().get_doctest(text, space, "text", None, 0)]
        except ValueError as error:
            return {"problem": f"The text cannot be read: {error}"}
    attempted = failed = 0
    for test in tests:
        runner = Runner(verbose=False)
        result = runner.run(test, out=lambda text: None, clear_globs=False)
        attempted, failed = attempted + result.attempted, failed + result.failed
    return {"attempted": attempted, "failed": failed, "failures": failures}
"""
_ATTRIBUTES = """
def look(shell, path, prefix):
    import types
    from inspect import getattr_static
    missing = object()
    def static(value, name):
        if isinstance(value, types.ModuleType):
            return vars(value).get(name, missing)
        try:
            found = getattr_static(value, name, missing)
        except Exception:
            return missing
        if isinstance(found, (types.FunctionType, staticmethod, classmethod)) or not hasattr(type(found), "__get__"):
            return found
        return missing
    def kind(name):
        found = static(value, name)
        if found is missing:
            return "property" if isinstance(getattr_static(value, name, None), property) else ""
        if isinstance(found, types.ModuleType):
            return "module"
        if isinstance(found, type):
            return "class"
        return "function" if callable(found) or isinstance(found, (staticmethod, classmethod)) else "instance"
    value = shell.user_ns.get(path[0], missing)
    for name in path[1:]:
        value = missing if value is missing else static(value, name)
    if value is missing or isinstance(value, (staticmethod, classmethod)):
        return None
    names = [
        name for name in dir(value)
        if isinstance(name, str) and name.startswith(prefix) and (prefix or not name.startswith("_"))
    ]
    return [[name, kind(name)] for name in names[:5000]]
"""
_CALL = """
def call(shell, arguments):
    import json
    return _Answer(look(shell, **json.loads(arguments)))
"""
_LOOKS = {"attributes": _ATTRIBUTES, "variables": _VARIABLES, "doctest": _DOCTEST}


def expression(look: str, **arguments: Any) -> str:
    """Return an expression of Python whose value is an answer, see :func:`answer_of`.

    Args:
        look: ``attributes``, ``variables`` or ``doctest``.
        arguments: for it, values of JSON.
    """
    source = _FRAME + _LOOKS[look] + _CALL
    name, told = f"_pyramid_notebook_{look}", json.dumps(arguments)
    # one expression: what it compiles is kept beside the shell, where the user's names are not
    made = f"(lambda space: (exec(compile({source!r}, '<pyramid_notebook>', 'exec'), space), space['call'])[1])({{}})"
    found = f"shell.__dict__.get({name!r}) or shell.__dict__.setdefault({name!r}, {made})"
    return f"(lambda shell: ({found})(shell, {told!r}))(get_ipython())"


def answer_of(reply: Mapping[str, Any]) -> Any:
    """Return the answer in the content of a reply.

    Args:
        reply: to an execution with the expression (Jupyter messaging, "Execution results").

    Raises:
        ValueError: the kernel could not give one; the text is what it says.
    """
    told = (reply.get("user_expressions") or {}).get(ANSWER) or {}
    data = told.get("data") or {}
    if told.get("status") != "ok" or _TYPE not in data:
        raise ValueError(f"{told.get('ename', 'no answer')}: {str(told.get('evalue', ''))[:500]}")
    return data[_TYPE]
