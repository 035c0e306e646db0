"""The tutorial about one notebook that is called from everywhere, followed with its two notebooks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
from nbclient import NotebookClient
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from pyramid_notebook.files import private_folder
from pyramid_notebook.functions.program import Program
from pyramid_notebook.scopes import parse_grants
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from tests.running import CHROMEDRIVER, CHROMIUM_FLAGS, free_port, wait_until

from .blocks import BLOCKS, ROOT, block, shell, table
from .visitors import AROUND, Visitor, nothing_left, serving

PAGE = "docs/functions-tutorial.md"
EXAMPLES = ROOT / "docs" / "examples"
OUTPUT = "OutputModel"
_STATE = "application/vnd.jupyter.widget-state+json"
#: Lets the site of the page know its users, and what programs they may send.
MORE = """
from pyramid.security import Allowed


def includeme(config):
    config.include("fuel_site")
    config.set_notebook_permits(lambda request, username, permission: Allowed("all may"))
"""
INI = """
[app:main]
use = call:around:main
around = more
pyramid_notebook.notebook_folder = %(here)s/notebooks

[server:main]
use = egg:waitress#main
asyncore_use_poll = true
"""


@dataclass(frozen=True)
class Site:
    """A site with the code of the page, which runs."""

    folder: Path
    visitor: Visitor
    token: str


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True) as place:
        folder, port = Path(place), free_port()
        texts = {"around.py": AROUND, "more.py": MORE, "fuel_site.py": block(PAGE, "fuel_site.py")}
        for name, text in {**texts, "site.ini": f"{INI}listen = localhost:{port}\n"}.items():
            (folder / name).write_text(text)
        with nothing_left(folder) as manager:
            for user in ("functions", "alice"):
                shutil.copytree(EXAMPLES, private_folder(manager.folder(user).work), dirs_exist_ok=True)
            with serving("PYTHONPATH=$PWD env/bin/pserve site.ini", folder, port) as visitor:
                tokens = open_store(Settings(notebook_folder=str(folder / "notebooks")))
                token = tokens.create("alice", "a program", parse_grants("run"), 3600)[1]
                tokens.close()
                visitor.session.cookies.set("user", "alice")
                yield Site(folder, visitor, token)


def answer() -> Any:
    """Return what the page says that the model returns."""
    [told] = [item.text for item in BLOCKS if item.page == PAGE and item.language == "json"]
    return json.loads(told)


def test_what_the_page_installs_is_what_the_tests_have():
    for line in (shell(PAGE, "vega_datasets"), shell(PAGE, "voila")):
        for name in line.removeprefix("pip install ").split():
            assert distribution(name).version, name


@pytest.mark.parametrize("file", ["call.py", "shared.py", "kernel.py", "errors.py"])
def test_programs_of_the_page_print_what_it_says(folder, file):
    shutil.copy(EXAMPLES / "fuel.ipynb", folder)
    (folder / file).write_text(block(PAGE, file))
    done = subprocess.run([sys.executable, file], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == re.findall(r"print\(.*\)  # (.*)", block(PAGE, file))


def test_the_model_has_the_tags_of_the_page():
    model = json.loads((EXAMPLES / "fuel.ipynb").read_text())
    code = [cell for cell in model["cells"] if cell["cell_type"] == "code"]
    rows = table(PAGE, "tags")
    assert [row[0].strip("` ").replace("`", "") for row in rows] == [
        ", ".join(cell["metadata"].get("tags", [])) for cell in code
    ]
    assert Program.of(model).snapshot == 1
    parameters = "".join(code[1]["source"])
    for line in re.findall(r"`([^`]+)`", rows[1][1]):
        assert line in parameters


def test_a_change_in_the_form_of_the_view_calls_the_model():
    view = nbformat.read(EXAMPLES / "fuel_view.ipynb", 4)
    code = [cell.source for cell in view.cells if cell.cell_type == "code"]
    assert "\n\n".join(code).split() == block(PAGE, "view.py").split()
    view.cells.append(nbformat.v4.new_code_cell("origin.value, horsepower.value = 'Japan', 90"))
    NotebookClient(view, timeout=30, kernel_name="python3", resources={"metadata": {"path": EXAMPLES}}).execute()
    widgets = view.metadata["widgets"][_STATE]["state"].values()
    [output] = [widget["state"]["outputs"] for widget in widgets if widget["model_name"] == OUTPUT]
    expected = f"{answer()['miles_per_gallon']} miles per gallon, such as: {', '.join(answer()['for_example'])}\n"
    assert [(shown["output_type"], shown["text"]) for shown in output] == [("stream", expected)]


def test_voila_serves_the_view_through_the_door_and_the_form_calls_the_model(site):
    started = requests.get(
        f"{site.visitor.url}/notebook/alice/restified/fuel.ipynb",
        headers={"Authorization": f"Bearer {site.token}"},
        timeout=60,
    )
    assert started.status_code == 200
    options = webdriver.ChromeOptions()
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*CHROMIUM_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        page = webdriver.Chrome(options=options, service=Service(str(CHROMEDRIVER)))
        try:
            page.get(f"{site.visitor.url}/")
            page.add_cookie({"name": "user", "value": "alice"})
            # its style sheets are on other hosts, which a machine without a network waits for
            page.execute_script("location.href = '/notebook/alice/voila/render/fuel_view.ipynb'")
            wait_until(lambda: "22.3 miles per gallon" in text_of(page), "the form shows what the model returned")
            choose = "const made = document.querySelector('select'); made.value = 'Japan';"
            page.execute_script(f"{choose} made.dispatchEvent(new Event('change', {{bubbles: true}}))")
            wait_until(lambda: "25.8 miles per gallon" in text_of(page), "the model was called again")
        finally:
            page.quit()


def text_of(page: webdriver.Chrome) -> str:
    return str(page.execute_script("return document.body ? document.body.innerText : ''"))


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_gets_what_the_page_shows(site):
    header = site.folder / ".notebook-header"
    header.touch(mode=0o600)
    header.write_text(f"Authorization: Bearer {site.token}\n")
    line = shell(PAGE, "curl").replace("https://example.com", site.visitor.url)
    environment = {**os.environ, "HOME": str(site.folder)}
    done = subprocess.run(["bash", "-euc", line], env=environment, capture_output=True, timeout=120, check=False)
    assert json.loads(done.stdout) == answer()


def test_a_view_of_the_site_shows_what_the_notebook_returns_and_its_route_publishes_it(site):
    assert site.visitor.get("/range").text == f"{answer()['miles_per_gallon']} miles per gallon"
    found = site.visitor.session.get(
        f"{site.visitor.url}/functions/fuel?origin=Japan&horsepower=90", headers={"Accept": "*/*"}, timeout=60
    )
    assert found.json() == answer()
