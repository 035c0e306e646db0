from __future__ import annotations

import re

import pytest


def codes(page):
    return re.findall(r'<span class="code">(\w+)</span>', page.text)


def test_the_list_shows_how_many_airports_there_are(site):
    page = site.get("/")
    assert "3,376 airports" in page
    assert len(codes(page)) == 25


def test_the_pages_of_the_list_follow_each_other_without_a_gap(site):
    first = site.get("/")
    second = first.click("Next")
    assert not set(codes(first)) & set(codes(second))
    assert codes(second.click("Previous")) == codes(first)


def test_the_last_page_holds_the_rest(site):
    page = site.get("/?page=136")
    assert len(codes(page)) == 3376 - 135 * 25
    assert 'rel="next"' not in page


@pytest.mark.parametrize(
    ("wanted", "number"), [("0", 1), ("-5", 1), ("two", 1), ("9" * 21, 136), ("9" * 5000, 1), ("\u0663", 3)]
)
def test_a_page_that_does_not_exist_becomes_one_that_does(site, wanted, number):
    assert f"Page {number} of 136" in site.get("/", {"page": wanted})


def test_a_search_finds_codes_names_and_cities(site):
    assert codes(site.get("/?q=ord"))[0] == "ORD"
    assert "ORD" in codes(site.get("/?q=o%27hare"))
    assert "Honolulu International" in site.get("/?q=honolulu")


def test_the_pages_of_a_search_keep_the_words(site):
    page = site.get("/?q=municipal").click("Next")
    assert page.request.GET["q"] == "municipal"
    assert "Page 2 of" in page


@pytest.mark.parametrize("wildcard", ["%", "_", "\\", "zzzz"])
def test_a_search_takes_wildcards_as_they_are(site, wildcard):
    assert "Nothing found" in site.get("/", {"q": wildcard})


def test_a_search_is_shown_as_text(site):
    page = site.get("/", {"q": "<script>alert(1)</script>"})
    assert "<script>" not in page


def test_the_page_of_a_state_lists_its_airports(site):
    page = site.get("/states/DE")
    assert "<h1>Delaware</h1>" in page
    assert "5 airports" in page
    assert len(codes(page)) == 5


def test_the_page_of_a_large_state_has_pages(site):
    page = site.get("/states/AK")
    assert "Page 1 of 11" in page
    assert "Page 2 of 11" in page.click("Next")


def test_the_page_of_an_airport_tells_its_place_and_its_neighbours(site):
    page = site.get("/airports/ORD")
    assert "Chicago O&#39;Hare International" in page
    assert "41.9796° N" in page
    assert codes(page) == ["11IS", "PWK", "06C", "MDW", "CGX", "DPA"]


def test_an_airport_far_away_has_no_place_on_the_map(site):
    page = site.get("/airports/ROR")
    assert "134.5442° E" in page
    assert 'class="map"' not in page


@pytest.mark.parametrize("address", ["/airports/XXXX", "/states/XX", "/nowhere", "/airports/ORD%00"])
def test_what_does_not_exist_is_not_found_in_the_look_of_the_site(site, address):
    page = site.get(address, status=404)
    assert "Not found" in page
    assert "site.css" in page


def test_the_map_is_an_image_of_many_dots(site):
    answer = site.get("/map.svg")
    assert answer.content_type == "image/svg+xml"
    assert answer.text.count("h0") > 2500
