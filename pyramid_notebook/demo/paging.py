"""Pages of a long list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

Item = TypeVar("Item")

PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page: its items, its number from 1, the number of the last page, and how many items there are in all."""

    items: Sequence[Item]
    number: int
    last: int
    total: int


def fetch_page(session: Session, query: Select[Item], wanted: str, *, size: int = PAGE_SIZE) -> Page[Item]:
    """Return one page of what a query finds.

    Args:
        session: where to ask.
        query: all items, in order.
        wanted: number of the page as it stands in the address; the nearest page that exists is returned.
        size: items on a page.
    """
    total = session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    last = max(1, -(-total // size))
    number = min(max(1, _number(wanted)), last)
    items = session.scalars(query.limit(size).offset((number - 1) * size)).all()
    return Page(items, number, last, total)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 1
