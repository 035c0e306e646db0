"""The pages about calls from the command line, and from a site: followed, each as a whole."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import requests

from pyramid_notebook.functions import client
from pyramid_notebook.functions.client.commands import SUFFIXES
from tests.running import demo_site, free_port

from .blocks import ROOT, block, shell, table
from .readers import signed_in
from .test_blocks import CALL, FROM_A_SITE, FUNCTIONS_REFERENCE, bash
from .visitors import AROUND, nothing_left, serving

INI = """
[app:main]
use = call:around:main
around = around_loans
pyramid_notebook.notebook_folder = %(here)s/notebooks

[server:main]
use = egg:waitress#main
asyncore_use_poll = true
"""
INCLUDES = """
def includeme(config):
    config.include("pyramid_notebook")
    config.include("loans")
"""


def test_all_commands_of_the_page_print_what_it_shows(folder: Path) -> None:
    with demo_site() as site:
        signed_in(site, folder, "sync run").follow(CALL)


def test_the_exit_codes_and_suffixes_of_the_page_are_all_that_there_are() -> None:
    source = "".join(path.read_text() for path in Path(client.__file__).parent.glob("*.py"))
    [codes] = re.findall(r"^_DONE, .* = ([\d, ]+)$", source, re.MULTILINE)
    assert [row[0] for row in table(CALL, "exit code")] == [*codes.split(", "), "130"]
    text = (ROOT / CALL).read_text()
    assert all(f"`{suffix}`" in text for suffix in SUFFIXES)


def test_a_site_publishes_a_notebook_and_calls_it_from_a_view(folder: Path) -> None:
    port = free_port()
    (folder / "loans.py").write_text(block(FROM_A_SITE, "loans.py"))
    (folder / "around_loans.py").write_text(INCLUDES)
    (folder / "around.py").write_text(AROUND)
    (folder / "site.ini").write_text(f"{INI}listen = localhost:{port}\n")
    jupytext.write(jupytext.reads(block(FUNCTIONS_REFERENCE, "loan.py"), "py:percent"), folder / "loan.ipynb")
    bash(shell(FROM_A_SITE, "install"), folder)
    text = (ROOT / FROM_A_SITE).read_text()
    [address, answer] = re.findall(r"for `(/functions/[^`]*)` the JSON `([^`]*)`", text)[0]
    with nothing_left(folder), serving("PYTHONPATH=$PWD env/bin/pserve site.ini", folder, port) as ann:
        assert requests.get(f"{ann.url}{address}", timeout=60).status_code == 403
        ann.session.cookies.set("user", "ann", domain="localhost.local", path="/")
        ann.session.headers["Accept"] = "text/html, */*;q=0.8"  # as browsers say it
        assert ann.get(address).text == answer
        assert ann.get(address.partition("?")[0]).status_code == 422
        assert re.fullmatch(r"[\d.]+ each month", ann.get("/offer/10000").text)
        assert ann.get("/offer/much").status_code == 422
