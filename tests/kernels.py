"""The versions of ipykernel that the channel is tested with: the one that is installed, and the oldest."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from .running import ROOT

INSTALLED, OLDEST = "installed", "oldest"
#: Made by ``make oldest-kernel``, with the version that the Makefile names.
_OLDEST = Path(sys.prefix) / "oldest-kernel" / "bin" / "python"


def spec(which: str) -> dict[str, Any]:
    """Return the kernelspec of one of them (jupyter_client, "Kernel specs"); the old one finds this package here."""
    python = sys.executable if which == INSTALLED else str(_OLDEST)
    assert Path(python).exists(), f"The oldest ipykernel is missing. Type: make oldest-kernel VENV={sys.prefix}"
    return {
        "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"Python, {which} ipykernel",
        "language": "python",
        "env": {} if which == INSTALLED else {"PYTHONPATH": str(ROOT)},
    }


def add_spec(which: str, data: Path) -> None:
    """Make it known in a folder of Jupyter's data."""
    folder = data / "kernels" / which
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec(which)))
