"""The settings of a site: one table, with every default."""

from __future__ import annotations

from dataclasses import MISSING, fields

import pytest

from pyramid_notebook.errors import SettingsError
from pyramid_notebook.settings import PREFIX, Settings

DEFAULTS = {
    "route_prefix": "/notebook",
    "permission": "shell",
    "admin_permission": "notebook_admin",
    "config_file": "",
    "ui": "notebook",
    "context_change": "keep",
    "kill_timeout": 3600,
    "max_lifetime": 0,
    "start_timeout": 60,
    "stop_timeout": 10,
    "max_servers": 10,
    "proxy_timeout": 120,
    "user_requests": 6,
    "user_websockets": 100,
    "decision_seconds": 2,
    "websocket_proxy": "",
    "require_https": False,
    "trusted_proxies": "",
    "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto",
    "socket_group": "",
    "alternative_domain": "",
    "site_domain": "",
    "layout": "",
    "home_url": "",
    "home_title": "Back to site",
    "zygote": True,
    "database_url": "",
    "token_lifetime": 90 * 86400,
    "token_max_lifetime": 365 * 86400,
    "token_failures_per_minute": 30,
    "preload": "",
    "function_timeout": 60,
    "function_long_timeout": 3600,
    "function_memory": 0,
    "function_calls": 4,
    "function_queue": 32,
    "function_result_bytes": 10_000_000,
    "function_result_seconds": 3600,
    "function_webhooks": "",
    "python": "",
}
BAD = {
    "zygote": ["", "maybe", "2"],
    "notebook_folder": ["", "notebooks", "./notebooks", "~/notebooks"],
    "route_prefix": ["", "/", "notebook", "//notebook", "/a//b", "/{user}"],
    "ui": ["", "Lab", "classic"],
    "context_change": ["", "stop", "Keep"],
    "kill_timeout": ["", "-1", "1.5", "1h", "None"],
    "max_lifetime": ["", "-1", "soon"],
    "start_timeout": ["", "0", "-5", "x"],
    "stop_timeout": ["", "0", "x"],
    "max_servers": ["", "0", "-1", "many"],
    "proxy_timeout": ["", "0", "x"],
    "decision_seconds": ["", "-1", "3", "x"],
    "preload": ["a;b", "a-b", "1", "a..b", "os; import sys"],
    "function_calls": ["0", "-1", "x"],
    "function_memory": ["-1", "1.5"],
    "function_webhooks": ["https://example.com", "user@example.com", "example.com/hook", "a?b"],
    "require_https": ["", "maybe"],
    "trusted_proxies": ["proxy.example.com", "*", "10.0.0.1/8", "10.0.0.300"],
    "trusted_proxy_headers": ["x-real-ip", "forwarded x-forwarded-for"],
    "alternative_domain": ["notebooks.example.com", "https://", "ftp://a", "https://a/b", "https://u@a", "//a"],
    "site_domain": ["example.com", "https://example.com/app"],
    "database_url": [
        "sqlite://",
        "sqlite:///relative",
        "mysql://host/name",
        "/srv/tokens.sqlite",
        "postgres://host/name",
    ],
    "token_lifetime": ["", "0", "-1", "90d"],
    "token_max_lifetime": ["", "0", "x"],
    "token_failures_per_minute": ["", "0", "-3", "many"],
}


def read(**values: object) -> Settings:
    return Settings.from_mapping({f"{PREFIX}{name}": value for name, value in values.items()})


def test_the_folder_alone_is_enough_and_the_rest_has_its_documented_default() -> None:
    settings = read(notebook_folder="/srv/notebooks")
    told = {item.name: getattr(settings, item.name) for item in fields(Settings)}
    assert told == {"notebook_folder": "/srv/notebooks", **DEFAULTS}


def test_every_default_is_a_value_that_the_setting_itself_takes() -> None:
    assert read(notebook_folder="/srv", **DEFAULTS) == read(notebook_folder="/srv")


def test_every_setting_is_explained_in_a_sentence() -> None:
    for item in fields(Settings):
        assert item.metadata["doc"].rstrip(".").count(" ") > 1, item.name
        assert item.metadata["doc"].endswith("."), item.name


def test_the_folder_is_the_only_setting_that_must_be_given() -> None:
    assert [item.name for item in fields(Settings) if item.default is MISSING] == ["notebook_folder"]
    with pytest.raises(SettingsError, match=r"missing: pyramid_notebook\.notebook_folder"):
        Settings.from_mapping({})


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [
        ("notebok_folder", "notebook_folder"),
        ("kill_time", "kill_timeout"),
        ("max_server", "max_servers"),
        ("route", "route_prefix"),
        ("Permission", "permission"),
    ],
)
def test_an_unknown_setting_is_refused_and_the_nearest_named(unknown: str, nearest: str) -> None:
    with pytest.raises(SettingsError, match=rf"{PREFIX}{unknown}\. Did you mean {PREFIX}{nearest}\?"):
        read(**{"notebook_folder": "/srv", unknown: "1"})


def test_an_unknown_setting_like_no_other_is_refused_with_all_that_are_known() -> None:
    with pytest.raises(SettingsError, match=r"Known: .*kill_timeout.*ui"):
        read(notebook_folder="/srv", qqqqqq="1")


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_is_refused_with_the_name_of_its_setting_and_what_it_must_be(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"{PREFIX}{name} = .*: (must be|is not)") as caught:
        read(**{"notebook_folder": "/srv", name: value})
    assert "invalid literal" not in str(caught.value)


def test_the_password_in_the_url_of_a_database_is_shown_nowhere() -> None:
    with pytest.raises(SettingsError, match=r"database_url = \(not shown\): must be a URL") as caught:
        read(notebook_folder="/srv", database_url="mysql://user:hidden@host/name")
    assert "hidden" not in str(caught.value)
    assert "hidden" not in repr(read(notebook_folder="/srv", database_url="postgresql://user:hidden@host/name"))


def test_a_second_host_needs_the_first_and_must_be_another_one() -> None:
    own = {"notebook_folder": "/srv", "alternative_domain": "https://notebooks.example.net"}
    with pytest.raises(SettingsError, match=r"missing: pyramid_notebook\.site_domain"):
        read(**own)
    with pytest.raises(SettingsError, match="must be another host"):
        read(**own, site_domain="https://notebooks.example.net:8443")
    settings = read(**own, site_domain=" https://Shop.example.com/ ")
    assert settings.site_domain == "https://shop.example.com"


def test_keys_of_others_are_not_looked_at() -> None:
    others = {"pyramid.includes": "x", "notebook_folder": "relative", "pyramid_notebooks.ui": "x"}
    assert Settings.from_mapping({f"{PREFIX}notebook_folder": "/srv", **others}) == read(notebook_folder="/srv")


def test_values_may_be_of_the_type_that_they_stand_for() -> None:
    assert read(notebook_folder="/srv", kill_timeout=5).kill_timeout == 5


def test_space_around_a_value_and_a_slash_at_its_end_do_not_matter() -> None:
    settings = read(notebook_folder=" /srv/notebooks/ ", route_prefix=" /shell/ ", ui=" lab ", kill_timeout=" 7 ")
    assert (settings.notebook_folder, settings.route_prefix) == ("/srv/notebooks", "/shell")
    assert (settings.ui, settings.kill_timeout) == ("lab", 7)
