"""The sample data: airports from the package vega-datasets, and four users."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, insert, inspect

from .models import Airport, Base, State, User

#: Name and groups of each user. All have the password ``password``; ``guest`` may look, but gets no shell.
USERS: Mapping[str, list[str]] = {
    "user": ["analysts"],
    "user2": ["analysts"],
    "admin": ["analysts", "admins"],
    "guest": [],
}

STATES: Mapping[str, str] = {
    "AK": "Alaska", "AL": "Alabama", "AR": "Arkansas", "AS": "American Samoa", "AZ": "Arizona", "CA": "California",
    "CO": "Colorado", "CQ": "Northern Mariana Islands", "CT": "Connecticut", "DC": "District of Columbia",
    "DE": "Delaware", "FL": "Florida", "GA": "Georgia", "GU": "Guam", "HI": "Hawaii", "IA": "Iowa", "ID": "Idaho",
    "IL": "Illinois", "IN": "Indiana", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana", "MA": "Massachusetts",
    "MD": "Maryland", "ME": "Maine", "MI": "Michigan", "MN": "Minnesota", "MO": "Missouri", "MS": "Mississippi",
    "MT": "Montana", "NA": "Elsewhere", "NC": "North Carolina", "ND": "North Dakota", "NE": "Nebraska",
    "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico", "NV": "Nevada", "NY": "New York", "OH": "Ohio",
    "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "PR": "Puerto Rico", "RI": "Rhode Island",
    "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VA": "Virginia",
    "VI": "U.S. Virgin Islands", "VT": "Vermont", "WA": "Washington", "WI": "Wisconsin", "WV": "West Virginia",
    "WY": "Wyoming",
}  # fmt: skip

_UNKNOWN = "NA"


def create_sample_data(engine: Engine) -> None:
    """Make tables and data where they do not exist, in one transaction: other processes see all of it or nothing.

    A database of an earlier version gets the tables that it lacks.

    Any number of processes may call this at once; one of them does the work, and the others wait for it.
    """
    if _is_complete(engine):
        return
    # The driver begins transactions late and lets DDL slip out of them; in autocommit mode it leaves that to us.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        is_new = not inspect(connection).has_table(Airport.__tablename__)
        Base.metadata.create_all(connection)
        if is_new:
            _fill(connection)
        connection.exec_driver_sql("COMMIT")


def _is_complete(bind: Engine | Connection) -> bool:
    return set(Base.metadata.tables) <= set(inspect(bind).get_table_names())


def _fill(connection: Connection) -> None:
    from vega_datasets import local_data  # it imports pandas, which only the first start needs

    with Path(local_data.airports.filepath).open(encoding="utf-8", newline="") as file:
        airports = list(read_airports(file))
    connection.execute(insert(State), [{"code": code, "name": name} for code, name in STATES.items()])
    connection.execute(insert(Airport), airports)
    hasher = PasswordHasher()
    connection.execute(
        insert(User),
        [{"name": name, "password_hash": hasher.hash("password"), "groups": groups} for name, groups in USERS.items()],
    )


def read_airports(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the columns of each airport in a CSV file with a head line, as vega-datasets ships it."""
    for row in csv.DictReader(lines):
        yield {
            "iata": row["iata"],
            "name": row["name"],
            "city": "" if row["city"] == _UNKNOWN else row["city"],
            "country": row["country"],
            "latitude": float(row["latitude"]),
            "longitude": float(row["longitude"]),
            "state_code": row["state"],
        }
