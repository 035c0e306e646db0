"""The channel in a real kernel, with a page that is a plain websocket in another thread."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from pyramid_notebook.channel.places import socket_of
from pyramid_notebook.record import LAUNCH_VARIABLE
from tests.kernels import INSTALLED, OLDEST, add_spec
from tests.running import wait_until

from .conftest import FakePage, page_of

PATIENCE = 30


@dataclass
class Kernel:
    """A kernel as a user server starts it, and what its cells show."""

    manager: KernelManager
    socket: Path
    client: BlockingKernelClient = field(init=False)

    def connect(self) -> None:
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(PATIENCE)

    def run(self, code: str) -> str:
        """Run a cell; return what it printed, and the name of its error."""
        return self.shown(self.client.execute(code))

    def begin(self, code: str) -> str:
        """Begin a cell, and wait until it has printed something."""
        message = str(self.client.execute(code))
        while self.client.get_iopub_msg(timeout=PATIENCE)["msg_type"] != "stream":
            pass
        return message

    def shown(self, message: str) -> str:
        text = ""
        while True:
            told = self.client.get_iopub_msg(timeout=PATIENCE)
            if told["parent_header"].get("msg_id") != message:
                continue
            content = told["content"]
            if told["msg_type"] == "stream":
                text += content["text"]
            elif told["msg_type"] == "error":
                text += f"{content['ename']}: {content['evalue']}"
            elif told["msg_type"] == "status" and content["execution_state"] == "idle":
                return text


@pytest.fixture(scope="module", params=[INSTALLED, OLDEST])
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = Path(tmp_path_factory.mktemp("k"))
    kernel_id = str(uuid4())
    add_spec(request.param, folder)
    manager = KernelManager(
        connection_file=str(folder / f"kernel-{kernel_id}.json"),
        kernel_name=request.param,
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(folder / "kernels")]),
    )
    environment = {**os.environ, LAUNCH_VARIABLE: "0" * 32, "JUPYTER_RUNTIME_DIR": str(folder)}
    manager.start_kernel(env=environment)
    found = Kernel(manager, socket_of(kernel_id, folder))
    found.connect()
    yield found
    found.client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture
def page(kernel: Kernel) -> Iterator[SimpleNamespace]:
    """A page of the kernel, whose functions answer while the test waits for a cell."""
    opening = "from pyramid_notebook.channel import open_channel\nchannel = open_channel(show=False)"
    assert kernel.run(opening) == ""
    ready, done = threading.Event(), threading.Event()
    found = SimpleNamespace()

    async def serving() -> None:
        hub: Any = SimpleNamespace(socket_path=kernel.socket)
        async with page_of(hub, double=lambda value: 2 * value) as fake:
            found.fake, found.loop = fake, asyncio.get_running_loop()
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serving()))
    thread.start()
    assert ready.wait(PATIENCE)
    yield found
    done.set()
    thread.join()


def ask(page: SimpleNamespace, work: Callable[[FakePage], Any]) -> Any:
    """Do something in the thread of the page."""
    return asyncio.run_coroutine_threadsafe(work(page.fake), page.loop).result(PATIENCE)


async def called(fake: FakePage, name: str) -> Any:
    await fake.call(name, number=uuid4().int % 10**9)
    return await fake.value()


def test_a_plain_cell_waits_for_the_page(kernel: Kernel, page: SimpleNamespace) -> None:
    assert kernel.run("print(channel.call_sync('double', 21))") == "42\n"


def test_a_cell_opens_a_channel_and_awaits_the_page(kernel: Kernel, page: SimpleNamespace) -> None:
    code = "channel = open_channel(show=False)\nprint(await channel.call('double', 21))"
    assert kernel.run(code) == "42\n"


WAITING = {
    "awaited": "print('waits', flush=True)\nawait channel.call('hang', timeout=None)",
    "plain": "print('waits', flush=True)\nchannel.call_sync('hang', timeout=None)",
    "plain call in a cell that awaits": (
        "import asyncio\nawait asyncio.sleep(0)\nprint('waits', flush=True)\nchannel.call_sync('hang', timeout=None)"
    ),
}


@pytest.mark.parametrize("kind", WAITING)
def test_an_interrupt_ends_the_call_within_three_tenths_of_a_second(
    kernel: Kernel, page: SimpleNamespace, kind: str
) -> None:
    message = kernel.begin(WAITING[kind])
    ask(page, lambda fake: fake.hear("call"))
    begun = time.monotonic()
    kernel.manager.interrupt_kernel()
    ask(page, lambda fake: fake.hear("cancel"))
    assert time.monotonic() - begun < 0.3
    assert kernel.shown(message).lstrip().startswith(("CancelledError", "KeyboardInterrupt"))
    assert kernel.run("print(channel.call_sync('double', 1))") == "2\n"


def test_the_main_thread_serves_the_page_while_a_cell_awaits(kernel: Kernel, page: SimpleNamespace) -> None:
    kernel.run("import asyncio, threading\ngo = asyncio.Event()")
    kernel.run("@channel.expose\ndef let_go():\n    go.set()\n    return threading.current_thread().name")
    message = kernel.begin("print('waits', flush=True)\nawait go.wait()\nprint('went')")
    assert ask(page, lambda fake: called(fake, "let_go")) == "MainThread"
    assert "went" in kernel.shown(message)


def test_a_thread_of_its_own_serves_the_page_while_a_cell_sleeps(kernel: Kernel, page: SimpleNamespace) -> None:
    kernel.run("import threading, time\ngo = threading.Event()")
    kernel.run("channel.expose(lambda: go.set() or 'set', name='wake', thread='own')")
    message = kernel.begin("print('waits', flush=True)\nwhile not go.is_set(): time.sleep(0.01)\nprint('woke')")
    assert ask(page, lambda fake: called(fake, "wake")) == "set"
    assert "woke" in kernel.shown(message)


def test_an_interrupt_ends_what_a_page_runs_on_the_main_thread_between_cells(
    kernel: Kernel, page: SimpleNamespace
) -> None:
    kernel.run(
        "import threading, time\nbegun = threading.Event()\n"
        "channel.expose(lambda: begun.wait(20), name='begun', thread='own')\n"
        "@channel.expose\ndef sleeps():\n    begun.set()\n    while True: time.sleep(0.01)"
    )
    ask(page, lambda fake: fake.call("sleeps", number=5))
    assert ask(page, lambda fake: called(fake, "begun")) is True
    kernel.manager.interrupt_kernel()
    assert ask(page, lambda fake: fake.error())["name"] == "KeyboardInterrupt"
    assert kernel.run("print(1)") == "1\n"


def test_a_fork_of_the_kernel_has_no_channel(kernel: Kernel, page: SimpleNamespace) -> None:
    code = (
        "import os\nreading, writing = os.pipe()\nchild = os.fork()\n"
        "if child == 0:\n"
        "    try:\n        open_channel(show=False)\n"
        "    except Exception as error:\n        os.write(writing, type(error).__name__.encode())\n"
        "    os._exit(0)\n"
        "_ = os.waitpid(child, 0)\nprint(os.read(reading, 100).decode(), channel.call_sync('double', 1))"
    )
    assert kernel.run(code) == "NoChannel 2\n"


def test_a_kernel_that_is_restarted_hangs_up_and_frees_its_socket(kernel: Kernel, page: SimpleNamespace) -> None:
    kernel.client.stop_channels()
    kernel.manager.restart_kernel(now=False)
    ask(page, lambda fake: fake.hear("closed"))
    wait_until(lambda: not kernel.socket.exists(), "the socket is gone")
    kernel.connect()
    code = "from pyramid_notebook.channel import open_channel\nprint(open_channel(show=False).is_open)"
    assert kernel.run(code) == "True\n"
    assert kernel.socket.is_socket()
