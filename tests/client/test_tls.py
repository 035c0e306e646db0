"""Programs at a site behind TLS: a real nginx has the certificate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pyramid_notebook.client import NotebookClient
from pyramid_notebook.errors import SiteError
from tests.running import COMMAND, demo_site
from tests.running_console import USER, Desk, desk
from tests.selftest.nginx import make_certificate, nginx

TRUSTED = {"trusted_proxy": "127.0.0.1", "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto"}
_READS = """import json, os, requests, websocket
url = os.environ["JUPYTER_URL"] + "/"
made = requests.post(url + "api/kernels", json={"name": "python3"})
assert made.status_code == 201, made.text
kernel = made.json()["id"]
socket = websocket.create_connection(f"ws{url[4:]}api/kernels/{kernel}/channels")
header = {"msg_id": "1", "msg_type": "kernel_info_request", "session": "1", "username": "", "version": "5.3"}
empty = {"parent_header": {}, "metadata": {}, "content": {}, "buffers": [], "channel": "shell"}
socket.send(json.dumps({"header": header, **empty}))
while (message := json.loads(socket.recv()))["msg_type"] != "kernel_info_reply":
    pass
requests.delete(url + f"api/kernels/{kernel}")
print(json.dumps(message["content"]["language_info"]["name"]))
"""


@pytest.fixture(scope="module")
def at_home() -> Iterator[tuple[Desk, str, Path]]:
    """A machine, and the origin and the certificate of a site behind TLS."""
    with TemporaryDirectory(prefix="pnb-test-") as folder, demo_site(server=TRUSTED) as site:
        certificate = make_certificate(Path(folder, "site.pem"))
        with nginx(site.port, tls=True, certificate=certificate) as origin:
            yield desk(site, Path(folder), is_signed_in=False), origin, certificate


@contextmanager
def client(at_home: tuple[Desk, str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[NotebookClient]:
    laptop, origin, certificate = at_home
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(certificate))
    with NotebookClient(f"{origin}/notebook/{USER}/", token=laptop.token()) as made:
        yield made


def test_a_certificate_that_nobody_has_signed_is_refused(at_home, monkeypatch) -> None:
    laptop, origin, _ = at_home
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with (
        NotebookClient(f"{origin}/notebook/{USER}/", token=laptop.token()) as made,
        pytest.raises(SiteError, match="is not trusted"),
    ):
        made.open()


def test_much_output_comes_whole_while_others_ask(at_home, monkeypatch) -> None:
    with client(at_home, monkeypatch) as made, ThreadPoolExecutor(4) as pool:
        session = made.open()
        session.run("import time")
        execution = session.execute("for n in range(20_000): print(n); n % 1000 or time.sleep(0.02)")
        asked = [pool.submit(session.call, "session.events", limit=1) for _ in range(200)]
        outcome = execution.wait()
        assert outcome.stdout.split() == [str(n) for n in range(20_000)]
        assert all(answer.result() for answer in asked)


def test_long_code_and_questions_of_several_threads_do_not_mix(at_home, monkeypatch) -> None:
    with client(at_home, monkeypatch) as made, ThreadPoolExecutor(4) as pool:
        session = made.open()
        texts = [letter * 300_000 for letter in "abcdefgh"]
        runs = [pool.submit(session.run, f"text = {text!r}; print(set(text), len(text))") for text in texts]
        assert [run.result().stdout for run in runs] == [f"{{{text[0]!r}}} 300000\n" for text in texts]


def test_the_tunnel_goes_through_it(at_home, folder: Path) -> None:
    laptop, origin, certificate = at_home
    program = folder / "reads.py"
    program.write_text(_READS)
    url = f"{origin}/notebook/{USER}/"
    # the variable is for whoever dials the site; the program itself dials this machine, without TLS
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "tunnel", sys.executable, str(program)],
        env=laptop.environment(
            SSL_CERT_FILE=str(certificate), PYRAMID_NOTEBOOK_URL=url, PYRAMID_NOTEBOOK_TOKEN=laptop.token("shell")
        ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=os.fspath(folder),
    )
    assert (done.returncode, done.stdout and json.loads(done.stdout)) == (0, "python"), done.stderr
