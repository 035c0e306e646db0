"""A startup script that fails is shown where one looks: in the notebook."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running import Site

from .visitor import Visitor

TRACEBACK = ".jp-OutputArea-output", "SettingsError"


@pytest.fixture
def broken_site(site: Site) -> Iterator[Site]:
    """Break the site's INI file while the site runs: what runs does not mind, a kernel cannot set the site up."""
    ini = site.folder / "site.ini"
    text = ini.read_text()
    ini.write_text(text.replace("pyramid_notebook.layout", "pyramid_notebook.lay_out"))
    yield site
    ini.write_text(text)


def restart_kernel(user: Visitor) -> None:
    user.choose("Kernel", "kernelmenu:restart")
    user.press(".jp-Dialog button", "Restart")


def test_a_failed_startup_is_shown_and_what_ran_before_stays(user: Visitor, broken_site: Site) -> None:
    user.open_shell("ATL")
    trace = user.see(*TRACEBACK)
    assert "SettingsError: Unknown setting pyramid_notebook.lay_out" in trace
    assert "Did you mean pyramid_notebook.layout?" in trace
    assert user.run("'_options' in globals(), 'airport' in globals()").endswith("(True, False)")


def test_a_restart_runs_the_startup_again(user: Visitor, broken_site: Site) -> None:
    user.open_shell("MIA")
    user.see(*TRACEBACK)
    ini = broken_site.folder / "site.ini"
    ini.write_text(ini.read_text().replace("lay_out", "layout"))
    restart_kernel(user)
    user.wait(lambda: not user.find(*TRACEBACK), "the traceback is gone")
    user.until_idle()
    assert user.run("airport.iata") == "'MIA'"


def test_a_restart_of_the_kernel_brings_the_startup_variables_back(user: Visitor) -> None:
    user.open_shell("DFW")
    user.run("lost = airport = None")
    restart_kernel(user)
    user.wait(lambda: not user.find(".jp-Dialog"), "the question is gone")
    user.until_idle()
    assert user.run("airport.iata, 'lost' in globals()") == "('DFW', False)"
