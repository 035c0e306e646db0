"""Who calls the user server: the door, or nobody."""

from __future__ import annotations

from secrets import compare_digest
from typing import Any

from jupyter_server.auth.identity import IdentityProvider, User
from traitlets import Unicode

from ..record import SECRET_HEADER


class DoorIdentityProvider(IdentityProvider):
    """Accepts a request that carries this launch's secret; its user is the owner of the server.

    Such a request does not count as token-authenticated, so Jupyter's own XSRF and Origin checks stay on, and its
    token stays empty, so that none is written into pages.
    """

    secret = Unicode(help="What the door sends; 256 random bits, made at each launch.").tag(config=True)
    username = Unicode(help="User name as the site knows it.").tag(config=True)

    def get_user(self, handler: Any) -> User | None:
        """Return the owner for a request of the door, and None for any other."""
        given = handler.request.headers.get(SECRET_HEADER, "")
        if not self.secret or not compare_digest(given.encode("utf-8", "replace"), self.secret.encode()):
            return None
        return User(username=self.username, name=self.username, display_name=self.username)

    def is_token_authenticated(self, handler: Any) -> bool:
        """Say no: the checks that a token would switch off must stay on."""
        return False

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
