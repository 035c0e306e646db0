"""The file ``sync.toml``: which folders of this machine belong to which site, and to which folder there.

::

    [[folder]]
    path = "~/work/reports"
    site = "https://example.com/"
    notebooks = "reports"

It is below ``$XDG_CONFIG_HOME/pyramid-notebook``, usually ``~/.config/pyramid-notebook``, beside the credentials.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from ...credentials import default_path
from ...errors import SettingsError


class Folder(NamedTuple):
    """One folder of this machine.

    Attributes:
        path: where it is; absolute.
        site: the site that it belongs to; empty where the file does not say.
        notebooks: the folder below the user's notebooks that it stands for, empty for all of them; None where the file
            does not say.
    """

    path: str
    site: str = ""
    notebooks: str | None = None

    def name_of(self, file: str) -> str:
        """Return what a file below this folder is called by its way through it; an empty text for other files.

        Args:
            file: an absolute path; it may lead here over links.
        """
        if file.startswith(self.path.rstrip("/") + "/"):
            return file
        real, base = os.path.realpath(file), os.path.realpath(self.path).rstrip("/") + "/"
        return os.path.join(self.path, real.removeprefix(base)) if real.startswith(base) else ""  # noqa: PTH118


def path_of_configuration() -> Path:
    """Return where the file of this user is."""
    return default_path().with_name("sync.toml")


def read_folders() -> list[Folder]:
    """Return the folders that the user's file names; none where there is no file.

    Raises:
        SettingsError: the file cannot be read, or holds what cannot be used; the text names the key.
    """
    path = path_of_configuration()
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    import tomllib

    try:
        values = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # also UnicodeError
        raise SettingsError(f"{path} is not TOML: {error}") from None
    _check_keys(str(path), values, ["folder"])
    tables = values.get("folder", [])
    if not isinstance(tables, list):
        raise SettingsError(f"{path}: folder has to be a list of tables, each with the heading [[folder]].")
    return [_folder(f"{path}: folder {number}", table) for number, table in enumerate(tables, 1)]


def _folder(where: str, table: Any) -> Folder:
    if not isinstance(table, dict):
        raise SettingsError(f"{where} has to be a table, with the heading [[folder]].")
    _check_keys(where, table, list(Folder._fields))
    for key, value in table.items():
        if not isinstance(value, str) or not (value or key == "notebooks"):
            raise SettingsError(f"{where}: {key} has to be a text.")
    if "path" not in table:
        raise SettingsError(f"{where}: path is missing.")
    path = os.path.normpath(os.path.expanduser(table["path"]))  # noqa: PTH111
    if not path.startswith("/"):
        raise SettingsError(f"{where}: path has to begin with / or ~.")
    if "site" in table:
        _check_site(where, table["site"])
    return Folder(path, table.get("site", ""), table.get("notebooks"))


def _check_site(where: str, address: str) -> None:
    from ...errors import SiteError
    from ...site_client import site_address

    try:
        site_address(address)
    except SiteError as error:
        raise SettingsError(f"{where}: site: {error}") from None


def _check_keys(where: str, table: dict[str, Any], known: list[str]) -> None:
    for key in table:
        if key not in known:
            from difflib import get_close_matches

            nearest = get_close_matches(key, known, 1, cutoff=0)[0]
            raise SettingsError(f"{where}: unknown key {key!r}; the nearest is {nearest!r}.")
