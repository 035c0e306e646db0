"""Distances on the earth, and the projection of the map (pure). A position is (latitude, longitude) in degrees."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

#: Mean radius of the earth in kilometres (IUGG).
EARTH_RADIUS = 6371.0088

#: Size of the map in its own units.
MAP_WIDTH, MAP_HEIGHT = 960, 600


def distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the great-circle distance of two positions in kilometres (haversine formula)."""
    latitude, longitude = map(radians, one)
    other_latitude, other_longitude = map(radians, other)
    chord = (
        sin((other_latitude - latitude) / 2) ** 2
        + cos(latitude) * cos(other_latitude) * sin((other_longitude - longitude) / 2) ** 2
    )
    return 2 * EARTH_RADIUS * asin(min(1.0, sqrt(chord)))


_SOUTH, _NORTH, _CENTRE = radians(29.5), radians(45.5), (radians(37.8), radians(-96))
_CONE = (sin(_SOUTH) + sin(_NORTH)) / 2
_CONSTANT = cos(_SOUTH) ** 2 + 2 * _CONE * sin(_SOUTH)
_SCALE = 1230.0


def project(position: tuple[float, float]) -> tuple[float, float] | None:
    """Return the place of a position on the map, or None outside of the contiguous United States.

    Albers equal-area conic projection with the standard parallels 29.5° and 45.5° (J. P. Snyder, "Map Projections:
    A Working Manual", USGS 1987, p. 100). x grows to the east, y to the south, in units of the map.
    """
    if not (24 < position[0] < 50 and -126 < position[1] < -66):
        return None
    latitude, longitude = map(radians, position)
    angle = _CONE * (longitude - _CENTRE[1])
    radius = sqrt(_CONSTANT - 2 * _CONE * sin(latitude)) / _CONE
    centre = sqrt(_CONSTANT - 2 * _CONE * sin(_CENTRE[0])) / _CONE
    x = MAP_WIDTH / 2 + _SCALE * radius * sin(angle)
    y = MAP_HEIGHT / 2 - _SCALE * (centre - radius * cos(angle))
    return round(x, 1), round(y, 1)
