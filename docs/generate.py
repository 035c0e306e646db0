"""Writes the pages of docs/reference/ from the code: ``python -m docs.generate``.

The settings come from the table in :mod:`pyramid_notebook.settings`, the commands for editors from their parsers, what
web servers cannot do from the tests that found it, everything else from docstrings.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import pyramid_notebook
from pyramid_notebook import NotebookContext, NotebookError, Settings, credentials, door, errors, startup, views
from pyramid_notebook.functions import site
from pyramid_notebook.settings import PREFIX
from pyramid_notebook.sync.client import commands as editor_commands
from tests.servers.limits import FURTHER, LIMITS

from .rpc_page import rpc_page

FOLDER = Path(__file__).with_name("reference")
_KINDS = {"str": "text", "int": "whole number", "bool": "`on` or `off`"}
_ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?(\w+)`")
_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$")
_ENTRY = re.compile(r"^(\w+): (.*)$")


def settings_page() -> str:
    """Return the page of all settings."""
    rows = [
        _row(f"`{PREFIX}{item.name}`", _kind(item), _default(item), item.metadata["doc"]) for item in fields(Settings)
    ]
    return "\n".join(
        (
            "# Settings",
            "",
            "<!-- Made by python -m docs.generate from pyramid_notebook/settings.py: change it there. -->",
            "",
            "They stand in the section of your application in the INI file. A name that is not in this table is an",
            "error that names the nearest one. The settings of the web server are told in",
            "[deployment](../how-to/deployment.md).",
            "",
            *_table("setting", "type", "default", "meaning"),
            *rows,
            "",
        )
    )


def api_page() -> str:
    """Return the page of the public names."""
    public = {name: getattr(pyramid_notebook, name) for name in pyramid_notebook.__all__}
    classes = {name: thing for name, thing in public.items() if inspect.isclass(thing) and thing is not NotebookError}
    view_names = [name for name in public if getattr(public[name], "__module__", "") == views.__name__]
    helpers = [name for name in public if getattr(public[name], "__module__", "") == startup.__name__]
    helpers.append("escape_markdown")
    return "\n".join(
        (
            "# Public names",
            "",
            "<!-- Made by python -m docs.generate from the docstrings: change them there. -->",
            "",
            "All names come from `pyramid_notebook`; the view functions are in `pyramid_notebook.views` as well, and",
            "the helpers for startup scripts in `pyramid_notebook.startup` (`escape_markdown` only there).",
            "",
            *_function("includeme", pyramid_notebook.includeme),
            *_function("config.set_notebook_context", door.set_notebook_context, skip=1),
            *_function("config.set_notebook_permits", door.set_notebook_permits, skip=1),
            *_function("config.add_notebook_function", site.add_notebook_function, skip=1),
            "## Of a request",
            "",
            "`request.notebooks` is the [`NotebookManager`](#notebookmanager) of the site.",
            "",
            "### `request.notebook_user`",
            "",
            *_markdown(inspect.getdoc(door.notebook_user) or ""),
            "",
            "## View functions",
            "",
            *(line for name in view_names for line in _function(name, public[name], level=3)),
            "## The notebook context",
            "",
            "A mapping with these keys, all of which may be left out; see [contexts](../how-to/contexts.md).",
            "",
            *_context_table(),
            "",
            "## Helpers for startup scripts",
            "",
            *(line for name in helpers for line in _function(name, getattr(startup, name), level=3)),
            "## Classes",
            "",
            *(line for name, thing in classes.items() for line in _class(name, thing)),
            *_programs(),
            *_errors(),
        )
    )


def editor_client_page() -> str:
    """Return the page of the commands for editors."""
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    editor_commands.add_commands(subparsers)
    return "\n".join(
        (
            "# Commands for editors",
            "",
            "<!-- Made by python -m docs.generate from pyramid_notebook/sync/client/commands.py: change it there. -->",
            "",
            "`pyramid-notebook COMMAND …`, or `python -m pyramid_notebook.sync.client COMMAND …`. They need a token",
            "with the scope `sync`: [sign in](../how-to/tokens.md#sign-in-from-the-command-line). What they are for,",
            "and their [exit codes](../how-to/editor-sync.md#exit-codes-and-json), are told in",
            "[sync files and notebooks](../how-to/editor-sync.md).",
            "",
            *(line for name, command in subparsers.choices.items() for line in _command(name, command)),
        )
    )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _table(*names: str) -> list[str]:
    return [_row(*names), _row(*("---" for _ in names))]


def _kind(item: Field[Any]) -> str:
    return _KINDS.get(str(item.type), str(item.type))


def _default(item: Field[Any]) -> str:
    if item.default is MISSING:
        return "none: required"
    if isinstance(item.default, bool):
        return "`on`" if item.default else "`off`"
    return f"`{item.default}`" if item.default != "" else "empty"


def _context_table() -> list[str]:
    kinds = {"tuple[str, ...]": "list of texts", "dict[str, Any]": "dictionary", "int | None": "whole number or `None`"}
    rows = [
        _row(f"`{item.name}`", kinds.get(str(item.type), _kind(item)), item.metadata["doc"])
        for item in fields(NotebookContext)
    ]
    return [*_table("key", "type", "meaning"), *rows]


def _function(name: str, function: Any, *, level: int = 2, skip: int = 0) -> Iterator[str]:
    """Yield the lines of a function: signature without annotations, and docstring."""
    given = list(inspect.signature(function).parameters.values())[skip:]
    bare = [item.replace(annotation=inspect.Parameter.empty) for item in given]
    arguments = [str(item) if _is_short(item.default) else f"{item.name}=..." for item in bare]
    yield from (f"{'#' * level} `{name}({', '.join(arguments)})`", "", *_markdown(inspect.getdoc(function) or ""), "")


def _is_short(default: Any) -> bool:
    return len(repr(default)) < 60


def _class(name: str, thing: type) -> Iterator[str]:
    yield from (f"### `{name}`", "", *_markdown(inspect.getdoc(thing) or ""), "")
    for method, value in vars(thing).items():
        function = value.__func__ if isinstance(value, classmethod) else value
        if method.startswith("_"):
            continue
        if inspect.isfunction(function):
            yield from _function(f"{name}.{method}", function, level=4, skip=1)
        elif isinstance(value, property):
            yield from (f"#### `{name}.{method}`", "", *_markdown(inspect.getdoc(value) or ""), "")


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield what a command does, and its options."""
    yield from (f"## `{name}`", "", str(parser.description), "", *_table("option", "meaning"))
    options = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    for option in options:
        value = f" {option.metavar}" if option.metavar else ""
        names = [f"`{flag}{value}`" for flag in option.option_strings] or [f"`{option.metavar}`"]
        yield _row(", ".join(names), str(option.help))
    for group in parser._mutually_exclusive_groups:
        flags = [f"`{option.option_strings[0]}`" for option in group._group_actions]
        yield from ("", f"One at most of {', '.join(flags[:-1])} and {flags[-1]}.")
    yield ""


def _programs() -> Iterator[str]:
    """Yield what a program reads that uses the token of ``pyramid-notebook login``."""
    yield from ("## For programs", "", "In `pyramid_notebook.credentials`; see [tokens](../how-to/tokens.md).", "")
    yield from _function("default_path", credentials.default_path, level=3)
    for thing in (credentials.CredentialFile, credentials.Credential):
        yield from (f"### `{thing.__name__}`", "", *_markdown(inspect.getdoc(thing) or ""), "")
    for function in (credentials.CredentialFile.find, credentials.CredentialFile.read):
        yield from _function(function.__qualname__, function, level=4, skip=1)


def _errors() -> Iterator[str]:
    yield from ("## Errors", "", "All are in `pyramid_notebook.errors`.", "")
    yield from (*_markdown((errors.__doc__ or "").partition("\n\n")[2]), "")
    yield from _table("error", "status", "reason", "when")
    for error in _tree(NotebookError):
        summary = (inspect.getdoc(error) or "").partition("\n\n")[0]
        yield _row(f"`{error.__name__}`", str(error.status), f"`{error.reason}`", " ".join(_markdown(summary)))
    yield ""


def _tree(error: type[NotebookError]) -> Iterator[type[NotebookError]]:
    yield error
    for below in error.__subclasses__():
        if below.__module__.startswith(errors.__name__):  # those of a room of its own are its own affair
            yield from _tree(below)


def _markdown(text: str) -> Iterator[str]:
    """Turn a docstring (RST with the sections of Google's style) into lines of Markdown."""
    text = re.sub(r"::\n\n", "::\n", text.strip())
    text = _ROLE.sub(r"`\1`", text).replace("``", "`")
    in_section = in_code = False
    for line in text.splitlines():
        if in_code and not line.strip():
            in_code = False
            yield from ("```", "")
        elif in_code:
            yield line.removeprefix("    ")
        elif _SECTION.match(line):
            in_section = True
            yield from (f"**{line.removesuffix(':')}**", "")
        elif line.strip() == "::" or line.endswith("::"):
            in_code = True
            yield from (*([f"{line.removesuffix('::')}:", ""] if line.strip() != "::" else []), "```text")
        elif in_section and line.startswith("    ") and (entry := _ENTRY.match(line.strip())):
            yield f"- `{entry[1]}`: {entry[2]}" if not line.startswith("     ") else f"  {line.strip()}"
        else:
            yield f"  {line.strip()}" if in_section and line.startswith("     ") else line.strip()
    if in_code:
        yield "```"


def web_servers_page() -> str:
    """Return the page of what web servers cannot do."""
    rows = [_row(item.way, item.behaviour, item.reason, item.instead) for item in (*LIMITS, *FURTHER)]
    return "\n".join(
        (
            "# What a web server cannot do",
            "",
            "<!-- Made by python -m docs.generate from tests/servers/limits.py: change it there. -->",
            "",
            "All of [these web servers](../how-to/web-servers.md) pass one suite of tests, `tests/servers/`. This is",
            "where one of them differs; the tests expect just that.",
            "",
            *_table("server", "what the others do", "why it does not", "what happens there"),
            *rows,
            "",
        )
    )


PAGES = {
    "settings.md": settings_page,
    "api.md": api_page,
    "editor-client.md": editor_client_page,
    "web-servers.md": web_servers_page,
    "rpc.md": rpc_page,
}


def main() -> None:
    """Write all pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
