"""Brings the tables to the form that this version of the code needs (Alembic)."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from ...errors import NewerDatabase

#: A table of ours and not Alembic's usual one: the database may be that of a site with migrations of its own.
VERSION_TABLE = "pnb_alembic_version"
_LOCATION = "pyramid_notebook:tokens/migrations"
_LOCK_NUMBER = 0x706E625F  # any number that others do not use: "pnb_"


def upgrade(engine: Engine) -> None:
    """Make or change the tables where that is needed; several processes may do so at once.

    Either all changes are made or none. Who comes second waits, and finds nothing to do.

    Args:
        engine: the database, SQLite or PostgreSQL.

    Raises:
        NewerDatabase: a newer version of this package has changed the tables.
        sqlalchemy.exc.SQLAlchemyError: the database does not answer.
    """
    scripts = ScriptDirectory.from_config(_config())
    with engine.connect() as connection:
        if _is_current(connection, scripts):
            return
    with engine.connect() as connection:
        _lock(connection)
        if not _is_current(connection, scripts):
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        connection.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", _LOCATION)
    return config


def _is_current(connection: Connection, scripts: ScriptDirectory) -> bool:
    found = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise NewerDatabase(
            f"The database of the tokens was changed by a newer version of pyramid_notebook (revision {found}; this "
            f"version knows {scripts.get_current_head()}). Update the package, or restore a backup of the database."
        )
    return found == scripts.get_current_head()


def _lock(connection: Connection) -> None:
    """Begin a transaction that is alone until it ends."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_NUMBER})")
