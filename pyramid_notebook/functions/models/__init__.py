"""Notebooks as functions of Python programs, above all of other notebooks.

::

    from pyramid_notebook import PythonModel

    add = PythonModel("add.ipynb")
    add(a=40, b=2)

Both kinds read the tags of a notebook alike, check the parameters alike and raise the same errors
(:mod:`pyramid_notebook.errors`); a notebook that was saved again is read again. :class:`PythonModel` runs it in this
process: that takes milliseconds, and gives and takes any object. :class:`KernelModel` runs it in a process of its own:
in any language, and whatever it does, it can be ended.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from ...errors import CallTimeout, NotAFunction
from ..protocol import Event, Order, Result
from ..signature import Signature
from ..signature.choices import shown
from ..values.response import received
from .alarm import alarm
from .beside import beside
from .depth import one_deeper
from .source import Function, Notebook, Source

#: Seconds in which the kernel of a call without a deadline must be ready.
_START_SECONDS = 60.0
#: The forms in which a kernel returns its value: the first that knows values of its kind.
_FORMATS = ("file", "json", "png", "html")
_MOST_BYTES = 1 << 30


class Model:
    """A notebook as a function: what both kinds have."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def signature(self) -> Signature:
        """The parameters.

        Raises:
            NotAFunction: the notebook cannot be called any more.
        """
        return self._source.now().signature

    def execute(self, params: Mapping[str, Any] | None = None, /, *, timeout: float | None = None) -> Any:
        """Run the notebook, and return its value."""
        raise NotImplementedError

    def __call__(self, **params: Any) -> Any:
        """Run the notebook with parameters by name, and return its value; there is no deadline."""
        return self.execute(params)

    def __repr__(self) -> str:
        names = ", ".join(parameter.name for parameter in self.signature.parameters)
        return f"<{type(self).__name__} {self._source.name}({names})>"


class PythonModel(Model):
    """A notebook of Python that runs in this process, in a namespace that is new for each call.

    It prints, displays and plots where its caller does. Its working folder is that of the process, and its module is
    not ``__main__``. What it changes elsewhere in the process stays: modules, files, the environment.

    Args:
        path: of the notebook's file; or its content (nbformat 4).
        globals: what the notebook finds in its namespace, in each call.

    Raises:
        NoNotebook: there is no such file.
        NotAFunction: it is no notebook of Python that can be called.
    """

    def __init__(self, path: Notebook, *, globals: Mapping[str, Any] | None = None) -> None:
        super().__init__(Source(path))
        self._globals = dict(globals or {})
        self._now()

    def execute(
        self,
        params: Mapping[str, Any] | None = None,
        /,
        *,
        timeout: float | None = None,
        globals: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the notebook, and return its value: the very object; None where no cell has the tag ``return``.

        Args:
            params: by name.
            timeout: seconds that it may take. This works in the main thread only, and ends a call in C when it
                returns; :class:`KernelModel` ends everything.
            globals: what else the notebook finds in its namespace.

        Raises:
            BadParameters: names or values do not fit.
            NotebookFailed: a cell raised an exception.
            CallTimeout: it took too long.
            CallError: notebooks call one another without end; or there is a timeout in another thread.
        """
        # these load IPython
        from ..cells import run
        from .borrowed import borrowed_shell

        order = _order(self._now(), params, Path.cwd())
        with one_deeper(), alarm(timeout), borrowed_shell({**self._globals, **(globals or {})}) as shell:
            return run(order, shell, shell.emit)

    def _now(self) -> Function:
        function = self._source.now()
        if function.program.language != "python":
            raise NotAFunction(f"{self._source.name} is a notebook of {function.program.language}. Use KernelModel.")
        return function


class KernelModel(Model):
    """A notebook that runs in a kernel of its own, which is started for each call and ended after it.

    Its working folder is that of the notebook. What it prints is printed here, while it runs.

    Args:
        path: of the notebook's file; or its content (nbformat 4).
        kernel_name: of the kernelspec; the one that the notebook names by default.
        quiet: whether nothing is printed here.
        on_event: is told what happens, in the thread of the caller; see :data:`.protocol.Event`.
        nan: what becomes of NaN and infinities, for which JSON has no word: ``error``, ``null`` or ``text``.

    Raises:
        NoNotebook: there is no such file.
        NotAFunction: it is no notebook that can be called, or there is no such kernel.
    """

    def __init__(
        self,
        path: Notebook,
        kernel_name: str | None = None,
        *,
        quiet: bool = False,
        on_event: Callable[[Event], None] | None = None,
        nan: str = "error",
    ) -> None:
        language = _language(kernel_name) if kernel_name else ""
        super().__init__(Source(path, kernel_name=kernel_name or "", language=language))
        self._quiet, self._on_event, self._nan = quiet, on_event, nan

    def execute(self, params: Mapping[str, Any] | None = None, /, *, timeout: float | None = None) -> Any:
        """Run the notebook, and return its value; None where no cell has the tag ``return``.

        What JSON can tell comes back as :mod:`json` reads it, a table as a list of records. Bytes come back as they
        are; a figure, or a ``Response`` that says more than a value, as a :class:`.response.Response`.

        Args:
            params: by name.
            timeout: seconds that it may take, with the start of the kernel.

        Raises:
            BadParameters: names or values do not fit.
            NotebookFailed: a cell raised an exception.
            BadResult: what it returned cannot be told.
            CallTimeout: it took too long.
            CallDied: the kernel ended before it returned anything.
            NotAFunction: there is no such kernel, or its language cannot be given the parameters.
            CallError: notebooks call one another without end.
        """
        function = self._source.now()
        order = _order(function, params, self._source.folder, nan=self._nan, title=self._source.name)
        with one_deeper():
            return received(beside(lambda tell: _run(function, order, timeout, tell), self._tell))

    def _tell(self, event: Event) -> None:
        if event["event"] == "stream" and not self._quiet:
            stream = sys.stdout if event["name"] == "stdout" else sys.stderr
            stream.write(event["text"])
            stream.flush()
        if self._on_event is not None:
            self._on_event(event)


async def _run(function: Function, order: Order, seconds: float | None, tell: Callable[[Event], None]) -> Result:
    from ..kernels.engine import KernelEngine  # it loads jupyter_client

    name, language = function.program.kernel_name or "python3", function.program.language
    most = _START_SECONDS if seconds is None else seconds
    try:
        async with asyncio.timeout(seconds):
            return await KernelEngine().run(order, seconds=most, on_event=tell, kernel_name=name, language=language)
    except TimeoutError:
        raise CallTimeout(f"The call took longer than {seconds:g} seconds, and was ended.") from None


def _order(function: Function, params: Mapping[str, Any] | None, folder: Path, **more: Any) -> Order:
    given = {name: _plain(value) for name, value in (params or {}).items()}
    return Order(
        cells=function.program.cells,
        values=function.signature.bind(given),
        names=function.signature.names_by_cell,
        folder=str(folder),
        formats=_FORMATS,
        most_bytes=_MOST_BYTES,
        **more,
    )


def _plain(value: Any) -> Any:
    """Return a number of numpy as one of Python, and of a member of an Enum what stands for it in JSON."""
    if isinstance(value, Enum):
        return shown(value.name, value.value)
    numpy = sys.modules.get("numpy")
    return value.item() if numpy is not None and isinstance(value, numpy.generic) else value


def _language(kernel_name: str) -> str:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        return str(KernelSpecManager().get_kernel_spec(kernel_name).language).lower()
    except NoSuchKernel:
        raise NotAFunction(f"There is no kernel {kernel_name!r} here.") from None
