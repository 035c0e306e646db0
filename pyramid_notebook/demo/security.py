"""Who is it, and may they? Sessions in signed cookies, users from the database, and one access control list."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pyramid.authentication import SessionAuthenticationHelper
from pyramid.authorization import DENY_ALL, ACLHelper, Allow, Authenticated, Everyone
from pyramid.config import Configurator
from pyramid.interfaces import ISecurityPolicy
from pyramid.request import Request, RequestLocalCache
from pyramid.session import SignedCookieSessionFactory
from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session
from zope.interface import implementer

from .database import ENGINE, database_file
from .models import EndedSession, User
from .secret import load_secret

#: Seconds without a request after which one must sign in again, and after which the cookie is renewed.
SESSION_TIMEOUT, SESSION_RENEWAL = 12 * 3600, 600
#: Key in the session of what names it.
_IDENTITY = select(User.name, User.groups).where(User.name == bindparam("name"))
_SESSION_ID = "id"


class Root:
    """The resource that every page is about; its list says who may do what."""

    __acl__ = (
        (Allow, Everyone, "view"),
        (Allow, Authenticated, "account"),
        (Allow, "group:analysts", "shell"),
        (Allow, "group:admins", "notebook_admin"),
        DENY_ALL,
    )

    def __init__(self, request: Request) -> None:
        self.request = request


@dataclass(frozen=True, slots=True)
class Identity:
    """The signed-in user of a request."""

    name: str
    groups: tuple[str, ...]

    @property
    def principals(self) -> list[str]:
        """The names under which the access control list knows this user."""
        return [Everyone, Authenticated, self.name, *(f"group:{group}" for group in self.groups)]


@implementer(ISecurityPolicy)
class SecurityPolicy:
    """Looks up the user that the session names, once for each request, so that a deleted user is out at once."""

    def __init__(self) -> None:
        self._session = SessionAuthenticationHelper()
        self._lists = ACLHelper()
        self._identities = RequestLocalCache(self._load_identity)

    def identity(self, request: Request) -> Identity | None:
        """Return who makes this request; None for a stranger."""
        identity: Identity | None = self._identities.get_or_create(request)
        return identity

    def authenticated_userid(self, request: Request) -> str | None:
        """Return the name of who makes this request."""
        identity = self.identity(request)
        return identity.name if identity else None

    def permits(self, request: Request, context: object, permission: str) -> Any:
        """Return ``Allowed`` or ``Denied``, with the reason."""
        identity = self.identity(request)
        principals = identity.principals if identity else [Everyone]
        return self._lists.permits(context, principals, permission)

    def remember(self, request: Request, userid: str, **options: Any) -> list[tuple[str, str]]:
        """Begin a new session for a user, so that nothing that a stranger put into the old one stays."""
        request.session.invalidate()
        self._identities.clear(request)
        request.session[_SESSION_ID] = secrets.token_hex(16)
        headers: list[tuple[str, str]] = self._session.remember(request, userid, **options)
        return headers

    def forget(self, request: Request, **options: Any) -> list[tuple[str, str]]:
        """End the session, also for whoever has kept a copy of its cookie."""
        session_id, now = request.session.get(_SESSION_ID), time.time()
        if session_id:
            request.dbsession.merge(EndedSession(id=session_id, moment=now))
            forgotten = delete(EndedSession).where(EndedSession.moment < now - SESSION_TIMEOUT)
            request.dbsession.execute(forgotten)  # their cookies are too old by themselves
        request.session.invalidate()
        self._identities.clear(request)
        return []

    def user_permits(self, request: Request, username: str, permission: str) -> Any:
        """Return what a user has who is not here, but sent a program with a token of theirs."""
        identity = _identity_of(request, username)
        principals = identity.principals if identity else [Everyone]
        return self._lists.permits(request.context, principals, permission)

    def _load_identity(self, request: Request) -> Identity | None:
        name = self._session.authenticated_userid(request)
        session_id = request.session.get(_SESSION_ID)
        if not name or not session_id or request.dbsession.get(EndedSession, session_id):
            return None
        return _identity_of(request, name)


def _identity_of(request: Request, name: str) -> Identity | None:
    # each request asks, also of programs that come often: so no session and no object, but one row
    with request.registry[ENGINE].connect() as connection:
        row = connection.execute(_IDENTITY, {"name": name}).one_or_none()
    return Identity(row.name, tuple(row.groups)) if row else None


def check_password(session: Session, name: str, password: str) -> bool:
    """Return whether there is a user of that name with that password; it takes as long when there is none."""
    user = session.get(User, name)
    try:
        PasswordHasher().verify(user.password_hash if user else _decoy(), password)
    except (VerificationError, InvalidHashError):
        return False
    return user is not None


@cache
def _decoy() -> str:
    return PasswordHasher().hash("nobody")


def includeme(config: Configurator) -> None:
    """Add sessions, the security policy, the root, the check of CSRF tokens, and what programs with tokens may do."""
    settings = config.get_settings()
    secret = settings.get("demo.secret") or load_secret(
        database_file(settings["sqlalchemy.url"]).with_suffix(".secret")
    )
    sessions = SignedCookieSessionFactory(
        secret, timeout=SESSION_TIMEOUT, reissue_time=SESSION_RENEWAL, httponly=True, samesite="Lax"
    )
    config.set_session_factory(sessions)
    policy = SecurityPolicy()
    config.set_security_policy(policy)
    config.set_root_factory(Root)
    config.set_default_csrf_options(require_csrf=True)
    config.set_notebook_permits(policy.user_permits)
