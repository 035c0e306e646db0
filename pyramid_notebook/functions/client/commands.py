"""The parser of ``pyramid-notebook call``; what it does is loaded when it runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import PurePath
from typing import Any

#: What each command is for.
COMMANDS = {"call": "call a notebook as a function, and print what it returns"}
#: Forms of a result by the suffix of the file that it goes to.
SUFFIXES = {
    ".json": "json", ".html": "html", ".png": "png", ".svg": "svg", ".csv": "csv", ".parquet": "parquet",
    ".arrow": "arrow", ".txt": "text", ".ipynb": "ipynb",
}  # fmt: skip
FORMATS = (*SUFFIXES.values(), "file")
_BINARY = ("png", "parquet", "arrow", "file")
_STDOUT = "-"
_EPILOG = (
    "Exit codes: 0 for a result, 1 where there is none, 2 for parameters that do not fit, 4 where the notebook failed, "
    "130 for Ctrl-C."
)


class Parser(argparse.ArgumentParser):
    """Takes options between words, which the parsers of sub-commands do not by themselves."""

    _is_within = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the words that are no options after all options."""
        if self._is_within:
            return super().parse_known_args(args, namespace)
        self._is_within = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_within = False


def add_commands(subparsers: Any) -> None:
    """Add the command to those of ``pyramid-notebook``.

    Args:
        subparsers: what :meth:`argparse.ArgumentParser.add_subparsers` returns.
    """
    text = COMMANDS["call"]
    parser = subparsers.add_parser("call", help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=_EPILOG)
    add = parser.add_argument
    add("notebook", metavar="NOTEBOOK|URL", help="its path below your folder on the site, or its address, or a run's")
    add("parameters", nargs="*", metavar="NAME=VALUE", help="a parameter; the same name again makes a list")
    add("--json", default="", metavar="FILE", dest="file", help="all parameters as a JSON object; - reads them")
    add("--format", default="", choices=FORMATS, help="form of the result; the suffix of -o says it as well")
    add("-o", "--output", default=_STDOUT, metavar="FILE", help="where the result goes; it is replaced in one step")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--progress", action="store_true", help="show how far it is; Ctrl-C cancels it")
    how.add_argument("--async", action="store_true", dest="is_async", help="do not wait; print the address of the run")
    add("--timeout", type=_seconds, default=0.0, metavar="SECONDS", help="cancel it after so long")
    add("--site", default="", metavar="ADDRESS", help="a site that you are signed in to")
    parser.set_defaults(run=_run, parser=parser)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e7:
        raise ValueError
    return seconds


_seconds.__name__ = "number of seconds"  # what argparse calls it in its complaint


def pairs_of(parameters: list[str]) -> list[tuple[str, str]]:
    """Return names and values.

    Raises:
        ValueError: something else than NAME=VALUE; the text says what.
    """
    pairs = []
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"{parameter!r} is not NAME=VALUE")
        pairs.append((name, value))
    return pairs


def _run(options: argparse.Namespace) -> int:
    error = options.parser.error
    try:
        options.pairs = pairs_of(options.parameters)
    except ValueError as problem:
        error(str(problem))
    if options.pairs and options.file:
        error("give the parameters as NAME=VALUE, or with --json, not both")
    if options.is_async and (options.output != _STDOUT or options.timeout):
        error("--async does not wait: leave out -o and --timeout")
    if not options.format:
        options.format = SUFFIXES.get(PurePath(options.output).suffix.lower(), "")
    if options.format in _BINARY and options.output == _STDOUT and not options.is_async and sys.stdout.isatty():
        error(f"{options.format} is not for a terminal: name a file with -o")
    from .calling import call

    return call(options)
