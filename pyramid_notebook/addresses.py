"""The door's table: what lies at which address of a user server, and which scope a token needs there (pure).

People may use all of it with the site's own session. The same table holds for HTTP, with every method, and for
websockets.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes

from .scopes import Scope


@dataclass(frozen=True, slots=True)
class PathClass:
    """One row: the addresses of a user server whose path begins with a certain segment, or two.

    Attributes:
        segment: the first segment of the path below the user server's base URL, or the first two with a slash between
            them; empty for all that no row names.
        scope: what a token needs; None where no token may pass.
        about: what is there.
        is_for_programs: a stranger is told about tokens, instead of being sent to the site's sign-in page.
        names_notebook: the rest of the path is that of a notebook, to which a token may be restricted; behind it
            may stand ``/-/`` and more.
        runs_by_get: a GET runs something, so a foreign page must not make a browser send one.
    """

    segment: str
    scope: Scope | None
    about: str
    is_for_programs: bool = False
    names_notebook: bool = False
    runs_by_get: bool = False


#: The last row is for every address that no other row names.
TABLE = (
    PathClass("sync", Scope.SYNC, "files that editors push", is_for_programs=True),
    PathClass(
        "restified",
        Scope.RUN,
        "notebooks as functions",
        is_for_programs=True,
        names_notebook=True,
        runs_by_get=True,
    ),
    PathClass("rpc", Scope.CONSOLE, "kernels over JSON-RPC", is_for_programs=True),
    PathClass("api/kernels", Scope.CONSOLE, "kernels, as Jupyter's own programs use them"),
    PathClass("api/kernelspecs", Scope.CONSOLE, "which kernels can be started"),
    PathClass("kernelspecs", Scope.CONSOLE, "what kernels look like"),
    PathClass("channel", None, "calls between a kernel and the page that shows its notebook"),
    PathClass("", Scope.SHELL, "Jupyter itself: pages, files, kernels, terminals; start and stop"),
)
_SUFFIX = ".ipynb"
_ROWS = {row.segment: row for row in TABLE}


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a user server.

    Attributes:
        row: its row of the table.
        notebook: path of the notebook that it names, below the user's folder; empty where it names none.
    """

    row: PathClass
    notebook: str = ""


def classify(below: str) -> Address:
    """Return which row of the table an address belongs to.

    A segment counts as it is spelled: the user server does not decode it either before it looks for who answers. So
    ``%73ync`` is not ``sync``, and belongs to the last row.

    Args:
        below: the path below the user server's base URL as it came, percent-encoded, without a query.
    """
    segment, _, rest = below.partition("/")
    row = _ROWS.get(segment) or _ROWS.get(f"{segment}/{rest.partition('/')[0]}") or _ROWS[""]
    return Address(row, _decoded(_notebook(rest)) if row.names_notebook else "")


def may_pass_on(path: str, base_url: str) -> bool:
    """Tell whether a user server may get a request for a URL path from a browser.

    It may not where the path lies elsewhere, below ``-/``, where the door itself talks to user servers, or has dot
    segments (RFC 3986 section 3.3): browsers resolve those, so what comes with them only wants to be misread.

    Args:
        path: URL path as it came, percent-encoded, without a query.
        base_url: URL path of the user server, with a slash at both ends.
    """
    if not path.startswith(base_url):
        return False
    segments = [segment for segment in unquote(path.removeprefix(base_url)).split("/") if segment]
    return segments[:1] != ["-"] and not {".", ".."}.intersection(segments)


def _notebook(rest: str) -> str:
    notebook, mark, _ = rest.partition(f"{_SUFFIX}/-/")
    return notebook + (_SUFFIX if mark else "")


def _decoded(path: str) -> str:
    try:
        return unquote_to_bytes(path).decode("utf-8")
    except UnicodeError:
        return ""  # no pattern fits it
