"""The connection to the database: ``request.dbsession``, one transaction for each request."""

from __future__ import annotations

from pathlib import Path

import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.request import Request
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.orm import Session, sessionmaker

from .data import create_sample_data

#: Registry key of the factory of sessions. A session made with it is not bound to a request.
SESSIONS = "demo.sessions"
#: Registry key of the database itself.
ENGINE = "demo.engine"

#: Seconds to wait while another process writes.
LOCK_TIMEOUT = 30


def database_file(url: str) -> Path:
    """Return the path of the file that a ``sqlite:///…`` URL names.

    Raises:
        ValueError: the URL names no file.
    """
    name = make_url(url).database
    if not name or name == ":memory:":
        raise ValueError(f"sqlalchemy.url = {url!r}: the demo needs a SQLite file, sqlite:////absolute/path.")
    return Path(name)


def open_database(url: str) -> Engine:
    """Return an engine on a database that has all its tables and the sample data.

    Args:
        url: SQLAlchemy URL of a SQLite file. It is made, readable for its owner only, where it does not exist.
    """
    path = database_file(url)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT})
    create_sample_data(engine)
    return engine


def includeme(config: Configurator) -> None:
    """Open the database, and add ``request.dbsession``."""
    config.add_settings({"tm.manager_hook": "pyramid_tm.explicit_manager"})
    config.include("pyramid_tm")
    engine = config.registry[ENGINE] = open_database(config.get_settings()["sqlalchemy.url"])
    config.registry[SESSIONS] = sessionmaker(engine)
    config.add_request_method(_session, "dbsession", reify=True)


def _session(request: Request) -> Session:
    session: Session = request.registry[SESSIONS]()
    zope.sqlalchemy.register(session, transaction_manager=request.tm)
    return session
