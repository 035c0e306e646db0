"""The page about the way to the site, against the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyramid_notebook import Settings
from pyramid_notebook.handover import store
from pyramid_notebook.selftest import diagnosis
from tests.running import free_port

from .blocks import ROOT, block, table
from .visitors import AROUND, running

HOSTS = "docs/how-to/hosts.md"


@pytest.mark.parametrize(("scheme", "status"), [("https", 303), ("http", 403)])
def test_the_configuration_of_the_page_believes_its_proxy_and_wants_https(folder, scheme, status):
    port = free_port()
    text = block(HOSTS, "proxied.ini").replace("127.0.0.1:6543", f"127.0.0.1:{port}")
    more = "[app:main]\nuse = call:around:main\naround = pyramid_notebook\n"
    (folder / "around.py").write_text(AROUND)
    (folder / "site.ini").write_text(text.replace("[app:main]\n", more))
    with running("PYTHONPATH=$PWD env/bin/pserve site.ini", folder, port) as proxy:
        answer = proxy.session.post(
            f"{proxy.url}/notebook/-/stop",
            headers={
                "Host": "shop.example.com",
                "Origin": f"{scheme}://shop.example.com",
                "X-Forwarded-Proto": scheme,
                "X-Forwarded-For": "192.0.2.7",
                "Cookie": "user=ann",
            },
            allow_redirects=False,
            timeout=30,
        )
    assert answer.status_code == status, answer.text


def test_the_faults_are_all_that_the_program_names():
    source = Path(diagnosis.__file__).read_text()
    named = set(re.findall(r"Fault\(\s*\"(\w+)\"", source))
    assert {name.strip("`") for name, _what in table(HOSTS, "name")} == named


def test_numbers_and_defaults_of_the_page_are_the_real_ones():
    text = " ".join((ROOT / HOSTS).read_text().split())
    settings = Settings(notebook_folder="/x")
    assert f"valid for {store.TICKET_SECONDS} seconds" in text
    assert store.VISIT_SECONDS == 8 * 3600 and "eight hours at most" in text
    assert f"an upload of {diagnosis.UPLOAD_BYTES >> 20} MB" in text
    assert f"the permission `{settings.admin_permission}`" in text
    assert f"trusted_proxy_headers = {settings.trusted_proxy_headers}" in text
