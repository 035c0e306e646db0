"""With ``ui = lab`` it is JupyterLab that opens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.running import Site, demo_site

from .visitor import Visitor


@pytest.fixture(scope="module")
def lab() -> Iterator[Site]:
    with demo_site({"ui": "lab"}) as site:
        yield site


def test_the_button_opens_jupyterlab_with_the_object_of_its_page(browser: Any, lab: Site) -> None:
    user = Visitor(browser, lab, "user")
    user.sign_in()
    user.open_shell("JFK")
    assert user.path.startswith("/notebook/user/lab/tree/")
    assert user.run("airport.iata") == "'JFK'"
