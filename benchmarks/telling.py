"""How benchmarks tell what they have measured: on the terminal, as JSON, and in the page of the documentation."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .proxy_table import written


def cell(value: float | None) -> str:
    """Return a figure as a table shows it; nothing for None."""
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def tell_figures(
    text: str, figures: Mapping[str, Any], targets: Mapping[str, str], options: argparse.Namespace, *, mark: str
) -> None:
    """Print tables and targets, with ``--json`` the figures last, and with ``--write`` put the tables into a page.

    Args:
        text: the tables, in Markdown.
        figures: those that have targets.
        targets: by figure.
        options: of the command line.
        mark: of the place in the page.
    """
    if options.write:
        written(options.write, text, mark=mark)
    print(text)
    print("\nTargets: " + ", ".join(f"{name} {targets[name]}" for name in figures))
    if options.json:
        print(json.dumps(figures))


def tell_faults(
    about: str | None, measure: Callable[[int, int], tuple[dict[str, Any], list[str]]], *, mark: str
) -> None:
    """Be the command of a benchmark of faults; the exit status tells whether something was wrong.

    Args:
        about: what it is for.
        measure: gets how many calls, and a seed; returns the rows of the table, and what was wrong.
        mark: of the place in the page.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print, last, one JSON object")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    options = parser.parse_args()
    rows, wrong = measure(options.calls, options.seed)
    table = "\n".join(["| what | value |", "|---|---:|", *(f"| {name} | {value:,} |" for name, value in rows.items())])
    if options.write:
        written(options.write, table, mark=mark)
    print("\n".join([table, *wrong[:20]]))
    if options.json:
        print(json.dumps(rows))
    sys.exit(bool(wrong))
