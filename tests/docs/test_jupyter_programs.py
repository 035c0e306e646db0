"""The page about Jupyter's own programs: each of them, the real one, does at a real site what the page says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pexpect
import pytest
import requests
import websocket

from pyramid_notebook.scopes import Scope
from tests.clients.programs import PACKAGES, Machine, machine
from tests.running import ROOT, Site, demo_site, free_port, wait_until

from .blocks import BLOCKS, block, shell, table

PAGE = "docs/how-to/jupyter-programs.md"
AGENT = ROOT / "tests" / "clients" / "agent.py"
#: Tells whose child the kernel is.
WHOSE = "import os; print(os.getppid())"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with demo_site() as running:
        yield running


@pytest.fixture
def kernels(site: Site, folder: Path) -> Iterator[Machine]:
    """Somebody who has signed in as the page says, for kernels."""
    yield from machine(site, folder, "console")


@pytest.fixture
def everything(site: Site, folder: Path) -> Iterator[Machine]:
    """Somebody who has signed in as the page says, for an agent."""
    yield from machine(site, folder, "shell")


def here(text: str, at: Machine) -> str:
    """Return a text of the page with the address of the real site in it."""
    text = text.replace("https://example.com/notebook/alice", at.notebooks.rstrip("/"))
    return text.replace("https://example.com/notebook", f"{at.site.url}/notebook")


def run(command: str, at: Machine) -> str:
    """Return what a command of the page prints."""
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=at.laptop.home,
        env=at.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def lab(command: str, at: Machine) -> Iterator[str]:
    """Run a JupyterLab of this machine; yields its address, with a slash at its end."""
    port = free_port()
    options = f"--no-browser --port {port} --IdentityProvider.token=local --allow-root"
    log = at.laptop.home / "lab.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-euc", re.sub(r"^(.*jupyter lab.*)$", rf"exec \1 {options}", command, flags=re.MULTILINE)],
            cwd=at.laptop.home,
            env=at.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}/"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return requests.get(f"{url}api/status", params={"token": "local"}, timeout=30).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers, "JupyterLab answers", seconds=90)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def execute(url: str, kernel: str, code: str) -> str:
    """Return what code prints, through a websocket of JupyterLab (Jupyter messaging, "Execute")."""
    address = f"{url.replace('http', 'ws')}api/kernels/{kernel}/channels?token=local"
    message = {
        "channel": "shell",
        "header": {"msg_id": "1", "msg_type": "execute_request", "session": "s", "username": "", "version": "5.3"},
        "parent_header": {},
        "metadata": {},
        "content": {"code": code, "silent": False, "store_history": True, "user_expressions": {}},
    }
    connection = websocket.create_connection(address, timeout=60)
    try:
        connection.send(json.dumps(message))
        while True:
            heard = json.loads(connection.recv())
            if heard["msg_type"] == "stream":
                return str(heard["content"]["text"])
            assert heard["msg_type"] != "error", heard
    finally:
        connection.close()


@pytest.mark.parametrize("way", ["tunnel jupyter lab", "--gateway-url"])
def test_a_local_jupyterlab_runs_code_in_kernels_of_the_site(kernels: Machine, way: str) -> None:
    if way == "--gateway-url":
        configuration = kernels.laptop.home / ".jupyter"
        configuration.mkdir()
        (configuration / "jupyter_server_config.py").write_text(block(PAGE, "jupyter_server_config.py"))
    with lab(here(shell(PAGE, way), kernels), kernels) as url:
        sent = {"path": "x.ipynb", "name": "x.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
        answer = requests.post(f"{url}api/sessions", json=sent, headers={"Authorization": "token local"}, timeout=60)
        assert answer.status_code == 201, answer.text
        kernel = answer.json()["kernel"]["id"]
        assert int(execute(url, kernel, WHOSE)) == kernels.record.pid
    log = (kernels.laptop.home / "lab.log").read_text()
    assert kernels.secret not in log
    assert "Kernels will be managed by the Gateway server" in log


def test_konsole_runs_what_is_typed_in_a_kernel_of_the_site(kernels: Machine) -> None:
    command = shell(PAGE, "jupyter konsole")
    terminal = pexpect.spawn(
        "bash", ["-c", command], cwd=str(kernels.laptop.home), env={**kernels.environment, "TERM": "dumb"},
        encoding="utf-8", timeout=90, dimensions=(24, 200),
    )  # fmt: skip
    try:
        terminal.expect_exact("In [1]")
        terminal.send("import os; print('server', os.getppid())\r")
        terminal.expect(r"server (\d+)")
        assert int(terminal.match[1]) == kernels.record.pid
        terminal.expect_exact("In [2]")
        terminal.send("\x04")
        terminal.expect_exact("exit")
        terminal.send("y\r")
        terminal.expect(pexpect.EOF)
        assert terminal.wait() == 0
    finally:
        terminal.close(force=True)


def test_nbclient_runs_a_local_notebook_in_a_kernel_of_the_site(kernels: Machine) -> None:
    home = kernels.laptop.home
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(WHOSE)])
    nbformat.write(notebook, home / "report.ipynb")
    (home / "run_there.py").write_text(block(PAGE, "run_there.py"))
    run(shell(PAGE, "run_there.py"), kernels)
    [cell] = nbformat.read(home / "report.ipynb", as_version=4).cells
    assert int(cell.outputs[0].text) == kernels.record.pid


def test_the_kernel_client_uses_a_kernel_without_a_tunnel(kernels: Machine) -> None:
    (kernels.laptop.home / "ask_kernel.py").write_text(here(block(PAGE, "ask_kernel.py"), kernels))
    path = f"{PACKAGES}:{ROOT}"
    assert run(f"PYTHONPATH={path} python ask_kernel.py", kernels) == "ok 42\n\n"


def ask_tool(agent: subprocess.Popen[str], tool: str, **arguments: object) -> tuple[bool, str]:
    """Return whether a tool failed, and its text."""
    assert agent.stdin and agent.stdout
    agent.stdin.write(json.dumps([tool, arguments]) + "\n")
    agent.stdin.flush()
    failed, text = json.loads(agent.stdout.readline())
    return failed, text


def test_an_agent_works_in_a_notebook_of_the_site_until_its_token_is_revoked(everything: Machine) -> None:
    configuration = everything.laptop.home / "mcp.json"
    configuration.write_text(block(PAGE, "mcp.json"))
    agent = subprocess.Popen(
        [sys.executable, str(AGENT), str(configuration)],
        cwd=everything.laptop.home,
        env=everything.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        made = ask_tool(agent, "use_notebook", notebook_name="a", notebook_path="agent.ipynb", mode="create")
        assert "Successfully" in made[1], made
        ran = ask_tool(agent, "insert_execute_code_cell", cell_index=0, cell_source=WHOSE)
        assert ran[1].splitlines()[0] == str(everything.record.pid), ran
        file = everything.work / "agent.ipynb"
        wait_until(lambda: WHOSE in file.read_text(), "the cell is in the notebook on the site")
        everything.store.wait_for_writes()
        used = next(info for info in everything.store.list("user") if info.id == everything.token.id)
        assert used.last_used
        assert used.last_address == "127.0.0.1"
        assert everything.store.revoke(everything.token.id, "user")
        assert "This token is not valid" in ask_tool(agent, "list_files")[1]
    finally:
        agent.kill()
        agent.communicate()


def test_a_token_for_kernels_gives_an_agent_no_notebooks(kernels: Machine) -> None:
    fields = {"Authorization": f"Bearer {kernels.secret}"}
    assert requests.get(f"{kernels.notebooks}api/kernels", headers=fields, timeout=60).status_code == 200
    assert requests.get(f"{kernels.notebooks}api/contents", headers=fields, timeout=60).status_code == 403


def test_the_page_installs_what_is_tested_and_signs_in_with_scopes_that_there_are() -> None:
    text = "".join(block.text for block in BLOCKS if block.page == PAGE)
    assert set(re.findall(r"--scope (\w+)", text)) == {"console", "shell"} < {str(scope) for scope in Scope}
    asked = set(re.findall(r"pip install '?([a-z-]+)", text))
    pinned = {line.partition("==")[0] for line in (AGENT.parent / "requirements.txt").read_text().splitlines()}
    assert asked == {"jupyter-kernel-client", "jupyter-mcp-server"}
    assert asked <= pinned
    assert {row[1] for row in table(PAGE, "program")} == {"`console`", "`shell`"}
