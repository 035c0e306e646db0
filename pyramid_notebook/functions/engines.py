"""Which engine runs which notebook: forks of the zygote where they can, kernels for the others."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from jupyter_client.kernelspec import NATIVE_KERNEL_NAME

from .kernels.engine import KernelEngine
from .library import Function
from .options import FunctionOptions
from .protocol import Event, Order, Result

#: Seconds for which is known whether a kernel is ours, and of how many.
_KNOWN_SECONDS, _MOST_KNOWN = 2.0, 100


class Engines:
    """The engines of one user server.

    Args:
        specs: finds kernelspecs.
        options: what the site allows.
    """

    def __init__(self, specs: Any, options: FunctionOptions) -> None:
        self._specs = specs
        self._kernels = KernelEngine(specs)
        self._zygote: Any = None
        self._known: dict[str, tuple[float, bool]] = {}
        if options.zygote:
            from .processes.engine import ZygoteEngine

            self._zygote = ZygoteEngine(options.preload)

    async def run(
        self, order: Order, *, seconds: float, on_event: Callable[[Event], None], function: Function
    ) -> Result:
        """Run an order in the engine that fits its notebook; see :class:`~.service.Engine`."""
        program = function.program
        name = program.kernel_name or "python3"
        is_ours = program.language == "python" and self._is_ours(name)
        if self._zygote is not None and is_ours:
            result: Result = await self._zygote.run(
                order, timeout=seconds, on_event=on_event, snapshot=program.snapshot
            )
            return result
        # the kernel of a notebook context would run the startup script, and so does the program
        name = NATIVE_KERNEL_NAME if is_ours else name
        return await self._kernels.run(
            order, seconds=seconds, on_event=on_event, kernel_name=name, language=program.language
        )

    async def close(self) -> None:
        """End all that runs."""
        if self._zygote is not None:
            await self._zygote.close()

    def _is_ours(self, kernel_name: str) -> bool:
        """Tell whether a kernel runs in the Python of this process; what is not installed has to make do with it."""
        now = time.monotonic()
        looked, is_ours = self._known.get(kernel_name, (-_KNOWN_SECONDS, False))
        if now - looked >= _KNOWN_SECONDS:  # to find it, and to read its file, takes half a millisecond
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            is_ours = self._is_here(kernel_name)
            self._known[kernel_name] = now, is_ours
        return is_ours

    def _is_here(self, kernel_name: str) -> bool:
        try:
            program = self._specs.get_kernel_spec(kernel_name).argv[0]
        except Exception:  # nobody knows it, or its file cannot be read
            return kernel_name.startswith("python")
        return program in (sys.executable, "python", "python3")
