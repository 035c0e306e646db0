"""What one user may hold up in a web worker."""

from __future__ import annotations

import threading

import pytest

from pyramid_notebook.errors import UpstreamBusy
from pyramid_notebook.proxy import places as module
from pyramid_notebook.proxy.places import Places


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_user_without_a_place_left_is_told_to_wait() -> None:
    places = Places(2)
    places.take("alice")
    places.take("alice")
    with pytest.raises(UpstreamBusy, match="busy with 2 other requests") as caught:
        places.take("alice")
    assert (caught.value.status, caught.value.retry_after) == (503, 2)


@pytest.mark.usefixtures("impatient")
def test_the_places_of_others_are_theirs() -> None:
    places = Places(1)
    places.take("alice")
    places.take("bob")


def test_a_place_that_becomes_free_goes_to_who_waits_for_it() -> None:
    places = Places(1)
    places.take("alice")
    waiting = threading.Thread(target=places.take, args=("alice",))
    waiting.start()
    places.leave("alice")
    waiting.join(10)
    assert not waiting.is_alive()


@pytest.mark.usefixtures("impatient")
def test_what_fails_gives_its_place_back() -> None:
    places = Places(1)
    with pytest.raises(ValueError, match="broken"), places.held("alice"):
        raise ValueError("broken")
    places.take("alice")


def test_users_who_hold_nothing_are_forgotten() -> None:
    places = Places(1)
    with places.held("alice"):
        pass
    assert not places._taken
