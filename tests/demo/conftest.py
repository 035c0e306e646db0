"""The real demo site, made from its own INI file, on a database of the test run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyramid.paster import get_app
from pyramid.router import Router
from webtest import TestApp, TestResponse

import pyramid_notebook.demo


@pytest.fixture(scope="session")
def ini_file() -> str:
    return str(Path(pyramid_notebook.demo.__file__).with_name("development.ini"))


@pytest.fixture(scope="session")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the tests would write on pserve's command line."""
    folder = tmp_path_factory.mktemp("demo")
    return {"notebook_folder": str(folder / "notebooks"), "database": f"sqlite:///{folder}/demo.sqlite"}


def browser(application: Router) -> TestApp:
    """Make a client that says of itself what a browser says when a person follows links and sends forms."""
    return TestApp(application, {"HTTP_ACCEPT": "text/html", "HTTP_SEC_FETCH_SITE": "same-origin"})


@pytest.fixture(scope="session")
def application(ini_file: str, options: dict[str, str]) -> Router:
    return get_app(ini_file, options=options)


@pytest.fixture
def site(application: Router) -> TestApp:
    """A browser in which nobody is signed in."""
    return browser(application)


@pytest.fixture
def sign_in(site: TestApp) -> Callable[..., TestResponse]:
    """Fill in the login form; the answer is a redirect, or the form again."""

    def fill_in(name: str = "user", password: str = "password", *, address: str = "/login") -> TestResponse:
        form = site.get(address).forms["log-in"]
        form["name"], form["password"] = name, password
        return form.submit(expect_errors=True)

    return fill_in
