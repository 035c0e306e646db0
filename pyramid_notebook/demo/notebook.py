"""What a notebook of this site knows: the database, and the airport or state whose button was pressed."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request

from pyramid_notebook import startup

from . import GLOBAL_CONFIG
from .database import SESSIONS
from .models import Airport, Base, State

#: Sets up the application as it was started: with what pserve's command line changed in the INI file.
BOOTSTRAP = """\
from pyramid.paster import bootstrap
_environment = bootstrap({config_uri}, options=_options)
app, request = _environment["app"], _environment["request"]
root, registry = _environment["root"], _environment["registry"]
"""

TOOLS = f"""\
from sqlalchemy import func, select
session = registry[{SESSIONS!r}]()

def frame(query):
    import pandas
    return pandas.read_sql(query, session.connection())
"""

TOOLS_GREETING = """\
* **session** - a database session of your own; nothing is written before `session.commit()`
* **select**, **func** - from SQLAlchemy, for example `session.scalars(select(Airport).limit(5)).all()`
* **frame(query)** - what a query finds as a pandas table, for example `frame(select(Airport))`"""


def site_context(request: Request) -> dict[str, Any]:
    """Return the notebook context of the button in the header: the database and all models."""
    return _context(request, "Airports")


def airport_context(request: Request, airport: Airport) -> dict[str, Any]:
    """Return the notebook context of an airport's page: ``airport`` is a variable."""
    context = _context(request, f"{airport.name} ({airport.iata})")
    # Only the key goes into code: what comes from data never becomes source text.
    startup.add_script(context, f"airport = session.get(Airport, {airport.iata!r})")
    name = startup.escape_markdown(airport.name)
    startup.add_greeting(context, f"* **airport** - {name}, the airport you came from")
    return context


def state_context(request: Request, state: State) -> dict[str, Any]:
    """Return the notebook context of a state's page: ``state`` is a variable."""
    context = _context(request, state.name)
    startup.add_script(context, f"state = session.get(State, {state.code!r})")
    name = startup.escape_markdown(state.name)
    startup.add_greeting(context, f"* **state** - {name}, the state you came from; see `state.airports`")
    return context


def includeme(config: Configurator) -> None:
    """Make ours the default notebook context, and add ``request.running_notebook`` for the header."""
    config.set_notebook_context(site_context)
    config.add_request_method(_running_notebook, "running_notebook", reify=True)


def _context(request: Request, title: str) -> dict[str, Any]:
    given = request.registry[GLOBAL_CONFIG]
    options = {name: value for name, value in given.items() if name != "here" and not name.startswith("__")}
    context: dict[str, Any] = {"title": title}
    startup.add_script(context, f"_options = {options!r}")
    startup.make_startup(context, given["__file__"], bootstrap_py=BOOTSTRAP)
    startup.add_script(context, TOOLS)
    startup.add_greeting(context, TOOLS_GREETING)
    startup.include_sqlalchemy_models(context, Base)
    return context


def _running_notebook(request: Request) -> Any:
    return request.notebooks.find(request.authenticated_userid) if request.has_permission("shell") else None
