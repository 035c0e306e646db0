"""The real ``pserve development.ini``."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import requests
from pyramid.paster import get_appsettings


@pytest.fixture
def address(ini_file, tmp_path):
    """Where a pserve listens that was told a port, a folder and a database on its command line."""
    command = [sys.executable, "-m", "pyramid.scripts.pserve", ini_file, "http_port=0"]
    command += [f"notebook_folder={tmp_path}/notebooks", f"database=sqlite:///{tmp_path}/demo.sqlite"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stderr.readline, "")
            yield next(found[1] for line in lines if (found := re.search(r"Serving on (\S+)", line)))
        finally:
            process.terminate()


def test_what_stands_on_the_command_line_overrides_the_file(address, tmp_path):
    assert not address.endswith((":9999", ":0"))
    assert address.startswith("http://127.0.0.1:")
    page = requests.get(address, timeout=20)
    assert "3,376 airports" in page.text
    assert (tmp_path / "demo.sqlite").exists()


def test_without_a_command_line_everything_is_below_var(ini_file):
    settings = get_appsettings(ini_file)
    assert settings["pyramid_notebook.notebook_folder"].endswith("/../../var/notebooks")
    assert settings["sqlalchemy.url"].endswith("/../../var/demo.sqlite")
