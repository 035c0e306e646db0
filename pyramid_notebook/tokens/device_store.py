"""The requests of device logins in the database of the tokens: begun, shown, decided, polled, and used once."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, Row, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..errors import ProtocolError, TokenStoreError
from ..scopes import Grant, format_grants, parse_grants
from .device import (
    INTERVAL_SECONDS,
    LIFETIME_SECONDS,
    USER_CODE_LENGTH,
    USER_CODE_LETTERS,
    Answer,
    Progress,
    State,
    printable,
    read_user_code,
)
from .limits import FailureLimit, by_address, by_user
from .model import ADDRESS_LENGTH, ID_LENGTH, NAME_LENGTH, DeviceRequest, TokenInfo, moment_of
from .reader import answering
from .secret import digest
from .store import TokenStore

#: So many user codes may be wrong in a minute, for a user and for an address.
WRONG_CODES_PER_MINUTE = 10
#: So many requests may wait for their users at once: of one address, and of all.
MOST_WAITING_OF_ADDRESS, MOST_WAITING = 50, 1000
#: Seconds for which a request is kept when its time is over, so that its program is told just that.
KEPT_SECONDS = 3600
_USER_AGENT_LENGTH = 200
_ATTEMPTS = 5
_LOG = logging.getLogger(__name__)
_TABLE = cast(Table, DeviceRequest.__table__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The two codes of a request that has begun.

    Attributes:
        device_code: what the program polls with, 256 bits; only its SHA-256 is stored.
        user_code: what the user enters, 8 letters.
    """

    device_code: str = field(repr=False)
    user_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A program that asks for a token, as its user gets to see it.

    Attributes:
        id: of the request.
        user_code: its code, 8 letters.
        client_name: what the program calls itself; anybody can claim any name.
        address: the address that it asked from.
        user_agent: what software it says it is.
        grants: what it asks for.
        created: when it asked, in seconds since the epoch.
    """

    id: str
    user_code: str
    client_name: str
    address: str
    user_agent: str
    grants: tuple[Grant, ...]
    created: float


class DeviceStore:
    """The device logins of one site. Every method raises TokenStoreError where the database does not answer.

    Args:
        tokens: the store in which an approved request becomes a token.
    """

    def __init__(self, tokens: TokenStore) -> None:
        self._tokens = tokens
        self._engine = tokens.engine
        self._codes = FailureLimit(tokens.engine, WRONG_CODES_PER_MINUTE)

    def begin(
        self, grants: Iterable[Grant], client_name: str, address: str, user_agent: str, now: float | None = None
    ) -> Codes:
        """Write down that a program asks for a token.

        Args:
            grants: what it asks for.
            client_name: what it calls itself, any text.
            address: the client's address.
            user_agent: its header field User-Agent, any text.
            now: seconds since the epoch, None for now.

        Raises:
            ProtocolError: too many requests wait already.
        """
        moment = moment_of(now)
        values: dict[str, Any] = {
            "client_name": printable(client_name, NAME_LENGTH) or "A program without a name",
            "address": printable(address, ADDRESS_LENGTH),
            "user_agent": printable(user_agent, _USER_AGENT_LENGTH),
            "scopes": format_grants(grants),
            "state": State.PENDING,
            "created": moment,
            "expires": moment + LIFETIME_SECONDS,
            "interval": INTERVAL_SECONDS,
        }
        with answering():
            self._check_room(values["address"], moment)
            for _ in range(_ATTEMPTS):
                codes = Codes(
                    device_code=secrets.token_urlsafe(32),
                    user_code="".join(secrets.choice(USER_CODE_LETTERS) for _ in range(USER_CODE_LENGTH)),
                )
                if self._insert(codes, values):
                    return codes
        raise TokenStoreError("No free code was found. Try again.")

    def find(self, user_code: str, user: str, address: str, now: float | None = None) -> Asking | None:
        """Return the request that waits under a user code; a wrong code counts against who entered it.

        Args:
            user_code: as it was typed.
            user: who typed it.
            address: the client's address.
            now: seconds since the epoch, None for now.

        Raises:
            TooManyFailures: too many codes were wrong before; this one was not looked at.
        """
        moment = moment_of(now)
        code = read_user_code(user_code)
        if code is None:
            return None
        # a count of its own: a forgotten script with an old token must not keep its user from signing in
        subjects = (f"code:{by_user(user)}", f"code:{by_address(address)}")
        with answering():
            self._codes.check(*subjects, now=moment)
            waiting = (_TABLE.c.user_code == code, *_still(State.PENDING, moment))
            with self._engine.connect() as connection:
                row = connection.execute(select(_TABLE).where(*waiting)).first()
            if row is None:
                self._codes.record(*subjects, now=moment)
                _LOG.warning("A wrong code for a device login, by %r from %r", user, address[:ADDRESS_LENGTH])
                return None
        return _asking(row)

    def approve(self, asking: Asking, user: str, grants: Iterable[Grant], now: float | None = None) -> bool:
        """Approve a request, with all or some of what it asks for.

        Args:
            asking: the request, as :meth:`find` gave it.
            user: who approves; the token will be theirs.
            grants: at least one of ``asking.grants``.
            now: seconds since the epoch, None for now.

        Returns:
            Whether it was still waiting.

        Raises:
            ValueError: there are no grants, or some that nobody asked for.
        """
        chosen = tuple(grants)
        if not chosen or not set(chosen) <= set(asking.grants):
            raise ValueError("approve what was asked for, or a part of it")
        return self._decide(asking, user, moment_of(now), State.APPROVED, format_grants(chosen))

    def deny(self, asking: Asking, user: str, now: float | None = None) -> bool:
        """Deny a request, and return whether it was still waiting."""
        return self._decide(asking, user, moment_of(now), State.DENIED, None)

    def poll(
        self, device_code: str, address: str, lifetime_seconds: float, now: float | None = None
    ) -> tuple[Answer, tuple[TokenInfo, str] | None]:
        """Answer a program that asks whether its request was approved; the token is made here, once.

        Args:
            device_code: the program's code.
            address: the client's address.
            lifetime_seconds: seconds that the token is valid for.
            now: seconds since the epoch, None for now.

        Returns:
            What to tell, and with ``Answer.TOKEN`` what :meth:`TokenStore.create` returns.

        Raises:
            TooManyFailures: too many codes or tokens from this address were wrong; this one was not looked at.
        """
        moment = moment_of(now)
        with answering():
            self._tokens.limit.check(by_address(address), now=moment)
            with self._engine.begin() as connection:
                mine = _TABLE.c.device_digest == digest(device_code)
                row = connection.execute(select(_TABLE).where(mine)).first()
                answer = _write_poll(connection, row, moment) if row else Answer.INVALID_GRANT
                if row and answer is Answer.TOKEN:
                    return answer, self._tokens.create_in(
                        connection,
                        user=row.username,
                        name=row.client_name,
                        grants=parse_grants(row.approved_scopes),
                        lifetime_seconds=lifetime_seconds,
                        moment=moment,
                    )
            if row is None:
                self._tokens.limit.record(by_address(address), now=moment)
        return answer, None

    def _check_room(self, address: str, moment: float) -> None:
        with self._engine.connect() as connection:
            waiting = connection.execute(select(_TABLE.c.address).where(*_still(State.PENDING, moment))).scalars().all()
        mine = by_address(address)
        of_address = sum(by_address(other) == mine for other in waiting)
        if len(waiting) >= MOST_WAITING or of_address >= MOST_WAITING_OF_ADDRESS:
            message = "Too many programs wait for their users to sign them in. Try again in a minute."
            raise ProtocolError("temporarily_unavailable", message, status=429, retry_after=60)

    def _insert(self, codes: Codes, values: dict[str, Any]) -> bool:
        own = {
            "id": secrets.token_hex(ID_LENGTH // 2),
            "device_digest": digest(codes.device_code),
            "user_code": codes.user_code,
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(delete(_TABLE).where(_TABLE.c.expires < values["created"] - KEPT_SECONDS))
                connection.execute(insert(_TABLE).values(**own, **values))
        except IntegrityError:  # somebody has this user code just now
            return False
        _LOG.info("Device login %s was begun from %r, for %s", own["id"], values["address"], values["scopes"])
        return True

    def _decide(self, asking: Asking, user: str, moment: float, state: State, grants: str | None) -> bool:
        values = {"state": state, "username": user, "decided": moment, "approved_scopes": grants}
        change = update(_TABLE).where(_TABLE.c.id == asking.id, *_still(State.PENDING, moment)).values(values)
        with answering(), self._engine.begin() as connection:
            done = connection.execute(change).rowcount == 1
        if done:
            _LOG.info("Device login %s was %s by %r, for %s", asking.id, state, user, grants or "nothing")
        return done


def _write_poll(connection: Connection, row: Row[Any], moment: float) -> Answer:
    """Write down that a program polled; of all that fetch one token at once, one gets it."""
    progress = Progress(state=State(row.state), expires=row.expires, interval=row.interval, polled=row.polled)
    after, answer = progress.poll(moment)
    change = update(_TABLE).where(_TABLE.c.id == row.id)
    if answer is not Answer.TOKEN:
        connection.execute(change.values(polled=after.polled, interval=after.interval))
        return answer
    take = change.where(*_still(State.APPROVED, moment)).values(state=State.CONSUMED, polled=moment)
    return answer if connection.execute(take).rowcount == 1 else Answer.INVALID_GRANT


def _still(state: State, moment: float) -> tuple[Any, Any]:
    return _TABLE.c.state == state, _TABLE.c.expires > moment


def _asking(row: Row[Any]) -> Asking:
    return Asking(
        id=row.id,
        user_code=row.user_code,
        client_name=row.client_name,
        address=row.address,
        user_agent=row.user_agent,
        grants=parse_grants(row.scopes),
        created=row.created,
    )
