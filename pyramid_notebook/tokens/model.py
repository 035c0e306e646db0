"""The tables of the tokens; they live in metadata of their own, so that no site's migrations see them.

Times are seconds since the epoch. Where a table changes, a new file in ``migrations/versions`` changes it in databases.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Double, Index, LargeBinary, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ..scopes import Allowed, Denied, Grant, Scope, allows

ID_LENGTH = 16
NAME_LENGTH = 100
ADDRESS_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """What is known of a token; the token itself is known to its user only.

    Attributes:
        id: names the token on pages and in logs.
        user: whose token it is, as the site knows them.
        name: what its user called it.
        grants: what it may do.
        created: when it was made, in seconds since the epoch as all that follow.
        expires: from when on it is not valid.
        last_used: when it was last used, to about a minute; None for never.
        last_address: the client's address then.
        revoked: when it was revoked; None where it was not.
    """

    id: str
    user: str
    name: str
    grants: tuple[Grant, ...]
    created: float
    expires: float
    last_used: float | None = None
    last_address: str = ""
    revoked: float | None = None

    def allows(self, scope: Scope, path: str = "") -> Allowed | Denied:
        """Tell whether its scopes are enough, see :meth:`pyramid_notebook.scopes.Grant.allows`."""
        return allows(self.grants, scope, path)


def moment_of(now: float | None) -> float:
    """Return the moment that an argument means, None for now, in seconds since the epoch."""
    return time.time() if now is None else now


class Base(DeclarativeBase):
    """Base of the tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {float: Double}  # noqa: RUF012 - SQLAlchemy's way to say it


class Token(Base):
    """One token; see :class:`TokenInfo`."""

    __tablename__ = "pnb_token"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    user: Mapped[str] = mapped_column("username", Text, index=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    scopes: Mapped[str] = mapped_column(Text)
    created: Mapped[float]
    expires: Mapped[float]
    last_used: Mapped[float | None]
    last_address: Mapped[str] = mapped_column(String(ADDRESS_LENGTH), default="")
    revoked: Mapped[float | None]


class DeviceRequest(Base):
    """A program that asks for a token (RFC 8628); see :mod:`pyramid_notebook.tokens.device`."""

    __tablename__ = "pnb_device_request"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    device_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    user_code: Mapped[str] = mapped_column(String(8), unique=True)
    client_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    address: Mapped[str] = mapped_column(String(ADDRESS_LENGTH))
    user_agent: Mapped[str] = mapped_column(String(200))
    scopes: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10))
    created: Mapped[float]
    expires: Mapped[float]
    interval: Mapped[int]
    polled: Mapped[float | None]
    decided: Mapped[float | None]
    user: Mapped[str | None] = mapped_column("username", Text)
    approved_scopes: Mapped[str | None] = mapped_column(Text)


class Failure(Base):
    """An attempt that failed, for one of those that it counts against: an address, or a user."""

    __tablename__ = "pnb_failure"
    __table_args__ = (Index("ix_pnb_failure_subject_at", "subject", "at"), Index("ix_pnb_failure_at", "at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(String(100))
    at: Mapped[float]
