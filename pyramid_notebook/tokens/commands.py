"""``pyramid-notebook token``: makes, lists and revokes tokens, for those who run a site.

It works on the site's database and asks nobody: whoever can read the site's settings may do this. A token lets pass
only while the site knows its user and grants them the permission.
"""

from __future__ import annotations

import argparse
import configparser
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..scopes import Grant
from ..settings import Settings

if TYPE_CHECKING:
    from .model import TokenInfo
    from .store import TokenStore

_DAY = 86400
_COLUMNS = ("id", "user", "name", "scopes", "expires", "last_used", "last_address")


def add_commands(subparsers: Any) -> None:
    """Add the command ``token`` to those of ``pyramid-notebook``.

    Args:
        subparsers: what :meth:`argparse.ArgumentParser.add_subparsers` returns.
    """
    text = "make, list and revoke the tokens of a site's users"
    token = subparsers.add_parser("token", help=text, description=f"{text.capitalize()}.")
    actions = token.add_subparsers(required=True, metavar="ACTION")

    create = _action(actions, "create", _create, "make a token; it is printed, and can never be shown again")
    create.add_argument("user", metavar="USER", help="whose token it is, as the site knows them")
    create.add_argument("--name", required=True, help="what it is for")
    create.add_argument(
        "--scope",
        required=True,
        action="append",
        metavar="SCOPE",
        help="sync, run, run:reports/*.ipynb, console or shell; may be repeated",
    )
    create.add_argument("--days", type=float, help="days that it is valid for; the site's setting says how many else")

    listing = _action(actions, "list", _list, "list tokens")
    listing.add_argument("user", metavar="USER", nargs="?", help="whose; without it, those of all users")

    revoke = _action(actions, "revoke", _revoke, "revoke tokens at once")
    revoke.add_argument("user", metavar="USER", help="whose")
    which = revoke.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", metavar="ID", nargs="*", default=[], help="ids of the tokens, see list")
    which.add_argument("--all", action="store_true", help="all tokens of the user")


def _action(actions: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=f"{text.capitalize()}.")
    add_site(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)
    return parser


def add_site(parser: argparse.ArgumentParser) -> None:
    """Add what tells which site a command is about."""
    parser.add_argument("ini", metavar="INI", help="the site's INI file; site.ini#name for a section app:name")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a value of the section DEFAULT of that file"
    )


def _create(options: argparse.Namespace) -> int:
    grants = tuple(map(Grant.parse, options.scope))
    settings = settings_of(options)
    usual = settings.usual_token_lifetime
    with _store(settings) as store:
        lifetime = usual if options.days is None else options.days * _DAY
        info, secret = store.create(options.user, options.name, grants, lifetime)
    if options.json:
        _print_json({**_described(info), "token": secret})
    else:
        sys.stderr.write(f"Token {info.id}, valid until {_told(info.expires)}. It is shown only now:\n")
        sys.stdout.write(f"{secret}\n")
    return 0


def _list(options: argparse.Namespace) -> int:
    with _store(settings_of(options)) as store:
        found = store.list_all() if options.user is None else store.list(options.user)
    if options.json:
        _print_json([_described(info) for info in found])
    else:
        _print_table([_described(info) for info in found])
    return 0


def _revoke(options: argparse.Namespace) -> int:
    with _store(settings_of(options)) as store:
        if options.all:
            done, unknown = store.revoke_all(options.user), []
        else:
            unknown = [token_id for token_id in options.ids if not store.revoke(token_id, options.user)]
            done = len(options.ids) - len(unknown)
    if options.json:
        _print_json({"revoked": done, "unknown": unknown})
    else:
        sys.stdout.write(f"Revoked: {done}\n")
    for token_id in unknown:
        sys.stderr.write(f"pyramid-notebook: {_printable(options.user)} has no token {_printable(token_id)}\n")
    return 1 if unknown else 0


@contextmanager
def _store(settings: Settings) -> Iterator[TokenStore]:
    from .database import open_store

    store = open_store(settings)
    try:
        yield store
    finally:
        store.close()


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings that the site itself would have.

    Args:
        options: with ``ini`` and ``set``, see :func:`add_site`.

    Raises:
        SettingsError: the INI file cannot be read, or a setting in it cannot be used.
    """
    from plaster.exceptions import PlasterError
    from pyramid.paster import get_appsettings

    try:
        values = dict(item.split("=", 1) for item in options.set)
    except ValueError:
        raise SettingsError("Write --set NAME=VALUE.") from None
    try:
        found: Mapping[str, Any] = get_appsettings(options.ini, options=values)
    except (OSError, LookupError, ValueError, configparser.Error, PlasterError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{options.ini} cannot be read as the INI file of a Pyramid site: {reason}") from error
    return Settings.from_mapping(found)


def _described(info: TokenInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "user": info.user,
        "name": info.name,
        "scopes": [str(grant) for grant in info.grants],
        "created": _told(info.created),
        "expires": _told(info.expires),
        "last_used": _told(info.last_used),
        "last_address": info.last_address,
    }


def _told(moment: float | None) -> str | None:
    """Return a moment as people and programs read it (RFC 3339)."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    table = [_COLUMNS, *([_cell(row[name]) for name in _COLUMNS] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


def _cell(value: Any) -> str:
    return _printable(" ".join(value) if isinstance(value, list) else value or "-")


def _printable(text: str) -> str:
    """Return a text that cannot move the cursor of a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
