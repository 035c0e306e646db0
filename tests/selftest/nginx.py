"""A real nginx in front of a site, set up well or badly."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.running import free_port, wait_until

#: What nginx has to be told; a test leaves lines out, or puts others in their place.
GOOD = {
    "version": "proxy_http_version 1.1;",
    "host": "proxy_set_header Host $http_host;",
    "scheme": "proxy_set_header X-Forwarded-Proto $scheme;",
    "client": "proxy_set_header X-Forwarded-For $remote_addr;",
    "upgrade": "proxy_set_header Upgrade $http_upgrade;",
    "connection": "proxy_set_header Connection $connection_upgrade;",
    "buffering": "proxy_buffering off;",
    "upload": "client_max_body_size 10g;",
}
_MAIN = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    server {{
        listen 127.0.0.1:{port}{tls};
        location / {{
            proxy_pass http://127.0.0.1:{site};
            {lines}
        }}
    }}
}}
"""


@contextmanager
def nginx(site: int, *, tls: bool = False, certificate: Path | None = None, **changes: str) -> Iterator[str]:
    """Run nginx on a free port; yields the origin under which it is reached.

    Args:
        site: port of the site.
        tls: whether it speaks TLS, with a certificate that it signed itself.
        certificate: that it has, and its key, made with :func:`make_certificate`.
        changes: other lines than those of :data:`GOOD`, by their names there; empty leaves one out.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pnb-test-") as folder:
        pair = certificate or make_certificate(Path(folder, "site.pem")) if tls else ""
        with_tls = f" ssl;\nssl_certificate {pair}; ssl_certificate_key {pair}"
        values = {"folder": folder, "port": port, "site": site, "tls": with_tls if tls else ""}
        lines = "\n            ".join((GOOD | changes).values())
        path = Path(folder, "nginx.conf")
        path.write_text(_MAIN.format(lines=lines, **values))
        errors = Path(folder, "error.log")
        command = ["nginx", "-e", str(errors), "-p", folder, "-c", str(path)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)

        def listens() -> bool:
            assert process.poll() is None, process.stderr and process.stderr.read()
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        try:
            wait_until(listens, "nginx listens")
            yield f"http{'s' if tls else ''}://localhost:{port}"
        finally:
            process.terminate()
            process.communicate(timeout=20)


def make_certificate(path: Path) -> Path:
    """Make a certificate of this machine's own, with its key, in one file; returns its path."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", str(path), "-out", str(path)], check=True, capture_output=True)
    return path
