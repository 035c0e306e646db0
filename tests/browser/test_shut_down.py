"""Out of a notebook: nothing stays behind."""

from __future__ import annotations

from pyramid_notebook.processes import members

from .visitor import Visitor


def test_the_file_menu_shuts_down_and_leads_back_to_the_site(user: Visitor) -> None:
    user.open_shell("JFK")
    record = user.record
    assert user.run("airport.iata") == "'JFK'"
    user.choose("File", "pyramid-notebook:shutdown")
    user.press(".jp-Dialog button", "Shut down")
    user.see("#open-shell")
    assert user.path == "/"
    assert members(record) == []
    assert not user.find("#shut-down")


def test_the_button_of_the_site_shuts_down(user: Visitor) -> None:
    user.open_shell("JFK")
    record = user.record
    user.visit("/")
    user.press("#shut-down button")
    user.wait(lambda: not user.find("#shut-down"), "the button is gone")
    assert members(record) == []
    assert user.find("#open-shell")


def test_what_was_typed_a_moment_before_the_end_is_there_the_next_time(user: Visitor) -> None:
    user.open_shell("ORD")
    user.write("kept = 'typed a moment before'")
    user.choose("File", "pyramid-notebook:shutdown")
    user.press(".jp-Dialog button", "Shut down")
    user.see("#open-shell")
    user.open_shell("ORD")
    user.see(".jp-CodeCell", "kept = 'typed a moment before'")
