"""The sites of a watch: each may be away for a while, which is told once."""

from __future__ import annotations

import os

from .patience import Patience
from .sites import Place, Site, choose
from .transport import Connection

#: Seconds before a site that is away is asked again: the first time, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


class Link:
    """One site, which may be away.

    Args:
        site: which.
    """

    def __init__(self, site: Site) -> None:
        self.connection = Connection(site, Patience(0))
        self._pause = 0.0
        self._next = 0.0

    def is_due(self, now: float) -> bool:
        """Tell whether the site is to be asked."""
        return now >= self._next

    def goes(self, now: float) -> bool:
        """The site does not answer; return whether that is new."""
        is_new = not self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE) or FIRST_PAUSE
        self._next = now + self._pause
        return is_new

    def comes(self) -> bool:
        """The site answers; return whether that is new."""
        is_new = self._pause > 0
        self._pause = self._next = 0.0
        return is_new


class Links:
    """The sites of all files that are watched.

    Args:
        chosen: what ``--site`` says.
    """

    def __init__(self, chosen: str) -> None:
        self._chosen = chosen
        self._links: dict[Site, Link] = {}

    def place(self, path: str) -> Place:
        """Return where a file is pushed to, as the configuration and credentials are now; raises as :func:`choose`."""
        return choose(path, self._chosen, os.environ)

    def link(self, site: Site) -> Link:
        """Return the link to a site."""
        if site not in self._links:
            self._links[site] = Link(site)
        return self._links[site]
