"""The kernel goes on when the page, or the web server, starts anew."""

from __future__ import annotations

from .visitor import Visitor


def test_a_variable_is_there_after_the_page_was_loaded_again(user: Visitor) -> None:
    user.open_shell("JFK")
    user.run("kept = 41")
    user.reload()
    assert user.run("kept + 1") == "42"


def test_an_open_page_says_that_the_site_is_away_and_goes_on_by_itself(user: Visitor) -> None:
    user.open_shell("DEN")
    user.run("kept = 41")
    user.site.kill()
    user.see(".Toastify__toast", "The site does not answer.")
    user.site.start()
    user.wait(lambda: not user.find(".Toastify__toast"), "the site answers again")
    user.until_idle()
    assert user.run("kept + 1") == "42"


def test_the_kernel_goes_on_while_the_web_server_is_away(user: Visitor) -> None:
    user.open_shell("PHX")
    user.run("kept = 41")
    user.site.kill()
    user.site.start()
    user.open_shell("PHX")
    assert user.run("kept + 1") == "42"
