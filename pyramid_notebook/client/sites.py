"""Which site a program means, and with which token it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from ..errors import SiteError
from ..site_client import site_address
from ..sync.client.sites import Site, choose, site_at

#: Below a user's address, where the pages of notebooks are.
_PAGES = ("notebooks/", "lab/tree/")


def site_of(url: str, token: str) -> Site:
    """Return the site of a token that a program has by itself.

    Raises:
        SiteError: the URL is not the address of a user's notebooks.
    """
    if not url:
        raise SiteError("A token needs the address of the notebooks that it is for.")
    return Site(f"{site_address(url)}/", token)


def find(url: str, environment: Mapping[str, str]) -> Site:
    """Return the site of an address, with the token that was stored for it or is in the environment.

    Args:
        url: address of a site, or anything at the user's notebooks there; empty for the only one.
        environment: the variables of this process.

    Raises:
        SiteError: no site is certain, or the user is not signed in to it.
        SettingsError, UnsafePath, CredentialsUnreadable: see :func:`pyramid_notebook.sync.client.sites.choose`.
    """
    if url:
        with suppress(SiteError):
            return site_at(f"{site_address(url)}/", environment)
    return choose("", _site_in(url), environment).site


def _site_in(url: str) -> str:
    """Return the address of the site that an address of a notebook's page leads to; any other as it is."""
    for place in _PAGES:
        before, found, _ = url.partition(f"/{place}")
        if found:
            return before.rpartition("/")[0]
    return url


def notebook_of(site: Site, url: str) -> str:
    """Return the path of the notebook whose page an address is; empty where it is not one."""
    from urllib.parse import unquote

    below = site_address(url).removeprefix(site.notebooks) if url else ""
    for place in _PAGES:
        if below.startswith(place):
            return unquote(below.removeprefix(place))
    return ""
