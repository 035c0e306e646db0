"""Looks up single rows, for every request that has a token: on connections of its own that never begin a transaction.

What SQLAlchemy does around a query takes several times as long as the query. So the text of a query is made once, and
goes straight to the driver; SQLAlchemy keeps the connections and knows the dialect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, Select, create_engine
from sqlalchemy.exc import SQLAlchemyError

from ..errors import TokenStoreError

_CURSOR = "pyramid_notebook.cursor"


@contextmanager
def answering() -> Iterator[None]:
    """Say in words of ours that the database does not answer."""
    try:
        yield
    except SQLAlchemyError as error:
        raise TokenStoreError from error


class Reader:
    """Reads from a database; it may be used by many threads.

    Args:
        engine: the database. Its URL is all that is taken from it.
    """

    def __init__(self, engine: Engine) -> None:
        # a name in the query for each value is the one style that both drivers know
        style = {"paramstyle": "named"} if engine.dialect.name == "sqlite" else {}
        self._engine = create_engine(
            engine.url,
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,
            pool_size=10,
            pool_recycle=1800,
            hide_parameters=True,
            **style,
        )

    def prepared(self, query: Select[Any]) -> str:
        """Return the text of a query for this database; its values are those of named ``bindparam``."""
        return str(query.compile(dialect=self._engine.dialect))

    def row(self, text: str, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Return the first row that a query finds, or None.

        Args:
            text: see :meth:`prepared`.
            values: by name, of types that the driver itself takes and gives.

        Raises:
            TokenStoreError: the database does not answer.
        """
        try:
            return self._row(text, values)
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as error:
            raise TokenStoreError from error

    def close(self) -> None:
        """Close the connections that nobody uses just now."""
        self._engine.dispose()

    def _row(self, text: str, values: Mapping[str, Any], *, again: bool = True) -> tuple[Any, ...] | None:
        connection = self._engine.raw_connection()
        cursor = None
        try:
            # a cursor lives as long as its connection: to make one costs a tenth of the query
            cursor = connection.info.get(_CURSOR)
            if cursor is None:
                cursor = connection.info[_CURSOR] = connection.cursor()
            cursor.execute(text, values)
            rows = cursor.fetchall()  # to the end, else SQLite goes on reading
            return tuple(rows[0]) if rows else None
        except self._engine.dialect.loaded_dbapi.Error as error:
            lost = self._engine.dialect.is_disconnect(error, connection, cursor)
            connection.invalidate(error)
            if not (lost and again):
                raise
        finally:
            connection.close()
        self._engine.dispose()  # where one connection is lost, the database was restarted, and all are
        return self._row(text, values, again=False)
