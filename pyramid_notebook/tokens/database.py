"""Opens the database of the tokens: a SQLite file of ours, or what ``database_url`` names."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ..errors import SettingsError, TokenStoreError, UnsafePath
from ..files import locked, private_folder
from ..settings import Settings
from .migrations import upgrade
from .store import TokenStore

#: Seconds to wait for whoever writes to a SQLite file.
_BUSY_SECONDS = 10
#: How long PostgreSQL is waited for (libpq, "Parameter Key Words"); what the site's own URL says counts more.
_PATIENCE = {
    "connect_timeout": "3",  # seconds
    "tcp_user_timeout": "5000",  # milliseconds, as the next
    "options": "-c statement_timeout=5000",
}


def open_store(settings: Settings) -> TokenStore:
    """Return the store of a site's tokens; its tables are made, or brought up to date, where that is needed.

    Args:
        settings: the site's settings.

    Raises:
        SettingsError: ``database_url`` cannot be used.
        UnsafePath: the SQLite file, or its folder, is a link or belongs to somebody else.
        NewerDatabase: a newer version of this package has changed the tables.
        TokenStoreError: the database does not answer.
    """
    engine = open_engine(settings)
    try:
        upgrade(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise TokenStoreError from error
    return TokenStore(
        engine,
        maximum_lifetime=settings.token_max_lifetime,
        failures_per_minute=settings.token_failures_per_minute,
    )


def open_engine(settings: Settings) -> Engine:
    """Return an engine for the database that the settings name; a SQLite file is made, 0600, where there is none.

    Raises:
        SettingsError, UnsafePath, TokenStoreError: see :func:`open_store`.
    """
    url = _url(settings)
    if url.get_backend_name() == "sqlite":
        _prepare_file(Path(url.database or ""))
        engine = create_engine(url.update_query_dict({"timeout": str(_BUSY_SECONDS)}), hide_parameters=True)
        event.listen(engine, "connect", _on_connect)
        return engine
    url = url.set(query={**_PATIENCE, **url.query})
    return create_engine(url, pool_pre_ping=True, pool_recycle=1800, hide_parameters=True)  # outlives its restart


def _url(settings: Settings) -> URL:
    if not settings.database_url:
        folder = private_folder(private_folder(Path(settings.notebook_folder)) / ".tokens")
        return URL.create("sqlite", database=str(folder / "tokens.sqlite"))
    try:
        url = make_url(settings.database_url)
    except (ArgumentError, ValueError):
        # without the error's own text, and without what it was raised from: both may hold the password
        raise SettingsError("The setting pyramid_notebook.database_url is not the URL of a database.") from None
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _prepare_file(path: Path) -> None:
    """Make a SQLite file that only we can read, in the mode in which readers do not wait for writers."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnsafePath(f"The database {path} cannot be opened: {error.strerror}.") from error
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise UnsafePath(f"The database {path} belongs to another user.")
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    # of several processes that change the mode at once, SQLite lets all but one fail instead of wait
    try:
        with (
            locked(path.with_name(f"{path.name}.lock"), timeout=_BUSY_SECONDS),
            closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection,
        ):
            connection.execute("PRAGMA journal_mode = WAL")
    except (sqlite3.Error, OSError) as error:
        raise TokenStoreError(f"The database {path} cannot be used: {error}.") from error


def _on_connect(connection: Any, _record: Any) -> None:
    # what was revoked stays revoked when the machine loses its power
    connection.execute("PRAGMA synchronous = FULL")
