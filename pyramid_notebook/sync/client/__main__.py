"""``python -m pyramid_notebook.sync.client``: the command ``pyramid-notebook``, where its script is not in the way."""

from __future__ import annotations

import sys

from ...cli import main

if __name__ == "__main__":
    sys.exit(main())
