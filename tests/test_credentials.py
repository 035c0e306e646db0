"""The file with the tokens of this user's programs."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.credentials import Credential, CredentialFile, default_path
from pyramid_notebook.errors import CredentialsUnreadable, UnsafePath

ONE = Credential(
    site="https://one.example/notebook",
    token="pnb_one",
    user="älice",
    notebooks="https://one.example/notebook/alice/",
    scope="sync run:reports/*.ipynb",
    expires=1_800_000_000.5,
)
TWO = ONE._replace(site="https://two.example/notebook", token="pnb_two")


@pytest.fixture
def file(folder: Path) -> CredentialFile:
    return CredentialFile(folder / "config" / "pyramid-notebook" / "credentials.json")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_where_nobody_signed_in_there_is_nothing(file):
    assert file.read() == {}
    assert file.find(ONE.site) is None


def test_each_site_has_its_own_credential(file):
    file.save(ONE)
    file.save(TWO)
    again = CredentialFile(file.path)
    assert (again.find(ONE.site), again.find(TWO.site), again.find("https://three.example")) == (ONE, TWO, None)


def test_a_new_credential_takes_the_place_of_the_old_one(file):
    new = ONE._replace(token="pnb_new")
    file.save(ONE)
    file.save(new)
    assert file.read() == {ONE.site: new}


def test_only_what_was_meant_is_forgotten(file):
    file.save(ONE)
    file.save(TWO)
    file.forget(ONE)
    file.forget(TWO._replace(token="pnb_older"))
    assert file.read() == {TWO.site: TWO}


def test_nobody_else_can_read_the_file_whatever_the_umask(file, run_python):
    source = "import os, sys, pathlib; os.umask(0); from pyramid_notebook.credentials import *\n"
    source += "CredentialFile(pathlib.Path(sys.argv[1])).save(Credential(site='s', token='pnb_x'))"
    done = run_python(source, str(file.path))
    assert done.returncode == 0, done.stderr
    assert (mode(file.path), mode(file.path.parent)) == (0o600, 0o700)


def test_a_file_that_others_may_read_is_not_used(file):
    file.save(ONE)
    file.path.chmod(0o640)
    for act in (file.read, file.prepare, lambda: file.save(TWO)):
        with pytest.raises(UnsafePath, match="Others may read"):
            act()


def test_a_link_in_its_place_is_not_followed(file, folder):
    file.save(ONE)
    target = folder / "elsewhere"
    file.path.rename(target)
    file.path.symlink_to(target)
    with pytest.raises(UnsafePath):
        file.read()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 1}', '{"version": 1, "sites": [{"site": "x"}]}'])
def test_something_else_in_its_place_is_said_and_kept(file, text):
    file.save(ONE)
    file.path.write_text(text)
    for act in (file.prepare, lambda: file.save(TWO)):
        with pytest.raises(CredentialsUnreadable, match="Delete it"):
            act()
    assert file.path.read_text() == text


def test_a_file_of_a_later_version_is_left_alone(file):
    file.save(ONE)
    file.path.write_text(json.dumps({"version": 2, "sites": []}))
    with pytest.raises(CredentialsUnreadable, match="another version"):
        file.save(TWO)


def test_what_a_later_version_adds_to_a_credential_is_not_looked_at(file):
    file.save(ONE)
    values = json.loads(file.path.read_text())
    values["sites"][0]["colour"] = "blue"
    file.path.write_text(json.dumps(values))
    assert file.find(ONE.site) == ONE


def test_programs_that_sign_in_at_once_lose_nothing(file):
    credentials = [ONE._replace(site=f"https://{number}.example") for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda credential: CredentialFile(file.path).save(credential), credentials))
    assert set(file.read().values()) == set(credentials)


def test_a_credential_does_not_show_its_token():
    assert "pnb_one" not in repr(ONE)


@pytest.mark.parametrize(
    ("configured", "expected"),
    [("/etc/xdg", "/etc/xdg"), ("", "/home/alice/.config"), ("relative", "/home/alice/.config")],
)
def test_the_file_is_where_the_xdg_specification_says(monkeypatch, configured, expected):
    monkeypatch.setenv("HOME", "/home/alice")
    monkeypatch.setenv("XDG_CONFIG_HOME", configured)
    assert default_path() == Path(expected, "pyramid-notebook", "credentials.json")


@given(st.builds(Credential, site=st.text(), token=st.text(), user=st.text(), expires=st.floats(0, 1e12)))
def test_any_credential_comes_back_as_it_was(tmp_path_factory, credential):
    file = CredentialFile(tmp_path_factory.getbasetemp() / "any" / "credentials.json")
    file.save(credential)
    assert file.find(credential.site) == credential
