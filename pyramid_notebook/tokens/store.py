"""The tokens of a site, in its database: made, checked, listed, revoked.

Nothing is kept in memory that could let a token pass: each check asks the database with one indexed query, so a token
that was revoked, by whichever process, is refused from the next request on.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Connection, Engine, Table, bindparam, delete, insert, select, update

from ..errors import TokenExpired, TokenInvalid, TokenNotMade, TokenRevoked
from ..scopes import MOST_GRANTS, Grant, format_grants, parse_grants
from .last_use import LastUse
from .limits import FailureLimit, by_address, by_user
from .model import ID_LENGTH, NAME_LENGTH, Token, TokenInfo, moment_of
from .reader import Reader, answering
from .secret import digest, looks_like_token, new_token

#: Seconds for which a token stays in the database after it has expired.
KEPT_SECONDS = 90 * 86400
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LOG = logging.getLogger(__name__)
_TABLE = cast(Table, Token.__table__)
#: In the order in which they are read; what reads them is ``_info``.
_COLUMNS = (
    *(_TABLE.c.id, _TABLE.c.username, _TABLE.c.name, _TABLE.c.scopes, _TABLE.c.created, _TABLE.c.expires),
    *(_TABLE.c.last_used, _TABLE.c.last_address, _TABLE.c.revoked),
)
_BY_DIGEST = select(*_COLUMNS).where(_TABLE.c.digest == bindparam("wanted"))


class TokenStore:
    """The tokens in one database; it may be used by many threads, and there may be one in each web worker.

    Every method raises :class:`~pyramid_notebook.errors.TokenStoreError` where the database does not answer.

    Args:
        engine: the database, with our tables (:func:`pyramid_notebook.tokens.migrations.upgrade`).
        maximum_lifetime: seconds that a token can be valid for at most.
        failures_per_minute: so many requests of an address, or with tokens of one user, may fail in a minute.

    Attributes:
        on_revocation: called when tokens were revoked by this store.
    """

    def __init__(self, engine: Engine, *, maximum_lifetime: int = 31536000, failures_per_minute: int = 30) -> None:
        self.engine = engine
        self.limit = FailureLimit(engine, failures_per_minute)
        self._maximum_lifetime = maximum_lifetime
        self._reader = Reader(engine)
        self._by_digest = self._reader.prepared(_BY_DIGEST)
        self._last_use = LastUse(engine)
        self.on_revocation: Callable[[], None] = lambda: None

    def create(
        self, user: str, name: str, grants: Iterable[Grant], lifetime_seconds: float, now: float | None = None
    ) -> tuple[TokenInfo, str]:
        """Make a token.

        Args:
            user: whose it is, as the site knows them.
            name: what it is for, for people; 1 to 100 characters.
            grants: what it may do, at least one thing.
            lifetime_seconds: seconds that it is valid for.
            now: seconds since the epoch, None for now.

        Returns:
            What is known of it, and the token itself, which nobody can be told again.

        Raises:
            TokenNotMade: an argument cannot be used; the text says which.
        """
        with answering(), self.engine.begin() as connection:
            return self.create_in(
                connection,
                user=user,
                name=name,
                grants=grants,
                lifetime_seconds=lifetime_seconds,
                moment=moment_of(now),
            )

    def create_in(
        self,
        connection: Connection,
        *,
        user: str,
        name: str,
        grants: Iterable[Grant],
        lifetime_seconds: float,
        moment: float,
    ) -> tuple[TokenInfo, str]:
        """Make a token in a transaction that is begun already; see :meth:`create`."""
        told = name.strip()
        kept = tuple(dict.fromkeys(grants))
        self._check_wishes(user, told, kept, lifetime_seconds)
        secret = new_token()
        info = TokenInfo(
            id=secrets.token_hex(ID_LENGTH // 2),
            user=user,
            name=told,
            grants=kept,
            created=moment,
            expires=moment + lifetime_seconds,
        )
        values = {
            "id": info.id,
            "digest": digest(secret),
            "username": user,
            "name": told,
            "scopes": format_grants(kept),
            "created": moment,
            "expires": info.expires,
            "last_address": "",
        }
        connection.execute(delete(_TABLE).where(_TABLE.c.expires < moment - KEPT_SECONDS))
        connection.execute(insert(_TABLE).values(values))
        _LOG.info("Token %s of %r was made, for %s", info.id, user, values["scopes"])
        return info, secret

    def check(self, secret: str, address: str, now: float | None = None) -> TokenInfo:
        """Return what is known of a valid token, and have its use written down.

        Failures count against the client's address, and against the token's user where there is such a token. Which
        of the reasons it was is in the log, not in what a stranger gets to see.

        Args:
            secret: what came as a token.
            address: the client's address.
            now: seconds since the epoch, None for now.

        Raises:
            TooManyFailures: too many failed before; the token was not looked at.
            TokenInvalid: there is no such token; or its subclasses TokenExpired and TokenRevoked.
        """
        moment = moment_of(now)
        with answering():
            self.limit.check(by_address(address), now=moment)
            info = self._find(secret)
            problem = _problem(info, moment)
            if info is None or problem:
                raise self._counted(problem or TokenInvalid(), info, address, moment)
            self._last_use.tell(info.id, address, moment)
            return info

    def look(self, secret: str, now: float | None = None) -> TokenInfo:
        """Return what is known of a token with which a connection was opened, if it is still valid.

        This is no attempt of anybody, so it counts neither as a failure nor as a use.

        Args:
            secret: the token.
            now: seconds since the epoch, None for now.

        Raises:
            TokenInvalid: there is no such token; or its subclasses TokenExpired and TokenRevoked.
        """
        info = self._find(secret)
        problem = _problem(info, moment_of(now))
        if info is None or problem:
            raise problem or TokenInvalid()
        return info

    def list(self, user: str) -> tuple[TokenInfo, ...]:
        """Return the tokens of a user that were not revoked, the newest first; those that have expired as well."""
        query = select(*_COLUMNS).where(_TABLE.c.username == user, _TABLE.c.revoked.is_(None))
        return self._rows(query)

    def list_all(self) -> tuple[TokenInfo, ...]:
        """Return the tokens of all users that were not revoked, the newest first; for those who run the site."""
        return self._rows(select(*_COLUMNS).where(_TABLE.c.revoked.is_(None)))

    def revoke(self, token_id: str, user: str, now: float | None = None) -> bool:
        """Revoke a token at once.

        Args:
            token_id: its id.
            user: whose token it must be.
            now: seconds since the epoch, None for now.

        Returns:
            Whether the user had such a token; one of somebody else is as unknown as one that does not exist.
        """
        return self._revoke(now, _TABLE.c.username == user, _TABLE.c.id == token_id) > 0

    def revoke_all(self, user: str, now: float | None = None) -> int:
        """Revoke all tokens of a user at once, and return how many there were."""
        return self._revoke(now, _TABLE.c.username == user)

    def touch(self, token_id: str, address: str, now: float | None = None) -> None:
        """Have a use of a token written down, soon, if none of the last minute was; returns at once.

        Args:
            token_id: its id.
            address: the client's address.
            now: seconds since the epoch, None for now.
        """
        self._last_use.tell(token_id, address, moment_of(now))

    def wait_for_writes(self) -> None:
        """Wait until the uses of tokens that requests have told are written down."""
        self._last_use.wait()

    def close(self) -> None:
        """Close the connections to the database that nobody uses just now."""
        self.engine.dispose()
        self._reader.close()

    def _check_wishes(self, user: str, name: str, grants: tuple[Grant, ...], lifetime_seconds: float) -> None:
        if not user or "\0" in user:
            raise TokenNotMade("A token needs a user.")
        if not name or len(name) > NAME_LENGTH or _CONTROL.search(name):
            raise TokenNotMade(f"Give the token a name of 1 to {NAME_LENGTH} characters that says what it is for.")
        if not grants or len(grants) > MOST_GRANTS:
            raise TokenNotMade(f"A token needs at least one scope, and can have {MOST_GRANTS}.")
        if not 1 <= lifetime_seconds <= self._maximum_lifetime:
            raise TokenNotMade(
                f"A token can be valid for {self._maximum_lifetime} seconds ({self._maximum_lifetime / 86400:g} days) "
                "at most, and for one second at least."
            )

    def _find(self, secret: str) -> TokenInfo | None:
        if not looks_like_token(secret):
            return None
        row = self._reader.row(self._by_digest, {"wanted": digest(secret)})
        return _info(row) if row else None

    def _counted(self, error: TokenInvalid, info: TokenInfo | None, address: str, moment: float) -> TokenInvalid:
        """Count a failure, and return it.

        Raises:
            TooManyFailures: the user whose token it was has too many.
        """
        subjects = [by_address(address)]
        if info is not None:
            subjects.append(by_user(info.user))
            self.limit.check(subjects[1], now=moment)
        self.limit.record(*subjects, now=moment)
        which = f"token {info.id}" if info else "unknown token"
        _LOG.warning("%s refused (%s), from %r", which, type(error).__name__, address[:64])
        return error

    def _rows(self, query: Any) -> tuple[TokenInfo, ...]:
        with answering(), self.engine.connect() as connection:
            rows = connection.execute(query.order_by(_TABLE.c.created.desc(), _TABLE.c.id)).all()
        return tuple(map(_info, rows))

    def _revoke(self, now: float | None, *which: Any) -> int:
        change = update(_TABLE).where(*which, _TABLE.c.revoked.is_(None)).values(revoked=moment_of(now))
        with answering(), self.engine.begin() as connection:
            ids = connection.execute(change.returning(_TABLE.c.id)).scalars().all()
        if ids:
            _LOG.info("Revoked: token %s", ", ".join(ids))
            self.on_revocation()
        return len(ids)


def _problem(info: TokenInfo | None, moment: float) -> TokenInvalid | None:
    if info is None:
        return TokenInvalid()
    if info.revoked is not None:
        return TokenRevoked()
    return None if moment < info.expires else TokenExpired()


@lru_cache(maxsize=1024)
def _grants(text: str) -> tuple[Grant, ...]:
    return parse_grants(text)


def _info(row: Sequence[Any]) -> TokenInfo:
    token_id, user, name, scopes, created, expires, last_used, last_address, revoked = row
    return TokenInfo(
        id=token_id,
        user=user,
        name=name,
        grants=_grants(scopes),
        created=created,
        expires=expires,
        last_used=last_used,
        last_address=last_address,
        revoked=revoked,
    )
