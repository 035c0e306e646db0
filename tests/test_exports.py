"""The public names of the package."""

from __future__ import annotations

import pytest

import pyramid_notebook


def test_every_public_name_is_there() -> None:
    for name in pyramid_notebook.__all__:
        assert getattr(pyramid_notebook, name).__doc__, name


def test_public_names_are_in_order_and_told_once() -> None:
    assert pyramid_notebook.__all__ == sorted(set(pyramid_notebook.__all__))


def test_the_documented_view_functions_are_those_of_the_views_module() -> None:
    from pyramid_notebook import views

    for name in ("launch_notebook", "notebook_proxy", "shutdown_notebook"):
        assert getattr(pyramid_notebook, name) is getattr(views, name)


def test_a_name_that_does_not_exist_is_told_as_python_does() -> None:
    with pytest.raises(AttributeError, match="module 'pyramid_notebook' has no attribute 'lanch_notebook'"):
        _ = pyramid_notebook.lanch_notebook
