"""Who calls the user server: the door, or nobody."""

from __future__ import annotations

from secrets import compare_digest
from typing import Any

from jupyter_server.auth.identity import IdentityProvider, User
from traitlets import Unicode

from ..record import SECRET_HEADER, TOKEN_HEADER


class DoorIdentityProvider(IdentityProvider):
    """Accepts a request that carries this launch's secret; its user is the owner of the server.

    Jupyter's own XSRF and Origin checks stay on, but for a request that the door let pass because of a token of ours:
    no foreign page could make a browser send that. Jupyter's token stays empty, so that none is written into pages.
    """

    secret = Unicode(help="What the door sends; 256 random bits, made at each launch.").tag(config=True)
    username = Unicode(help="User name as the site knows it.").tag(config=True)

    def get_user(self, handler: Any) -> User | None:
        """Return the owner for a request of the door, and None for any other."""
        if not self._is_of_the_door(handler):
            return None
        return User(username=self.username, name=self.username, display_name=self.username)

    def is_token_authenticated(self, handler: Any) -> bool:
        """Tell whether the door let a token pass; only that switches the checks off that are for browsers."""
        return self._is_of_the_door(handler) and TOKEN_HEADER in handler.request.headers

    @property
    def auth_enabled(self) -> bool:
        """Say yes, although there is neither a token nor a password."""
        return True

    @property
    def login_available(self) -> bool:
        """Say no: people sign in to the site."""
        return False

    @property
    def logout_available(self) -> bool:
        """Say no: people sign out of the site."""
        return False

    def _is_of_the_door(self, handler: Any) -> bool:
        given = handler.request.headers.get(SECRET_HEADER, "")
        return bool(self.secret) and compare_digest(given.encode("utf-8", "replace"), self.secret.encode())
