"""What goes wrong with one message, cell or notebook must not stop the rest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

_LOG = logging.getLogger(__name__)


@contextmanager
def surviving(what: str) -> Iterator[None]:
    """Log what goes wrong; a panic of pycrdt is no Exception."""
    try:
        yield
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException:
        _LOG.exception("%s went wrong", what)
