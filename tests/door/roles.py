"""A site with all kinds of people, and user servers of some of them that come back when they were stopped."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pyramid.security import Allowed, Denied

from pyramid_notebook.scopes import parse_grants
from tests.proxy.upstreams import ScriptedUpstream

from .sites import Policy, RecordingServer, SmallSite, Token, answer_all, recording_server, small_site

#: Who has the permission; the others are ``guest``, who has not, and ``carol``, whom the site has disabled.
PERMITTED = ("alice", "bob")
#: Who looks after the notebooks of others, and has none.
ADMIN = "root"
_WITH_SERVERS = ("alice", "bob", "guest", "carol")
_OF_THE_DOOR = re.compile(r"(?:POST /notebook/[a-z]+/-/(?:context|save)|GET /notebook/[a-z]+/-/status)")


class Roles(Policy):
    """Denies the permission to ``guest``; grants it to strangers too, so that only the door keeps them out."""

    def permits(self, request: Any, context: object, permission: str) -> Any:
        if permission == "notebook_admin":
            return (Allowed if self.identity(request) == ADMIN else Denied)("to the admin")
        if self.identity(request) == "guest":
            return Denied("to guests")
        return super().permits(request, context, permission)

    def user_permits(self, request: Any, username: str, permission: str) -> bool:
        return username != "guest" and super().user_permits(request, username, permission)


def answer_as_asked(upstream: ScriptedUpstream, connection: Any, number: int) -> None:
    """Agree to a websocket only where the handshake is whole, as a real user server does."""

    def read_head(source: Any) -> bytes:
        head: bytes = upstream.read_head(source)
        is_whole = head.startswith(b"GET ") and re.search(rb"(?i)\r\nupgrade: websocket", head)
        return head if is_whole else re.sub(rb"(?i)sec-websocket-key", b"unused", head)

    answer_all(SimpleNamespace(read_head=read_head), connection, number)  # type: ignore[arg-type]


class Crowd:
    """The site, and what reaches the user servers of its people."""

    def __init__(self, site: SmallSite, stack: ExitStack) -> None:
        self.site = site
        self._stack = stack
        self._servers: dict[str, RecordingServer] = {}
        self._kept: dict[tuple[str, str], Token] = {}

    def start_over(self) -> None:
        """Forget what reached the user servers, and start those again that were stopped."""
        for user in _WITH_SERVERS:
            if self.site.manager.find(user) is None:
                server = recording_server(self.site.manager, user, speak=answer_as_asked)
                self._servers[user] = self._stack.enter_context(server)
            self._servers[user].requests.clear()

    @property
    def heads(self) -> dict[str, list[bytes]]:
        """All requests that reached user servers, by user; those that none reached are left out."""
        return {user: list(server.requests) for user, server in self._servers.items() if server.requests}

    @property
    def reached(self) -> dict[str, list[str]]:
        """Methods and targets of these requests."""
        return {user: [" ".join(head.decode().split(" ")[:2]) for head in heads] for user, heads in self.heads.items()}

    @property
    def passed_on(self) -> dict[str, list[str]]:
        """The same without what the door itself asked."""
        others = {
            user: [line for line in lines if not _OF_THE_DOOR.fullmatch(line)] for user, lines in self.reached.items()
        }
        return {user: lines for user, lines in others.items() if lines}

    def token(self, user: str, grants: Iterable[str], state: str = "good") -> Token:
        """Return a new token, which may be ``expired`` or ``revoked``."""
        made = time.time() - (7200 if state == "expired" else 0)
        wanted = parse_grants(" ".join(grants))
        info, secret = self.site.tokens.create(user, "a program", wanted, 3600, now=made)
        if state == "revoked":
            self.site.tokens.revoke(info.id, user)
        return Token(info.id, user, secret)

    def kept_token(self, user: str, grants: str) -> Token:
        """Return a token that nobody revokes, always the same."""
        if (user, grants) not in self._kept:
            self._kept[user, grants] = self.token(user, grants.split())
        return self._kept[user, grants]


@contextmanager
def crowded_site(folder: Path) -> Iterator[Crowd]:
    """Run the site; no real user server can be started there.

    Args:
        folder: the notebook folder.
    """
    policy = Roles("shell")
    policy.disabled.add("carol")
    nothing = shutil.which("false")
    with (
        small_site(folder, policy, python=nothing, token_failures_per_minute=10**9) as site,
        ExitStack() as stack,
    ):
        crowd = Crowd(site, stack)
        crowd.start_over()
        yield crowd
