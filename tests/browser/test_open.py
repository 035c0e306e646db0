"""From the site into a notebook."""

from __future__ import annotations

from typing import Any

from tests.running import Site

from .visitor import Visitor

#: Keeps what the launch page shows, because it is gone in a moment.
WATCH = """
addEventListener("DOMContentLoaded", () => {
  const steps = document.querySelector("#pnb-launch .pnb-steps");
  if (!steps) return;
  const look = () => {
    const now = steps.querySelector(".pnb-now")?.textContent;
    sessionStorage.seen = (sessionStorage.seen ?? "") + now + ";";
  };
  look();
  new MutationObserver(look).observe(steps, { subtree: true, attributes: true });
});
"""

#: Jupyter Notebook 7.6 itself writes this at each start of a page, with no site around it as well.
UPSTREAM = "Uncaught TypeError: Cannot read properties of undefined (reading 'schema')"


def troubles(user: Visitor) -> list[str]:
    return [message for message in user.troubles() if UPSTREAM not in message]


def test_the_way_to_a_notebook_shows_its_progress(user: Visitor) -> None:
    assert user.site.manager.find("user") is None
    watch = user.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    user.open_shell("JFK")
    user.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", watch)
    seen = user.driver.execute_script("return sessionStorage.seen").split(";")
    assert seen[0] == "Starting your notebook server"
    assert seen[-2] == "Opening the notebook"


def test_a_notebook_greets_and_holds_the_object_of_its_page(user: Visitor) -> None:
    user.open_shell("JFK")
    assert "airport - John F Kennedy Intl, the airport you came from" in user.see(".jp-MarkdownCell", "airport")
    assert user.run("airport.name") == "'John F Kennedy Intl'"


def test_a_cell_shows_a_plot(user: Visitor) -> None:
    user.open_shell("BOS")
    user.run("import matplotlib.pyplot as plt; plt.plot([1, 2, 4]); plt.show()")
    picture = "return document.querySelector('.jp-OutputArea-output img[src^=\"data:image/png\"]')?.naturalWidth"
    user.wait(lambda: (user.driver.execute_script(picture) or 0) > 100, "a picture")


def test_two_users_at_once_have_notebooks_of_their_own(user: Visitor, other: Visitor) -> None:
    user.visit("/airports/LAX")
    other.visit("/airports/SFO")
    user.press("#open-airport-shell button")
    other.press("#open-airport-shell button")
    user.until_idle()
    other.until_idle()
    assert user.run("mine = 1; airport.iata") == "'LAX'"
    assert other.run("airport.iata") == "'SFO'"
    assert other.run("'mine' in globals()") == "False"


def test_the_notebooks_of_another_user_are_forbidden(user: Visitor, other: Visitor) -> None:
    user.open_shell("LAX")
    other.visit(user.path)
    assert other.status == 403
    assert other.see("h1") == "Not allowed"
    assert not other.find(".jp-Notebook")


def test_who_lacks_the_permission_has_no_button_and_is_refused(browser: Any, site: Site) -> None:
    guest = Visitor(browser, site, "guest")
    guest.sign_in()
    guest.visit("/airports/JFK")
    assert guest.see("h1", "John F Kennedy")
    assert not guest.find("#open-shell")
    assert not guest.find("#open-airport-shell")
    guest.visit("/notebook/guest/tree")
    assert guest.status == 403
    assert guest.see("h1") == "Not allowed"


def test_a_stranger_gets_the_login_form(browser: Any, site: Site) -> None:
    stranger = Visitor(browser, site, "nobody")
    stranger.visit("/notebook/user/tree")
    assert stranger.path == "/login"
    assert stranger.find("#log-in")


def test_the_ordinary_way_writes_no_error_to_the_console(user: Visitor) -> None:
    user.troubles()
    user.open_shell("SEA")
    assert user.run("airport.city") == "'Seattle'"
    user.reload()
    assert user.run("1 + 1") == "2"
    assert troubles(user) == []
