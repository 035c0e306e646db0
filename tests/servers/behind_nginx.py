"""nginx, which passes requests on by itself, in front of the site on waitress: ``behind_nginx FOLDER PORT [MOUNT]``.

Both are children of this process, and end with it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ..proxy.nginx_server import GROUP, nginx
from ..running import free_port, wait_until
from .site import SETTINGS


def main(folder: Path, port: int, mount: str = "") -> None:
    """Run both until SIGTERM comes."""
    settings = {**json.loads(os.environ[SETTINGS]), "socket_group": GROUP, "trusted_proxies": "127.0.0.1"}
    site_port = free_port()
    options = ["--threads=24", "--asyncore-use-poll", "--connection-limit=2000", f"--max-request-body-size={4 << 30}"]
    options += [f"--url-prefix={mount}"] * bool(mount)
    site = "tests.servers.site:application"
    environment = {**os.environ, SETTINGS: json.dumps(settings)}
    command = [sys.executable, "-P", "-m", "waitress", f"--listen=127.0.0.1:{site_port}", *options, site]
    # nginx knows one prefix, of the mount and of the routes together
    told = {"proxy_timeout": int(settings.get("proxy_timeout", 120)), "route_prefix": f"{mount}/notebook"}
    with subprocess.Popen(command, env=environment) as process:
        signal.signal(signal.SIGTERM, lambda _number, _frame: process.terminate())
        wait_until(lambda: _answers(site_port), "the site listens")
        with nginx(folder, site_port, port=port, **told):
            process.wait()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
