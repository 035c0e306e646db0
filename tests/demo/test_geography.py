from __future__ import annotations

from math import isclose, pi
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from vega_datasets import local_data

from pyramid_notebook.demo.data import STATES, read_airports
from pyramid_notebook.demo.geography import EARTH_RADIUS, MAP_HEIGHT, MAP_WIDTH, distance, project

positions = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


def test_chicago_and_new_york_are_1188_kilometres_apart():
    assert round(distance((41.9796, -87.9045), (40.6398, -73.7789))) == 1188


def test_a_distance_across_the_date_line_is_short():
    assert 60 < distance((52.0, -179.5), (52.0, 179.5)) < 70


@given(positions, positions)
def test_a_distance_is_the_same_both_ways_and_at_most_half_around_the_earth(one, other):
    assert 0 <= distance(one, other) <= EARTH_RADIUS * pi * 1.000001
    assert isclose(distance(one, other), distance(other, one), abs_tol=1e-6)


@given(positions)
def test_a_place_on_the_map_is_inside_of_it(position):
    place = project(position)
    assert place is None or (-150 < place[0] < MAP_WIDTH + 150 and -150 < place[1] < MAP_HEIGHT + 150)


def test_each_airport_of_the_sample_fits_the_map_and_has_a_state():
    with Path(local_data.airports.filepath).open(encoding="utf-8") as file:
        airports = list(read_airports(file))
    places = [place for each in airports if (place := project((each["latitude"], each["longitude"])))]
    assert len(airports) == 3376
    assert len(places) > 2900
    assert all(0 <= x <= MAP_WIDTH and 0 <= y <= MAP_HEIGHT for x, y in places)
    assert {each["state_code"] for each in airports} == set(STATES)
