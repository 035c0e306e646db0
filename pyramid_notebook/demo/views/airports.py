"""The airports: list with search, pages of a state and of an airport, and the map."""

from __future__ import annotations

import heapq
from typing import Any, TypeVar

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, joinedload

from ..geography import MAP_HEIGHT, MAP_WIDTH, distance, project
from ..models import Airport, Base, State
from ..paging import fetch_page

Model = TypeVar("Model", bound=Base)

NEAREST = 6
LONGEST_SEARCH = 100


def includeme(config: Configurator) -> None:
    """Add routes and views."""
    config.add_route("home", "/")
    config.add_route("state", "/states/{code}")
    config.add_route("airport", "/airports/{iata}")
    config.add_route("map", "/map.svg")
    templates = "pyramid_notebook.demo:templates"
    config.add_view(list_airports, route_name="home", renderer=f"{templates}/home.jinja2", permission="view")
    config.add_view(show_state, route_name="state", renderer=f"{templates}/state.jinja2", permission="view")
    config.add_view(show_airport, route_name="airport", renderer=f"{templates}/airport.jinja2", permission="view")
    config.add_view(show_map, route_name="map", renderer=f"{templates}/map.jinja2", permission="view", http_cache=3600)


def list_airports(request: Request) -> dict[str, Any]:
    """List all airports, or those whose code, name or city holds the words searched for."""
    search = request.GET.get("q", "").strip()[:LONGEST_SEARCH]
    query = find_airports(search).options(joinedload(Airport.state))
    return {"search": search, "page": fetch_page(request.dbsession, query, request.GET.get("page", ""))}


def show_state(request: Request) -> dict[str, Any]:
    """Show a state and its airports."""
    state = get_or_404(request, State, "code")
    query = select(Airport).where(Airport.state == state).order_by(Airport.name, Airport.iata)
    return {
        "state": state,
        "page": fetch_page(request.dbsession, query, request.GET.get("page", "")),
        "pins": [place for airport in state.airports if (place := project(airport.position))],
    }


def show_airport(request: Request) -> dict[str, Any]:
    """Show an airport, where it is, and its neighbours."""
    airport = get_or_404(request, Airport, "iata")
    place = project(airport.position)
    return {
        "airport": airport,
        "nearest": find_nearest(request.dbsession, airport),
        "pins": [place] if place else [],
    }


def show_map(request: Request) -> dict[str, Any]:
    """Draw each airport of the contiguous United States as a dot."""
    request.response.content_type = "image/svg+xml"
    positions = request.dbsession.execute(select(Airport.latitude, Airport.longitude))
    return {
        "width": MAP_WIDTH,
        "height": MAP_HEIGHT,
        "dots": [place for position in positions if (place := project(position))],
    }


def get_or_404(request: Request, model: type[Model], key: str) -> Model:
    """Return the row that the address names.

    Args:
        request: the request; its route has a placeholder named ``key``.
        model: the table.
        key: name of the placeholder, whose value is the primary key.

    Raises:
        HTTPNotFound: there is no such row.
    """
    found: Model | None = request.dbsession.get(model, request.matchdict[key])
    if found is None:
        raise HTTPNotFound(f"There is no {model.__name__.lower()} here.")
    return found


def find_airports(search: str) -> Select[Airport]:
    """Return the query for the airports whose code, name or city holds a text, the one with that code first."""
    query = select(Airport)
    if search:
        columns = (Airport.iata, Airport.name, Airport.city)
        query = query.where(or_(*(column.icontains(search, autoescape=True) for column in columns)))
    return query.order_by(Airport.iata != search.upper(), Airport.name, Airport.iata)


def find_nearest(session: Session, airport: Airport) -> list[tuple[Airport, float]]:
    """Return the nearest other airports with their distances in kilometres, nearest first."""
    others = session.execute(
        select(Airport.iata, Airport.latitude, Airport.longitude).where(Airport.iata != airport.iata)
    )
    far = ((distance(airport.position, (latitude, longitude)), iata) for iata, latitude, longitude in others)
    nearest = {iata: kilometres for kilometres, iata in heapq.nsmallest(NEAREST, far)}
    found = session.scalars(select(Airport).where(Airport.iata.in_(nearest)).options(joinedload(Airport.state)))
    return sorted(((other, nearest[other.iata]) for other in found), key=lambda pair: pair[1])
