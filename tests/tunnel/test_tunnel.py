"""The tunnel at a real site, as the command that a user types."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
import websocket

from pyramid_notebook.tunnel.running import variables
from tests.clients.programs import Machine, machine
from tests.running import COMMAND, Site, demo_site, free_port

#: A program that tells where it finds the notebooks, and waits.
TELL = "import os, sys; print(os.environ['JUPYTER_URL'], flush=True); sys.stdin.read()"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with demo_site() as running:
        yield running


@pytest.fixture
def alice(site: Site, folder: Path) -> Iterator[Machine]:
    yield from machine(site, folder, "shell", with_programs=False)


@contextmanager
def tunnel(at: Machine, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "tunnel", *arguments],
        cwd=at.laptop.home,
        env=at.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def address(at: Machine) -> Iterator[str]:
    """Yield the address of a tunnel that stands, with a slash at its end."""
    with tunnel(at) as process:
        assert process.stdout
        yield process.stdout.readline().strip()


def test_what_is_written_and_read_through_the_tunnel_is_what_the_site_has(alice: Machine) -> None:
    content = "ü" * 3_000_000
    with address(alice) as url:
        model = {"type": "file", "format": "text", "content": content}
        assert requests.put(f"{url}api/contents/big.txt", json=model, timeout=60).status_code == 201
        assert (alice.work / "big.txt").read_text() == content
        assert requests.get(f"{url}files/big.txt", timeout=60).text == content
        assert requests.delete(f"{url}api/contents/big.txt", timeout=60).status_code == 204
        assert requests.get(f"{url}api/contents/big.txt", timeout=60).status_code == 404


def test_without_the_secret_nobody_hears_anything_of_the_site(alice: Machine) -> None:
    with address(alice) as url:
        port, secret = url.split("/")[2], url.split("/")[3]
        assert len(secret) == 64
        for path in ("", "api/status", f"{secret[:-1]}x/api/status", f"{alice.secret}/api/status"):
            answer = requests.get(f"http://{port}/{path}", timeout=60)
            assert answer.status_code == 403
            assert answer.json()["error"] == "forbidden"
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            websocket.create_connection(f"ws://{port}/api/events/subscribe", timeout=60)


def test_a_websocket_passes_texts_bytes_and_the_subprotocol(alice: Machine) -> None:
    protocol = "v1.kernel.websocket.jupyter.org"
    with address(alice) as url:
        kernel = requests.post(f"{url}api/kernels", json={}, timeout=60).json()["id"]
        connection = websocket.create_connection(
            f"{url.replace('http', 'ws')}api/kernels/{kernel}/channels?token=x", subprotocols=[protocol], timeout=60
        )
        assert connection.getsubprotocol() == protocol
        assert connection.recv_data()[0] == websocket.ABNF.OPCODE_BINARY  # the kernel tells its state
        connection.close()
        assert requests.delete(f"{url}api/kernels/{kernel}", timeout=60).status_code == 204


def test_a_websocket_that_the_site_refuses_is_refused(alice: Machine) -> None:
    with address(alice) as url, pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        websocket.create_connection(f"{url.replace('http', 'ws')}channel/x/socket", timeout=60)


def test_a_websocket_ends_when_the_token_is_revoked(alice: Machine) -> None:
    with address(alice) as url:
        connection = websocket.create_connection(f"{url.replace('http', 'ws')}api/events/subscribe", timeout=60)
        assert alice.store.revoke(alice.token.id, "user")
        with suppress(websocket.WebSocketConnectionClosedException, ConnectionError):
            while connection.recv_data()[0] != websocket.ABNF.OPCODE_CLOSE:
                pass
        connection.close()
        assert requests.get(f"{url}api/status", timeout=60).status_code == 401


def test_a_program_knows_the_address_and_not_the_token(alice: Machine) -> None:
    told = "import json, os; print(json.dumps(dict(os.environ)))"
    with tunnel(alice, sys.executable, "-c", told) as process:
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    found = json.loads(out)
    assert found["JUPYTER_URL"] == found["JUPYTER_GATEWAY_URL"]
    assert alice.secret not in out
    assert not Path(found["JUPYTER_CONFIG_PATH"]).exists()  # it is gone with the program


def test_variables_of_ours_stay_here_and_a_configuration_of_the_users_own_is_still_read(tmp_path: Path) -> None:
    own = {"PYRAMID_NOTEBOOK_TOKEN": "pnb_x", "PYRAMID_NOTEBOOK_URL": "x", "JUPYTER_CONFIG_PATH": "/own", "A": "b"}
    found = variables(own, "http://127.0.0.1:1/s/", str(tmp_path))
    assert "pnb_x" not in found.values()
    assert found["A"] == "b"
    assert found["JUPYTER_CONFIG_PATH"] == f"{tmp_path}{os.pathsep}/own"
    assert found["JUPYTER_URL"] == "http://127.0.0.1:1/s"


@pytest.mark.parametrize(("code", "expected"), [("exit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_exit_code_is_that_of_the_program(alice: Machine, code: str, expected: int) -> None:
    with tunnel(alice, sys.executable, "-c", code) as process:
        process.communicate(timeout=60)
    assert process.returncode == expected


def test_a_program_that_does_not_exist_is_told(alice: Machine) -> None:
    with tunnel(alice, "no-such-program") as process:
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (
        127, "pyramid-notebook: no-such-program cannot be run: No such file or directory\n"
    )  # fmt: skip


def test_ctrl_c_is_the_programs_own_and_ends_a_tunnel_without_one(alice: Machine) -> None:
    with tunnel(alice, sys.executable, "-c", TELL) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)  # to the tunnel alone
        process.communicate(timeout=60)  # the end of its input is the end of the program
        assert process.returncode == 0
    with tunnel(alice) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130


def test_a_site_that_is_gone_is_told(alice: Machine) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/notebook/user"
    environment = {**alice.environment, "PYRAMID_NOTEBOOK_URL": nowhere, "PYRAMID_NOTEBOOK_TOKEN": alice.secret}
    code = """
import os, urllib.error, urllib.request
try:
    urllib.request.urlopen(os.environ["JUPYTER_URL"] + "/api")
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "tunnel", sys.executable, "-c", code],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.startswith('502 {"error": "unreachable", "message": "127.0.0.1 cannot be reached: ')
    assert alice.secret not in done.stdout + done.stderr


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_what_is_no_port_is_refused(alice: Machine, port: str) -> None:
    with tunnel(alice, f"--port={port}") as process:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 2
        assert errors.endswith(f"argument --port: {port!r} is not the number of a port: 1 to 65535\n")
