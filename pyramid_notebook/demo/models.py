"""The tables of the site: states with their airports, and users."""

from __future__ import annotations

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from .geography import distance


class Base(DeclarativeBase):
    """Declarative base of all models."""


class State(Base):
    """A state or territory."""

    __tablename__ = "state"

    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    airports: Mapped[list[Airport]] = relationship(back_populates="state", order_by="Airport.name")

    def __repr__(self) -> str:
        return f"<State {self.code} {self.name}>"


class Airport(Base):
    """An airport; ``latitude`` and ``longitude`` are degrees, north and east positive."""

    __tablename__ = "airport"

    iata: Mapped[str] = mapped_column(String(4), primary_key=True)
    name: Mapped[str] = mapped_column(String(120), index=True)
    city: Mapped[str] = mapped_column(String(80))
    country: Mapped[str] = mapped_column(String(80))
    latitude: Mapped[float]
    longitude: Mapped[float]
    state_code: Mapped[str] = mapped_column(ForeignKey("state.code"), index=True)
    state: Mapped[State] = relationship(back_populates="airports")

    @property
    def position(self) -> tuple[float, float]:
        """Latitude and longitude in degrees."""
        return self.latitude, self.longitude

    def distance_to(self, other: Airport) -> float:
        """Return the great-circle distance to another airport in kilometres."""
        return distance(self.position, other.position)

    def __repr__(self) -> str:
        return f"<Airport {self.iata} {self.name}>"


class User(Base):
    """A person who may sign in; ``groups`` are the names that the access control list speaks of."""

    __tablename__ = "user"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    groups: Mapped[list[str]] = mapped_column(JSON)

    def __repr__(self) -> str:
        return f"<User {self.name}>"


class EndedSession(Base):
    """A session that its user has signed out of; a copy of its cookie opens nothing any more."""

    __tablename__ = "ended_session"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    moment: Mapped[float] = mapped_column(index=True)

    def __repr__(self) -> str:
        return f"<EndedSession {self.id}>"
