"""What is killed from outside is noticed, said in words, and started again with one click at most."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial

import psutil
import pytest

from pyramid_notebook.processes import members

from .visitor import Visitor


@pytest.fixture
def written(user: Visitor, saved: Callable[[Visitor], str]) -> str:
    """Open a notebook, type into it, and wait until that is in the file, which takes a second."""
    user.open_shell("JFK")
    text = f"'written for pid {user.record.pid}'"
    assert user.run(text) == text
    user.wait(lambda: text in saved(user), "the file is written")
    return text


def kernels(user: Visitor) -> list[psutil.Process]:
    """The processes of the kernels of a user, as their command lines tell."""
    return [one for one in members(user.record) if any("kernel" in word for word in one.cmdline())]


def test_a_page_of_a_killed_user_server_is_an_offer_to_start_it(user: Visitor, written: str) -> None:
    address = user.path
    user.visit("/")
    killed = psutil.Process(user.record.pid)
    killed.kill()
    killed.wait(20)  # as long as it ends, it is one that does not answer
    user.visit(address)
    assert user.status == 502
    assert user.see(".pnb-message") == "Your notebook server is not running."
    user.press("button", "Start again")
    user.until_idle()
    assert user.path == address
    assert written in user.text
    assert user.run("airport.iata") == "'JFK'"


def test_an_open_page_of_a_killed_user_server_offers_to_start_it(user: Visitor, written: str) -> None:
    killed = user.record
    os.kill(killed.pid, signal.SIGKILL)
    user.see(".Toastify__toast", "Your notebook server has ended.")
    user.press(".Toastify__toast button, .Toastify__toast jp-button", "Start again")
    user.wait(lambda: user.site.manager.find("user"), "the user server runs again")
    user.wait(lambda: not user.find(".Toastify__toast"), "the page is loaded again")
    user.until_idle()
    assert written in user.text
    assert user.run("airport.iata") == "'JFK'"
    assert members(killed) == []


def test_a_killed_kernel_starts_by_itself_and_the_page_says_so(user: Visitor, written: str) -> None:
    user.run("lost = 1")
    [kernel] = kernels(user)
    kernel.kill()
    user.see(".jp-Dialog", "It will restart automatically")
    user.press(".jp-Dialog button", "Ok")
    user.until_idle()
    assert written in user.text
    assert user.run("airport.iata, 'lost' in globals()") == "('JFK', False)"


def test_a_notebook_is_whole_after_each_kill_of_its_server(user: Visitor, saved: Callable[[Visitor], str]) -> None:
    """What is typed after the server has saved comes after what the server itself wrote into the shared document."""

    def is_saved(source: str) -> bool:
        return source in saved(user)

    for number in range(4):
        if number % 2 == 0:
            user.open_shell("MSP")
        assert user.run(f"{number} * 10") == str(number * 10)
        user.wait(partial(is_saved, f'"{number} * 10"'), "the server has saved it")
        if number % 2 == 1:
            os.kill(user.record.pid, signal.SIGKILL)
    user.open_shell("MSP")
    assert [user.source(cell) for cell in range(len(user.cells))] == ["0 * 10", "1 * 10", "2 * 10", "3 * 10", ""]
    assert [user.output(cell) for cell in range(len(user.cells))] == ["0", "10", "20", "30", ""]
