"""The rows of the list of attacks, and how a test says to which one it belongs."""

from __future__ import annotations

import pytest

#: What is tried, by its number in the list of attacks.
ROWS = {
    1: "Route inventory: every address without credentials",
    2: "A websocket is opened before anybody has asked who it is",
    3: "Cross-site websocket hijacking: foreign, odd and doubled origins",
    4: "Origins that merely look like the own one",
    5: "Cross-site request forgery: Fetch Metadata, methods, bodies; GET that changes something",
    6: "Cross-site request forgery between users of one origin",
    7: "Cookie tossing: doubled, stale and nameless cookies",
    8: "Open redirects, and HTML in reflected values",
    9: "Secrets of the site that reach a user server, and cookies that come back from it",
    10: "Around the door, straight to the user server",
    17: "User names that are paths, patterns, options or look-alikes",
    26: "Authorisation matrix: every kind of user at every address",
    27: "Guessing what belongs to others",
    28: "Using up threads, connections, memory and patience",
}
#: Rows that have a module of their own beside the tests of the door.
ELSEWHERE = {1: "tests.door.test_inventory", 26: "tests.door.test_matrix"}
WAYS = ("http", "websocket")

both_ways = pytest.mark.parametrize("way", WAYS)
