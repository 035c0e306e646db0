"""User servers with notebooks that are called."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyramid_notebook.functions.options import FunctionOptions
from tests.server.daemons import Daemon, daemon_in

from .callers import Caller


@pytest.fixture(scope="module")
def functions_options(request: pytest.FixtureRequest) -> FunctionOptions:
    """What the site allows; a module has its own by a constant ``OPTIONS``."""
    options = getattr(request.module, "OPTIONS", FunctionOptions())
    assert isinstance(options, FunctionOptions)
    return options


@pytest.fixture(scope="module")
def daemon(functions_options: FunctionOptions) -> Iterator[Daemon]:
    """A user server that runs, for all tests of a module."""
    temporary = tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True)
    with temporary as folder, daemon_in(Path(folder, "alice")) as configured:
        configured.configure(functions=functions_options.to_dict())
        configured.start()
        yield configured


@pytest.fixture(scope="module")
def caller(daemon: Daemon) -> Caller:
    """A program with a token."""
    return Caller(daemon)


@pytest.fixture(scope="module")
def owner(daemon: Daemon) -> Caller:
    """The user themselves, by the site's session."""
    return Caller(daemon, token="")
