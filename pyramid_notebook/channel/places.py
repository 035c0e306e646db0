"""Where the socket of a kernel's channel lies, and what it is sent there (pure, but for the environment that is asked).

It lies in the user server's folder for sockets, which is short and 0700: a unix socket's address has 107 bytes at most
(unix(7)), and a user's folder may be anywhere.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from pathlib import Path

from ..errors import NoChannel
from ..record import LAUNCH_VARIABLE

_KERNEL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
#: How many bytes of a page's connection follow it, because they were read already.
EARLY = struct.Struct(">I")
_CONNECTION = re.compile(r"kernel-(.+)\.json")


def is_kernel_id(text: str) -> bool:
    """Tell whether a text is an id as Jupyter gives one to each kernel."""
    return _KERNEL.fullmatch(text) is not None


def socket_of(kernel_id: str, scratch: Path) -> Path:
    """Return where the socket of a kernel is.

    Args:
        kernel_id: checked by :func:`is_kernel_id`.
        scratch: the user server's folder for sockets.
    """
    return scratch / f"channel-{kernel_id}"


def own_socket(environment: Mapping[str, str], connection_file: str) -> tuple[str, Path]:
    """Return the id of the kernel that this process is, and where its socket belongs.

    Args:
        environment: of the process.
        connection_file: path of the kernel's connection file (Jupyter messaging, "Connection files"); empty for none.

    Raises:
        NoChannel: it is no kernel of a user server.
    """
    scratch = environment.get("JUPYTER_RUNTIME_DIR", "")
    named = _CONNECTION.fullmatch(Path(connection_file).name)
    if LAUNCH_VARIABLE not in environment or not scratch or named is None or not is_kernel_id(named[1]):
        raise NoChannel
    return named[1], socket_of(named[1], Path(scratch))
