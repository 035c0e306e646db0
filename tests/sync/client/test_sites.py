"""Which site a file is pushed to."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pyramid_notebook.credentials import Credential, CredentialFile
from pyramid_notebook.errors import SettingsError, SiteError
from pyramid_notebook.sync.client.sites import Place, choose

from .editor_site import TOKEN

ONE, TWO = "https://one.example/notebook", "https://two.example/shell"


def sign_in(site: str, user: str = "alice") -> None:
    CredentialFile().save(
        Credential(site=site, token=TOKEN, user=user, notebooks=f"{site}/{user}/", expires=time.time() + 1000)
    )


def chosen(home: Path, file: str = "x.py", site: str = "", **environment: str) -> Place:
    return choose(str(home / file), site, environment)


def configure(home: Path, text: str) -> None:
    folder = home / ".config/pyramid-notebook"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    (folder / "sync.toml").write_text(text)


def test_the_only_site_is_the_one(home: Path) -> None:
    sign_in(ONE)
    place = chosen(home)
    assert (place.site.notebooks, place.site.token, place.site.login) == (f"{ONE}/alice/", TOKEN, ONE)
    assert (place.file, place.mapping) == (str(home / "x.py"), {})
    assert TOKEN not in repr(place)


def test_none_or_several_are_an_error_that_says_what_to_do(home: Path) -> None:
    with pytest.raises(SiteError, match="pyramid-notebook login ADDRESS"):
        chosen(home)
    sign_in(ONE)
    sign_in(TWO)
    with pytest.raises(SiteError, match=f"--site.*: {ONE}, {TWO}$"):
        chosen(home)


@pytest.mark.parametrize("typed", ["two.example/shell", TWO, f"{TWO}/", f"{TWO}/alice/", "HTTPS://TWO.example/shell"])
def test_a_site_can_be_named_in_several_ways(home: Path, typed: str) -> None:
    sign_in(ONE)
    sign_in(TWO)
    assert chosen(home, site=typed).site.login == TWO
    assert chosen(home, PYRAMID_NOTEBOOK_URL=typed).site.login == TWO
    assert chosen(home, site="one.example", PYRAMID_NOTEBOOK_URL=typed).site.login == ONE


def test_a_site_that_nobody_signed_in_to_gets_no_token(home: Path) -> None:
    sign_in(ONE)
    for variables in ({}, {"PYRAMID_NOTEBOOK_TOKEN": TOKEN, "PYRAMID_NOTEBOOK_URL": f"{TWO}/alice/"}):
        with pytest.raises(SiteError, match=r"not signed in to https://three\.example\. Sign in: pyramid-n"):
            chosen(home, site="three.example", **variables)


def test_address_and_token_of_the_environment_come_before_the_credentials(home: Path) -> None:
    sign_in(ONE)
    site = chosen(home, PYRAMID_NOTEBOOK_URL="https://two.example/shell/bob", PYRAMID_NOTEBOOK_TOKEN="abc").site
    assert (site.notebooks, site.token, site.login) == ("https://two.example/shell/bob/", "abc", "")


@pytest.mark.parametrize(
    ("url", "token", "complaint"),
    [
        ("", "abc", "PYRAMID_NOTEBOOK_URL has to be the address"),
        ("https://a.example/", "a b", "What PYRAMID_NOTEBOOK_TOKEN holds is not a token"),
        ("https://a.example/", "a\nHost: b", "What PYRAMID_NOTEBOOK_TOKEN holds is not a token"),
        ("http://a.example/", "abc", "must begin with https://"),
        ("https://user@a.example/", "abc", "must not hold a user name"),
    ],
)
def test_an_environment_that_cannot_be_used(home: Path, url: str, token: str, complaint: str) -> None:
    with pytest.raises((SettingsError, SiteError), match=complaint) as raised:
        chosen(home, PYRAMID_NOTEBOOK_URL=url, PYRAMID_NOTEBOOK_TOKEN=token)
    assert token not in str(raised.value)


def test_folders_have_their_sites_and_places(home: Path) -> None:
    sign_in(ONE)
    sign_in(TWO)
    configure(
        home,
        f"""
        [[folder]]
        path = "~/work"
        site = "one.example"
        notebooks = "all"

        [[folder]]
        path = "{home}/work/deep/"
        site = "{TWO}"
        notebooks = ""

        [[folder]]
        path = "{home}/else"
        site = "one.example"
        """,
    )
    work = chosen(home, "work/x.py")
    assert (work.site.login, work.mapping) == (ONE, {f"{home}/work": "all"})
    deep = chosen(home, "work/deep/x.py")
    assert (deep.site.login, deep.mapping) == (TWO, {f"{home}/work/deep": ""})
    assert (chosen(home, "else/x.py").site.login, chosen(home, "else/x.py").mapping) == (ONE, {})
    with pytest.raises(SiteError, match="--site"):
        chosen(home, "workshop/x.py")
    # the folder of one site says nothing about another
    other = chosen(home, "work/deep/x.py", site="one.example")
    assert (other.site.login, other.mapping) == (ONE, {f"{home}/work": "all"})


def test_a_file_is_found_by_its_way_over_a_link(home: Path) -> None:
    sign_in(ONE)
    (home / "disk").mkdir()
    (home / "work").symlink_to("disk")
    configure(home, '[[folder]]\npath = "~/work"\nnotebooks = "w"')
    place = chosen(home, "disk/x.py")
    assert (place.file, place.mapping) == (f"{home}/work/x.py", {f"{home}/work": "w"})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[folder]", "is not TOML: "),
        ("\xff", "is not TOML: "),
        ("folders = []", "unknown key 'folders'; the nearest is 'folder'"),
        ("folder = 1", "folder has to be a list of tables"),
        ("folder = [1]", "folder 1 has to be a table"),
        ('[[folder]]\nsite = "a"', "folder 1: path is missing"),
        ('[[folder]]\npath = "work"', "folder 1: path has to begin with / or ~"),
        ('[[folder]]\npath = "/a"\n[[folder]]\npath = "/b"\nnotebook = ""', "folder 2: unknown key 'notebook'; the n"),
        ('[[folder]]\npath = "/a"\nnotebooks = 3', "folder 1: notebooks has to be a text"),
        ('[[folder]]\npath = "/a"\nsite = ""', "folder 1: site has to be a text"),
        ('[[folder]]\npath = "/a"\nsite = "http://a.example"', "folder 1: site: a.example is not on this machine"),
    ],
)
def test_an_error_of_the_configuration_names_file_and_key(home: Path, text: str, complaint: str) -> None:
    sign_in(ONE)
    configure(home, text)
    (home / ".config/pyramid-notebook/sync.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError) as raised:
        chosen(home)
    assert str(raised.value).startswith(f"{home}/.config/pyramid-notebook/sync.toml")
    assert complaint in str(raised.value)


def test_a_configuration_that_cannot_be_read_is_an_error(home: Path) -> None:
    sign_in(ONE)
    (home / ".config/pyramid-notebook/sync.toml").mkdir()
    with pytest.raises(SettingsError, match=r"sync\.toml cannot be read: Is a directory"):
        chosen(home)
