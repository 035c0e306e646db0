"""Calls notebooks of one user server: limits, runs, kept results, and which engine does the work."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import CallCancelled, CallError, CallTimeout, NotebookError, ResultTooLarge
from .executed import Outputs
from .library import Function, Library
from .limits import Gate
from .options import FunctionOptions
from .protocol import Event, Order, Result
from .runs import Run, Runs, State
from .values.response import secured
from .webhooks import check_webhook, tell

EXECUTED = "ipynb"
_GRACE_SECONDS = 0.1
_LOG = logging.getLogger(__name__)
_MOST_KEPT, _MOST_KEPT_BYTES = 500, 50_000_000


class Engine(Protocol):
    """Runs orders, each in a process of its own."""

    async def run(
        self, order: Order, *, seconds: float, on_event: Callable[[Event], None], function: Function
    ) -> Result:
        """Run an order, and return what it returned.

        Args:
            order: what to run.
            seconds: that it may take.
            on_event: is told what happens.
            function: the notebook that it is of.

        Raises:
            CallError: it did not return anything.
        """

    async def close(self) -> None:
        """End all that runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks for.

    Attributes:
        function: the notebook.
        values: of its parameters, checked.
        formats: in which the result may come, the best first.
        nan: what becomes of NaN in JSON.
        by: name of the token; empty for the owner's own session.
        timeout: seconds; 0 for as many as the site allows.
    """

    function: Function
    values: Mapping[str, Any]
    formats: tuple[str, ...]
    nan: str = "error"
    by: str = ""
    timeout: float = 0.0

    @property
    def key(self) -> str:
        """The same for calls that have the same result, as long as the notebook says that there are such."""
        version = self.function.version if EXECUTED in self.formats else self.function.program.digest
        told = [self.function.path, version, self.formats, self.nan, sorted(self.values.items())]
        return hashlib.sha256(repr(told).encode()).hexdigest()


@dataclass(slots=True)
class Functions:
    """The functions of one user.

    Attributes:
        library: reads the notebooks.
        options: what the site allows.
        engine: does the work.
        runs: what is going on.
        on_activity: is called whenever a call begins or ends.
    """

    library: Library
    options: FunctionOptions
    engine: Engine
    on_activity: Callable[[], None] = lambda: None
    runs: Runs = field(init=False)
    _gate: Gate = field(init=False)
    _kept: dict[str, tuple[float, Result]] = field(default_factory=dict)
    _telling: set[asyncio.Future[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        limits = self.options
        self.runs = Runs(limits.keep_seconds)
        self._gate = Gate(limits.at_once, limits.queue)

    @property
    def is_busy(self) -> bool:
        """Whether a call runs."""
        return self._gate.running > 0

    def known(self, asked: Asked) -> tuple[Result, int] | None:
        """Return a result that was kept, and its age in seconds, where the notebook wants that."""
        end, result = self._kept.get(asked.key, (0.0, None)) if _cache_seconds(asked) else (0.0, None)
        if result is None or end <= time.monotonic():
            return None
        return result, int(_cache_seconds(asked) - (end - time.monotonic()))

    def start(self, asked: Asked, *, is_long: bool = False, webhook: str = "") -> Run:
        """Begin a call, and return the run; its task can be awaited, and cancelled.

        Args:
            asked: what to do.
            is_long: whether nobody waits for it.
            webhook: URL to which its end is told; empty for none.

        Raises:
            BadRequest: the site does not allow that URL.
        """
        if webhook:
            check_webhook(webhook, self.options.webhook_hosts)
        program = asked.function.program
        run = Run(asked.function.path, program.title, asked.by, not is_long, of=len(program.cells))
        self.runs.add(run)
        most = self.options.long_timeout if is_long else self.options.timeout
        wanted = asked.timeout or _number(program.options.get("timeout")) or most
        run.task = asyncio.ensure_future(self._run(run, asked, min(wanted, most)))
        run.task.add_done_callback(lambda _task: _let_go(run))
        if webhook:
            run.task.add_done_callback(lambda _task: self._tell(webhook, run))
        return run

    async def close(self) -> None:
        """Cancel all that runs."""
        tasks = [run.task for run in self.runs.of() if run.task and not run.task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.engine.close()

    async def _run(self, run: Run, asked: Asked, seconds: float) -> None:
        self.on_activity()
        most = int(_number(asked.function.program.options.get("calls")))
        try:
            begun = time.monotonic()
            try:
                # the engine of processes notices by itself, and what it notices tells it how it is
                async with asyncio.timeout(seconds + _GRACE_SECONDS), self._gate.place(asked.function.path, most):
                    result = await self._execute(run, asked, seconds - (time.monotonic() - begun))
            except (TimeoutError, CallTimeout):
                raise CallTimeout(f"The call took longer than {seconds:g} seconds, and was ended.") from None
        except asyncio.CancelledError:
            run.end(State.CANCELLED, error=_cancelled())
            raise
        except NotebookError as error:
            run.end(State.FAILED, error=error)
        except Exception:
            _LOG.exception("A call of a notebook failed")
            run.end(State.FAILED, error=CallError("The notebook server failed; its log says how."))
        else:
            run.end(State.DONE, result=result)
            if _cache_seconds(asked) and result.status == 200:
                self._keep(asked, result)
        finally:
            self.on_activity()

    async def _execute(self, run: Run, asked: Asked, seconds: float) -> Result:
        function, limits = asked.function, self.options
        order = Order(
            cells=function.program.cells,
            values=asked.values,
            names=function.signature.names_by_cell,
            folder=function.folder,
            formats=asked.formats,
            nan=asked.nan,
            most_bytes=limits.result_bytes,
            memory=limits.memory,
            outputs=EXECUTED in asked.formats[:1],
            title=function.path,
        )
        outputs = Outputs()

        def on_event(event: Event) -> None:
            if order.outputs:
                outputs.take(event)
            run.tell(event)

        run.begin()
        result = await self.engine.run(order, seconds=seconds, on_event=on_event, function=function)
        # the process of a call runs the user's code, which may have made the answer itself
        result = outputs.notebook(function.notebook, function.program) if order.outputs else secured(result)
        if len(result.body) > limits.result_bytes:
            raise ResultTooLarge(f"The result has {len(result.body)} bytes; {limits.result_bytes} are the most.")
        return result

    def _tell(self, webhook: str, run: Run) -> None:
        telling = asyncio.ensure_future(tell(webhook, run.to_dict(is_owner=False)))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    def _keep(self, asked: Asked, result: Result) -> None:
        now = time.monotonic()
        for key in [key for key, (end, _result) in self._kept.items() if end <= now]:
            del self._kept[key]
        size = sum(len(kept.body) for _end, kept in self._kept.values())
        if len(self._kept) < _MOST_KEPT and size + len(result.body) <= _MOST_KEPT_BYTES:
            self._kept[asked.key] = now + _cache_seconds(asked), result


def _let_go(run: Run) -> None:
    """Let go of a task that is done: its context holds the request, and that what came with it."""
    run.task = None
    if not run.is_over:  # it was cancelled before its first step
        run.end(State.CANCELLED, error=_cancelled())


def _cancelled() -> CallCancelled:
    return CallCancelled("This call was cancelled.")


def _cache_seconds(asked: Asked) -> float:
    return _number(asked.function.program.options.get("cache"))


def _number(value: object) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < 1e7 else 0.0  # type: ignore[arg-type,operator]
