"""The door's data path: HTTP, websockets and static files."""
