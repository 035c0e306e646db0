"""The page side of the product, in a real browser, in front of a real Jupyter server."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
import requests
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait
from urllib3.util import Retry

import pyramid_notebook

LABEXTENSIONS = Path(pyramid_notebook.__file__).parent / "server" / "labextension"
EXTENSION = LABEXTENSIONS / "pyramid-notebook"
BASE = "/notebook/alice/"
PAGES = {"notebook": ["tree", "notebooks/one.ipynb"], "lab": ["lab", "lab/tree/one.ipynb"]}
DOCUMENT = {"notebook": "notebooks/one.ipynb", "lab": "lab/tree/one.ipynb?reset"}

#: A user server with the two addresses of the door that the page posts to.
SERVER = """
import json, sys
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from traitlets.config import Config

port, work, ui, labextensions = sys.argv[1:]
base = "/notebook/alice/"
stopped = []

class Stop(APIHandler):
    def check_xsrf_cookie(self):
        pass
    def post(self):
        stopped.append(self.request.headers["Accept"])
        if self.get_cookie("refuse"):
            self.set_status(503)
            self.finish({"message": "The site is closed today."})
        elif self.get_cookie("unsaved") and not self.get_query_argument("notebook_anyway", ""):
            self.set_status(409)
            self.finish({"error": "unsaved", "message": "The disk is full."})
        else:
            self.finish({"location": base + "api/status?left"})
    def get(self):
        self.finish({"stopped": stopped})

def page_config(handler, values):
    additions = json.load(open(labextensions + "/page_config.json"))[ui]
    disabled = [*values["disabledExtensions"], *additions.pop("disabledExtensions", [])]
    return {
        **values, **additions, "disabledExtensions": disabled, "pyramidNotebookUi": ui,
        "pyramidNotebookHomeUrl": "/world/", "pyramidNotebookHomeTitle": "Back to World",
        "pyramidNotebookStopUrl": base + "-/stop", "pyramidNotebookStartUrl": base + "-/start",
    }

config = Config()
config.ServerApp.update(ip="127.0.0.1", port=int(port), port_retries=0, base_url=base, root_dir=work,
    open_browser=False, allow_root=True, quit_button=False, tornado_settings={"page_config_hook": page_config},
    jpserver_extensions={"notebook": True, "jupyterlab": ui == "lab", "jupyter_lsp": False, "notebook_shim": False,
        "jupyter_server_terminals": True, "jupyter_server_ydoc": True, "jupyter_server_fileid": True})
config.IdentityProvider.token = ""
for application in (config.JupyterNotebookApp, config.LabApp):
    application.update(extra_labextensions_path=[labextensions], expose_app_in_browser=True)
app = ServerApp(config=config)
app.initialize([])
app.web_app.add_handlers(".*$", [(base + "-/stop", Stop)])
app.start()
"""


class Site:
    """A running user server and the browser in front of it."""

    def __init__(self, ui: str, folder: Path, browser: webdriver.Chrome) -> None:
        self.ui, self.browser, self.work = ui, browser, folder / "work"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.root = f"http://127.0.0.1:{self.port}"
        environment = {**os.environ, "IPYTHONDIR": str(folder), "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings")}
        environment["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
        for name in ("config", "data", "runtime"):
            (folder / name).mkdir()
            environment[f"JUPYTER_{name.upper()}_DIR"] = str(folder / name)
        self.work.mkdir()
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        cells = [nbformat.v4.new_code_cell("6 * 7")]
        document = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(document, self.work / "one.ipynb")
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVER, str(self.port), str(self.work), ui, str(LABEXTENSIONS)],
                env=environment,
                stdout=log,
                stderr=log,
            )
        self.session = requests.Session()
        retry = Retry(total=300, backoff_factor=0.1, backoff_max=0.1)
        self.session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
        try:
            self.session.get(f"{self.root}{BASE}api/status").raise_for_status()
        except Exception:
            self.close()
            raise

    def open(self, path: str) -> None:
        """Show a page and wait until it is drawn."""
        self.browser.get(f"{self.root}{BASE}{path}")
        self.wait(lambda: self.find("#jp-MainMenu .lm-MenuBar-item") and self.find("#pyramid-notebook-home"))
        if ".ipynb" in path:
            self.wait(lambda: self.find(".jp-Notebook-cell"))
        self.browser.execute_async_script("window.jupyterapp.restored.then(arguments[0])")

    def find(self, selector: str) -> list[Any]:
        return self.browser.find_elements("css selector", selector)

    def wait(self, condition: Callable[[], Any], seconds: int = 30) -> Any:
        return WebDriverWait(self.browser, seconds, 0.05).until(lambda _: condition())

    def press(self, selector: str, text: str) -> None:
        """Press the one visible thing with this text, when it is there."""
        thing = self.wait(lambda: next((one for one in self.find(selector) if one.text.strip() == text), None))
        thing.click()

    def choose_shut_down(self) -> None:
        self.press("#jp-MainMenu .lm-MenuBar-item", "File")
        self.wait(lambda: self.find('.lm-Menu-item[data-command="pyramid-notebook:shutdown"]'))[0].click()

    def kernel_is_idle(self) -> bool:
        """Both in one look: before there is a kernel, the indicator says idle too."""
        return (
            self.browser.execute_script("""
            const status = document.querySelector(".jp-Notebook-ExecutionIndicator")?.dataset.status;
            const name = document.querySelector(".jp-Toolbar-kernelName")?.textContent ?? "No Kernel";
            return status === "idle" && name !== "" && name !== "No Kernel";
        """)
            is True
        )

    def stops(self) -> list[str]:
        """The Accept headers of the requests to stop that the site got."""
        return list(self.session.get(f"{self.root}{BASE}-/stop").json()["stopped"])

    def close(self) -> None:
        """End the server as a lost one ends: Jupyter may hang on TERM while a document loads."""
        self.process.kill()
        self.process.wait(20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-sync",
        "disable-background-networking",
        "disable-component-update",
        "window-size=1300,900",
        f"user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    chromedriver = "/usr/bin/chromedriver"
    service = Service(chromedriver) if Path(chromedriver).exists() else Service()
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope="module", params=["notebook", "lab"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, browser: webdriver.Chrome
) -> Iterator[Site]:
    site = Site(request.param, tmp_path_factory.mktemp(request.param), browser)
    yield site
    site.close()


class Traffic:
    """The HTTP requests that the browser has made since this was made."""

    def __init__(self, browser: webdriver.Chrome) -> None:
        self.browser, self.answers, self.pending = browser, dict[str, int](), set[str]()
        browser.get_log("performance")

    def settle(self) -> bool:
        """Read what has happened, and say whether all requests are answered."""
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            method, details = message["method"].removeprefix("Network."), message["params"]
            if method == "requestWillBeSent" and details["request"]["url"].startswith("http"):
                self.pending.add(details["requestId"])
            elif method == "responseReceived" and details["response"]["url"].startswith("http"):
                self.answers[details["response"]["url"]] = details["response"]["status"]
            elif method in ("loadingFinished", "loadingFailed"):
                self.pending.discard(details["requestId"])
        return not self.pending


def test_the_address_of_the_script_changes_with_its_content() -> None:
    load = json.loads((EXTENSION / "package.json").read_text())["jupyterlab"]["_build"]["load"]
    script, version = load.split("?v=")
    assert version == hashlib.sha256((EXTENSION / script).read_bytes()).hexdigest()[:16]


def test_a_page_asks_nobody_but_the_site_and_gets_no_error(site: Site) -> None:
    for page in PAGES[site.ui]:
        traffic = Traffic(site.browser)
        site.open(page)
        site.wait(traffic.settle)
        assert len(traffic.answers) > 20
        assert {url: status for url, status in traffic.answers.items() if status >= 400} == {}
        assert {urlsplit(url).netloc for url in traffic.answers} == {urlsplit(site.root).netloc}


def test_the_top_bar_leads_back_to_the_site(site: Site) -> None:
    for page in PAGES[site.ui]:
        site.open(page)
        link = site.find("#pyramid-notebook-home a")[0]
        assert link.is_displayed()
        assert (link.text, link.get_attribute("href")) == ("← Back to World", f"{site.root}/world/")


def test_the_file_menu_has_our_way_to_shut_down_and_not_jupyters(site: Site) -> None:
    site.open(DOCUMENT[site.ui])
    site.press("#jp-MainMenu .lm-MenuBar-item", "File")
    item = site.wait(lambda: site.find('.lm-Menu-item[data-command="pyramid-notebook:shutdown"]'))[0]
    assert item.is_displayed()
    for command in ("filemenu:shutdown", "filemenu:logout"):
        assert not any(one.is_displayed() for one in site.find(f'.lm-Menu-item[data-command="{command}"]'))


def test_only_a_site_with_lab_leads_from_one_interface_to_the_other(site: Site) -> None:
    site.open(DOCUMENT[site.ui])
    script = "return window.jupyterapp.hasPlugin('@jupyter-notebook/lab-extension:interface-switcher')"
    assert site.browser.execute_script(script) is (site.ui == "lab")


def test_a_cancelled_shut_down_asks_nothing_of_the_site(site: Site) -> None:
    site.open(DOCUMENT[site.ui])
    before = site.stops()
    site.choose_shut_down()
    site.press(".jp-Dialog button", "Cancel")
    site.wait(lambda: not site.find(".jp-Dialog"))
    assert site.stops() == before


def test_a_shut_down_that_fails_tells_why_and_stays(site: Site) -> None:
    site.open(DOCUMENT[site.ui])
    site.browser.add_cookie({"name": "refuse", "value": "yes"})
    try:
        site.choose_shut_down()
        site.press(".jp-Dialog button", "Shut down")
        site.wait(lambda: any("The site is closed today." in one.text for one in site.find(".jp-Dialog")))
    finally:
        site.browser.delete_cookie("refuse")
    site.press(".jp-Dialog button", "Close")
    assert site.find(".jp-Notebook-cell")


def test_a_shut_down_saves_and_goes_where_the_site_says(site: Site) -> None:
    site.open(DOCUMENT[site.ui])
    insert = "window.jupyterapp.shell.currentWidget.content.model.sharedModel.insertCell(0, arguments[0])"
    site.browser.execute_script(insert, {"cell_type": "code", "source": f"'kept {site.ui}'"})
    before = len(site.stops())
    site.choose_shut_down()
    site.press(".jp-Dialog button", "Shut down")
    site.wait(lambda: site.browser.current_url == f"{site.root}{BASE}api/status?left")
    assert site.stops()[before:] == ["application/json"]
    assert f"'kept {site.ui}'" in (site.work / "one.ipynb").read_text()


def test_a_shut_down_is_not_held_up_by_a_save_that_the_page_has_not_heard_of(site: Site) -> None:
    """A shared document is written by the server too; until the page is told, it believes in the file before that."""
    site.open(DOCUMENT[site.ui])
    site.browser.execute_script("""
        const { contents } = window.jupyterapp.serviceManager;
        const model = window.jupyterapp.shell.currentWidget.context.contentsModel;
        contents.fileChanged.emit({ type: "save", oldValue: null, newValue: { ...model, hash: "of the file before" } });
    """)
    site.choose_shut_down()
    site.press(".jp-Dialog button", "Shut down")
    site.wait(lambda: site.browser.current_url == f"{site.root}{BASE}api/status?left")


def test_a_shut_down_that_would_lose_work_asks_once_more(site: Site) -> None:
    site.open(DOCUMENT[site.ui])
    site.browser.add_cookie({"name": "unsaved", "value": "yes"})
    try:
        site.choose_shut_down()
        site.press(".jp-Dialog button", "Shut down")
        question = "The disk is full. Shut down all the same?"
        site.wait(lambda: any(question in one.text for one in site.find(".jp-Dialog")))
        site.press(".jp-Dialog button", "Shut down")
        site.wait(lambda: site.browser.current_url == f"{site.root}{BASE}api/status?left")
    finally:
        site.browser.delete_cookie("unsaved")


class GoneDoor(ThreadingHTTPServer):
    """What the door answers when the user server has ended, until it is asked to start it.

    With 503 Jupyter's page waits for the kernel; with 502 it says that the kernel died, in a dialog above our offer.
    """

    allow_reuse_address = True
    starts = 0


class GoneHandler(BaseHTTPRequestHandler):
    server: GoneDoor

    def _answer(self, status: int, answer: dict[str, str]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.server.starts and not self.path.startswith(f"{BASE}api"):
            self._answer(200, {"started": "again"})
        else:
            self._answer(503, {"error": "gone"})

    def do_POST(self) -> None:
        if self.path == f"{BASE}-/start":
            self.server.starts += 1
            self._answer(200, {"location": f"{BASE}tree"})
        else:
            self._answer(503, {"error": "gone"})

    def do_PUT(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize("ui", ["notebook", "lab"])
def test_a_user_server_that_has_ended_can_be_started_from_the_page(
    ui: str, tmp_path: Path, browser: webdriver.Chrome
) -> None:
    site = Site(ui, tmp_path, browser)
    try:
        traffic = Traffic(browser)
        site.open(DOCUMENT[ui])
        site.wait(site.kernel_is_idle)
        browser.execute_async_script("window.jupyterapp.shell.currentWidget.sessionContext.ready.then(arguments[0])")
        site.wait(traffic.settle)
    finally:
        site.close()
    with GoneDoor(("127.0.0.1", site.port), GoneHandler) as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        try:
            site.press(".Toastify__toast button, .Toastify__toast jp-button", "Start again")
            site.wait(lambda: "again" in site.browser.page_source)
            assert door.starts == 1
        finally:
            site.browser.get("about:blank")
            door.shutdown()
