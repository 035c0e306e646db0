"""Shows a cell in the pages that have its notebook open; our extension of the page listens for the event."""

from __future__ import annotations

from jupyter_server.serverapp import ServerApp

#: Event that asks pages to show a cell.
FOCUS_EVENT = "urn:pyramid-notebook:focus:v1"
_SCHEMA = {
    "$id": FOCUS_EVENT,
    "version": "1",
    "title": "A cell that an editor wants to be seen",
    "type": "object",
    "properties": {
        "path": {"type": "string", "title": "Path as in Jupyter's contents API"},
        "cell": {"type": "string", "title": "Id of the cell"},
    },
    "required": ["path", "cell"],
    "additionalProperties": False,
}


def prepare_focus(app: ServerApp) -> None:
    """Make the event known; call it once."""
    app.web_app.settings["event_logger"].register_event_schema(_SCHEMA)


def focus(app: ServerApp, path: str, cell: str) -> None:
    """Ask the pages to show a cell of a notebook."""
    app.web_app.settings["event_logger"].emit(schema_id=FOCUS_EVENT, data={"path": path, "cell": cell})
