"""Runs an order in a kernel of Python that has this package, so that its result is made as in a fork of the zygote.

The engine has the kernel execute :func:`code_for`. What happens comes back in messages ``display_data`` with a media
type of our own; what is printed comes as from any kernel.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from typing import Any

from ..processes.failures import told
from ..protocol import Event, Kind, Order

#: Of our messages: an object with ``kind``, a letter of :class:`Kind` or :data:`BEGUN`, and ``payload``, a text.
MEDIA_TYPE = "application/vnd.pyramid-notebook.call+json"
#: The kernel has understood the order. What fails before it says so fails for want of this package.
BEGUN = "B"
#: Both ends must have the same.
_REVISION = 1


def code_for(order: Order) -> str:
    """Return the code by which a kernel runs an order."""
    payload = base64.b64encode(order.to_bytes()).decode()
    return f"import {__name__} as call; call.answer({_REVISION}, {payload!r})"


def answer(revision: int, payload: str) -> None:
    """Run an order, and tell what it returned; called in the kernel.

    Args:
        revision: of whoever made the order.
        payload: the order, in base 64.

    Raises:
        RuntimeError: the other end has another version of this package.
    """
    if revision != _REVISION:
        raise RuntimeError("The order is of another version of pyramid_notebook.")
    order = Order.from_bytes(base64.b64decode(payload))
    from IPython.core.interactiveshell import InteractiveShell

    publish = InteractiveShell.instance().display_pub.publish

    def tell(kind: str, payload: str) -> None:
        publish({MEDIA_TYPE: {"kind": kind, "payload": payload}})

    tell(BEGUN, "")
    try:
        tell(Kind.RESULT, base64.b64encode(_result(order, tell)).decode())
    except BaseException as error:
        tell(Kind.FAILURE, json.dumps(told(error)))


def _result(order: Order, tell: Any) -> bytes:
    from IPython.core.interactiveshell import InteractiveShell
    from setproctitle import setproctitle

    from ..cells import run
    from ..cells.shell import FunctionShell
    from ..models.borrowed import loop_beside
    from ..processes import sandbox
    from ..protocol import Result
    from ..values import pack

    setproctitle(f"notebook function {order.title}")
    sandbox.refuse_questions()
    type(InteractiveShell.instance()).clear_instance()  # this kernel will never run anything else
    shell = FunctionShell.instance()
    shell.begin("__main__")
    shell.relieve = sandbox.relieve
    sandbox.limit(order.memory, sandbox.address_space())

    def emit(event: Event) -> None:
        tell(Kind.EVENT, json.dumps(event, default=repr))

    with loop_beside() as shell.loop_runner:
        value = run(order, shell, emit, settle=_settle)
        options: Mapping[str, Any] = {"nan": order.nan, "most_bytes": order.most_bytes}
        result = Result() if order.outputs else pack(value, order.formats, **options)
    _settle()
    sandbox.flush_files()
    return result.to_bytes()


def _settle() -> None:
    """Send what was printed before whatever is told next."""
    sys.stdout.flush()
    sys.stderr.flush()
