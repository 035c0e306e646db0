"""Where the socket of a kernel lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyramid_notebook.channel.places import is_kernel_id, own_socket, socket_of
from pyramid_notebook.errors import NoChannel
from pyramid_notebook.record import LAUNCH_VARIABLE

KERNEL = "01234567-89ab-cdef-0123-456789abcdef"
ENVIRONMENT = {LAUNCH_VARIABLE: "0" * 32, "JUPYTER_RUNTIME_DIR": "/short"}


def test_a_kernel_finds_its_socket_in_the_folder_of_its_user_server() -> None:
    found = own_socket(ENVIRONMENT, f"/anywhere/kernel-{KERNEL}.json")
    assert found == (KERNEL, socket_of(KERNEL, Path("/short")))


@pytest.mark.parametrize("missing", [LAUNCH_VARIABLE, "JUPYTER_RUNTIME_DIR"])
def test_outside_of_a_user_server_there_is_no_channel(missing: str) -> None:
    environment = {name: value for name, value in ENVIRONMENT.items() if name != missing}
    with pytest.raises(NoChannel):
        own_socket(environment, f"/anywhere/kernel-{KERNEL}.json")


@pytest.mark.parametrize("name", ["", "kernel-.json", "kernel-../../x.json", f"kernel-{KERNEL}.json~", "kernel-1.json"])
def test_what_is_no_kernel_of_jupyter_has_no_channel(name: str) -> None:
    with pytest.raises(NoChannel):
        own_socket(ENVIRONMENT, name)


@pytest.mark.parametrize("text", ["", KERNEL.upper(), f"{KERNEL}\n", f"{KERNEL}/", KERNEL.replace("0", "\u0660")])
def test_what_is_no_kernel_id_is_none(text: str) -> None:
    assert is_kernel_id(KERNEL)
    assert not is_kernel_id(text)
