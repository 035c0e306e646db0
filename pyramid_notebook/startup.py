"""Building the startup script and the greeting of a notebook context.

The functions add to a plain dictionary, the notebook context that is given to
:func:`pyramid_notebook.views.launch_notebook`::

    nb = {}
    make_startup(nb, "/srv/site/production.ini")
    include_sqlalchemy_models(nb, Base)
    add_script(nb, "orders = request.dbsession.query(Order)")
    add_greeting(nb, "* **orders** - all orders")

Values that come from data belong into a script as ``repr()`` of an identifier, never as text.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import textwrap
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from .errors import ContextError

#: Sets up Pyramid as ``pshell`` does. ``{config_uri}`` and ``{cwd}`` become Python literals, quoted or not.
PYRAMID_BOOTSTRAP = """\
import atexit
import os
from pathlib import Path
from pyramid.paster import bootstrap

_folder = Path.cwd()
os.chdir({cwd} or Path({config_uri}).parent)  # relative paths in the INI file mean the same as for the site
try:
    _environment = bootstrap({config_uri})
finally:
    os.chdir({cwd} or _folder)
atexit.register(_environment["closer"])
app, request = _environment["app"], _environment["request"]
root, registry = _environment["root"], _environment["registry"]
"""

PYRAMID_GREETING = """\
* **app** - the WSGI application
* **request** - a request as your views see it
* **root** - the root of the resource tree
* **registry** - the registry of the application: settings, utilities
"""

#: ASCII punctuation but for what never means anything in Markdown in the middle of a line.
_PUNCTUATION = re.compile(r"[!-&*+:-@\[-`{-~]")
_PLACEHOLDER = re.compile(r"""(?P<quote>["']?)\{(?P<name>config_uri|cwd)\}(?P=quote)""")


def make_startup(
    nc: MutableMapping[str, Any],
    config_file: str | None,
    bootstrap_py: str = PYRAMID_BOOTSTRAP,
    bootstrap_greeting: str = PYRAMID_GREETING,
    cwd: str = "",
) -> None:
    """Begin a startup script that sets up the site's application.

    Args:
        nc: the notebook context to add to.
        config_file: path of the site's INI file, with an optional ``#section``; None leaves Pyramid out.
        bootstrap_py: Python source that sets up the application; ``{config_uri}`` and ``{cwd}`` in it become
            Python literals, all other braces stay.
        bootstrap_greeting: Markdown that tells the names which ``bootstrap_py`` defines.
        cwd: folder in which the notebook works; empty for the folder of the notebook.

    Raises:
        ContextError: the INI file does not exist.
    """
    if config_file is not None:
        path, separator, section = str(config_file).partition("#")
        if not Path(path).is_file():
            hint = "" if path else " Give None to do without, or the path of the site's INI file."
            raise ContextError(f"The configuration file {path!r} does not exist.{hint}")
        values = {"config_uri": str(Path(path).absolute()) + separator + section, "cwd": str(cwd)}
        add_script(nc, _PLACEHOLDER.sub(lambda found: repr(values[found["name"]]), bootstrap_py))
    add_greeting(nc, "\nAvailable variables and functions:")
    if config_file is not None:
        add_greeting(nc, bootstrap_greeting)
    for module, purpose in (("datetime", "dates and times"), ("time", "clocks"), ("transaction", "commit or abort")):
        if importlib.util.find_spec(module):
            add_script(nc, f"import {module}")
            add_greeting(nc, f"* **{module}** - {purpose}")


def add_script(nc: MutableMapping[str, Any], line: str) -> None:
    """Append Python source to the startup script.

    Args:
        nc: the notebook context to add to.
        line: one or more lines; common indentation is removed.
    """
    nc["startup"] = _joined(nc.get("startup", ""), line)


def add_greeting(nc: MutableMapping[str, Any], line: str) -> None:
    """Append Markdown to the greeting.

    Args:
        nc: the notebook context to add to.
        line: one or more lines; common indentation is removed.
    """
    nc["greeting"] = _joined(nc.get("greeting", ""), line)


def include_sqlalchemy_models(nc: MutableMapping[str, Any], Base: Any) -> None:  # noqa: N803 - the documented name
    """Import every model of a SQLAlchemy declarative base, and tell them in the greeting.

    A model whose name is taken, by another model or by the startup script so far, is imported as
    ``{module}_{name}``; the greeting says so. A model that cannot be imported by name is told, too.

    Args:
        nc: the notebook context to add to.
        Base: a declarative base of SQLAlchemy 2 (anything with a ``registry``).

    Raises:
        ContextError: ``Base`` has no registry.
    """
    registry = getattr(Base, "registry", None)
    if registry is None or not hasattr(registry, "mappers"):
        raise ContextError(f"{Base!r} is not a declarative base of SQLAlchemy 2: it has no registry.")
    classes = {mapper.class_ for mapper in registry.mappers}
    taken = _defined_names(nc.get("startup", ""))
    for model in sorted(classes, key=lambda model: (model.__qualname__, model.__module__)):
        place = f"{model.__module__}.{model.__qualname__}"
        if "<locals>" in model.__qualname__ or model.__module__ == "__main__":
            add_greeting(nc, f"* {escape_markdown(place)} - cannot be imported, it is not at the top of a module")
            continue
        name = _free_name(model, taken)
        taken.add(name)
        add_script(nc, _import_statement(model, name))
        renamed = "" if name == model.__name__ else f" (named so because {escape_markdown(model.__name__)} is taken)"
        add_greeting(nc, f"* **{escape_markdown(name)}** - {escape_markdown(place)}{renamed}")


def escape_markdown(text: str) -> str:
    """Return text as Markdown that shows just that text, on one line, whatever is in it.

    Punctuation becomes numeric character references, which never have a meaning of their own (CommonMark 0.31.2,
    section 2.5).

    Args:
        text: for example a name that comes from data.
    """
    return _PUNCTUATION.sub(lambda found: f"&#{ord(found[0])};", " ".join(text.split()))


def _import_statement(model: type, name: str) -> str:
    outer, _, attribute = model.__qualname__.partition(".")
    alias = "" if name == outer else f" as {name}"
    inner = f"\n{name} = {name}.{attribute}" if attribute else ""
    return f"from {model.__module__} import {outer}{alias}{inner}"


def _free_name(model: type, taken: set[str]) -> str:
    parts = [*model.__module__.split("."), model.__name__]
    for length in range(1, len(parts) + 1):
        name = "_".join(parts[-length:])
        if name not in taken:
            return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _defined_names(script: str) -> set[str]:
    """Return the names that a script binds at its top level; none where it is not yet whole."""
    try:
        tree = ast.parse(script)
    except SyntaxError:
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
    return names


def _joined(text: str, line: str) -> str:
    return text + textwrap.dedent(line).rstrip("\n") + "\n"
