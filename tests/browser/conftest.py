"""The demo site, which runs once for all tests here, and a browser for each of its users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_splinter.plugin import Browser  # type: ignore[import-untyped]

from tests.running import Site, chromium_options, chromium_service, demo_site

from .visitor import PATIENCE, Visitor


@pytest.fixture(scope="session")
def splinter_webdriver() -> str:
    return "chrome"


@pytest.fixture(scope="session")
def splinter_browser_class() -> Callable[..., Any]:
    """Start each browser with a chromedriver of its own, which makes it an empty profile, and ends with it."""
    return lambda *args, **options: Browser(*args, options=chromium_options(), service=chromium_service(), **options)


@pytest.fixture(scope="session")
def splinter_selenium_implicit_wait() -> int:
    """We wait for conditions; this one would make each look at what isn't there slow."""
    return 0


@pytest.fixture(scope="session")
def splinter_selenium_socket_timeout() -> int:
    return 2 * PATIENCE


@pytest.fixture(scope="session")
def splinter_screenshot_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the page of a test that failed is shown."""
    return str(tmp_path_factory.mktemp("screenshots"))


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    with demo_site() as site:
        yield site


@pytest.fixture(autouse=True, scope="module")
def nothing_left(site: Site) -> Iterator[None]:
    """End the user servers of a module, so that the next one finds none and has the memory."""
    yield
    for record in site.manager.servers():
        site.manager.stop(record.user)


def _forgetful(browser: Any) -> Any:
    # pytest-splinter's call of cookies.delete() deletes none with this splinter
    browser.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    # a page of an earlier test may still ask its site, which is gone, and what it says of that is not this test's
    browser.driver.get("about:blank")
    browser.driver.get_log("browser")
    return browser


@pytest.fixture
def browser(browser: Any) -> Any:
    """A browser in which nobody is signed in; it lives as long as the tests."""
    return _forgetful(browser)


@pytest.fixture
def second_browser(request: pytest.FixtureRequest, browser_instance_getter: Callable[..., Any]) -> Any:
    """One more, for a second user at the same time."""
    return _forgetful(browser_instance_getter(request, second_browser))


@pytest.fixture
def user(browser: Any, site: Site) -> Visitor:
    """The user ``user``, signed in."""
    visitor = Visitor(browser, site, "user")
    visitor.sign_in()
    return visitor


@pytest.fixture
def other(second_browser: Any, site: Site) -> Visitor:
    """The user ``user2``, signed in, in a browser of their own."""
    visitor = Visitor(second_browser, site, "user2")
    visitor.sign_in()
    return visitor


@pytest.fixture
def saved(site: Site) -> Callable[[Visitor], str]:
    """Return the text of all notebook files of a user."""
    return lambda visitor: "".join(file.read_text() for file in site.manager.folder(visitor.name).work.glob("*.ipynb"))
