"""Runs the real nginx with the configuration that we generate, in a folder of its own."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pyramid_notebook.nginx_config import Server, configuration
from pyramid_notebook.proxy.nginx import Gate
from pyramid_notebook.settings import Settings

from ..running import free_port, wait_until

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
#: root's nginx has workers of another UNIX user, as on a real server.
WORKER = "www-data" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
GROUP = "www-data" if os.geteuid() == 0 else grp.getgrgid(os.getegid()).gr_name

_MAIN = """
{user}
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/notebooks.conf;
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    def log(self) -> str:
        return (self.folder / "error.log").read_text(errors="replace")


def write(folder: Path, settings: Settings, server: Server, *, workers: int = 1) -> Path:
    """Write the whole configuration and return its main file."""
    (folder / "notebooks.conf").write_text(configuration(settings, server))
    user = f"user {WORKER};" if os.geteuid() == 0 else ""
    main = folder / "nginx.conf"
    main.write_text(_MAIN.format(user=user, folder=folder, workers=workers))
    return main


def command(folder: Path, main: Path, *more: str) -> list[str]:
    assert NGINX, "nginx is missing: make nginx"
    return [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(main), *more]


@contextmanager
def nginx(notebook_folder: Path, site_port: int, *, port: int = 0, workers: int = 1, **options: str) -> Iterator[Nginx]:
    """Run nginx in front of a site that listens on a loopback port."""
    with tempfile.TemporaryDirectory(prefix="pnb-nginx-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        folder.chmod(0o755)
        settings = Settings(notebook_folder=str(notebook_folder), socket_group=GROUP, **options)
        Gate(notebook_folder).make()
        port = port or free_port()
        server = Server(
            upstream=f"http://127.0.0.1:{site_port}", listens=[f"127.0.0.1:{port}"], cache=str(folder / "cache")
        )
        main = write(folder, settings, server, workers=workers)
        process = subprocess.Popen(command(folder, main, "-g", "daemon off;"), start_new_session=True)
        running = Nginx(port, process, folder)
        try:
            wait_until(lambda: _answers(running), "nginx listens")
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(running: Nginx) -> bool:
    assert running.process.poll() is None, running.log()
    with suppress(OSError), socket.create_connection(("127.0.0.1", running.port), timeout=1):
        return True
    return False
