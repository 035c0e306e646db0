"""The header of a new script, which tells other programs for which kernel it is (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from .percent.languages import Language

_KEYS = ("display_name", "language", "name")


def header_of(metadata: Mapping[str, Any], notebook: str, file: str, language: Language) -> str:
    """Return the header of a script that is made from a notebook, with YAML as jupytext writes it.

    Args:
        metadata: of the notebook (nbformat 4).
        notebook: its path; it is named where the file is called otherwise.
        file: path of the script on the user's machine.
        language: of the script.
    """
    named = metadata.get("kernelspec")
    kernel = named if isinstance(named, dict) else {}
    lines = [f"    {key}: {_scalar(kernel[key])}" for key in _KEYS if isinstance(kernel.get(key), str) and kernel[key]]
    if any(line.strip().startswith("name:") for line in lines):
        lines.insert(0, "  kernelspec:")
    else:
        lines = []
    if PureWindowsPath(file).stem != PurePosixPath(notebook).stem:
        lines.append(f"  notebook: {_scalar(notebook)}")
    if not lines:
        return ""
    end = f" {language.comment_end}" if language.comment_end else ""
    return "".join(f"{language.comment} {line}{end}\n" for line in ["---", "jupyter:", *lines, "---"])


def _scalar(value: str) -> str:
    """Return a YAML scalar (YAML 1.2 section 7.3); text in JSON is one."""
    is_plain = value.replace(" ", "").replace("-", "").replace("_", "").isalnum() and value.isascii()
    return value if is_plain and value[:1].isalpha() else json.dumps(value, ensure_ascii=False)
