"""How the door lets a request pass whose bytes the web server itself will move.

Under ASGI the site is asked in a thread, and the bytes move in the event loop. So the request that is put to the site
carries a :class:`Crossing`: where the door would pass it on, it writes down here what was granted, and answers with
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import NotebookError
from ..record import ServerRecord
from ..settings import Settings
from .passages import Passage
from .static import StaticFiles

#: Key in the ASGI scope or in the environ, and where a2wsgi puts that scope in the environ.
CROSSING, SCOPE = "pyramid_notebook.crossing", "asgi.scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the door has granted.

    Attributes:
        record: the user server.
        passage: of the request.
        scheme: ``http`` or ``https``, as the site sees it.
        client: IP address of the client, as the site sees it.
        host: by which the client asked for the site, as the site sees it; empty where nothing says.
        settings: of the site.
        static: files that need no user server.
        may_be_kept: whether it holds for other addresses as well: no view of the site's own has decided.
    """

    record: ServerRecord
    passage: Passage
    scheme: str
    client: str
    host: str
    settings: Settings
    static: StaticFiles
    may_be_kept: bool


class Crossing:
    """One request that the site is asked about.

    Args:
        connection: the client's, for the adaptor of the web server; None for a request that keeps to HTTP.
        failure: what went wrong after an earlier grant; the door raises it, so that it is told in the site's own way.
        moves_websockets: whether the web server itself moves the bytes of websockets as well.

    Attributes:
        grant: what was granted, if it was.
    """

    def __init__(
        self, connection: Any = None, failure: NotebookError | None = None, *, moves_websockets: bool = False
    ) -> None:
        self.connection = connection
        self.failure = failure
        self.moves_websockets = moves_websockets
        self.grant: Grant | None = None


def crossing_of(environ: Mapping[str, Any]) -> Crossing | None:
    """Return the crossing that a WSGI request carries, or None where its bytes are moved by its view."""
    scope = environ.get(SCOPE)
    found = environ.get(CROSSING) or (scope.get(CROSSING) if isinstance(scope, dict) else None)
    return found if isinstance(found, Crossing) else None
