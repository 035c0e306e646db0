"""Writes down when, and from where, tokens were used: at most once a minute for each, and never in a request."""

from __future__ import annotations

import logging
import os
import queue
import threading

from sqlalchemy import Engine, bindparam, or_, update
from sqlalchemy.exc import SQLAlchemyError

from .model import ADDRESS_LENGTH, Token

#: Seconds for which a use stands for all that follow it.
INTERVAL = 60
_MOST_WAITING = 1000
_MOST_REMEMBERED = 10_000
_LOG = logging.getLogger(__name__)
_WRITE = (
    update(Token)
    .where(
        Token.id == bindparam("token_id"),
        or_(Token.last_used.is_(None), Token.last_used <= bindparam("before")),
    )
    .values(last_used=bindparam("at"), last_address=bindparam("from_address"))
)


class LastUse:
    """Takes uses from requests, and writes them in a thread of its own, which starts with the first.

    What waits when the process ends is lost; a use is told to about a minute, and so is that.

    Args:
        engine: the database, with our tables.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}
        self._waiting: queue.Queue[tuple[str, str, float]] = queue.Queue(_MOST_WAITING)
        self._owner = 0

    def tell(self, token_id: str, address: str, moment: float) -> None:
        """Have a use written down, unless one of the last minute was.

        Args:
            token_id: id of the token.
            address: the client's address.
            moment: when it was used, in seconds since the epoch.
        """
        if moment - self._told.get(token_id, 0) < INTERVAL:
            return
        with self._lock:
            self._start()
            if len(self._told) >= _MOST_REMEMBERED:
                self._told.clear()  # the database itself keeps to the minute as well
            self._told[token_id] = moment
            try:
                self._waiting.put_nowait((token_id, address[:ADDRESS_LENGTH], moment))
            except queue.Full:
                _LOG.warning("Uses of tokens come faster than the database takes them; some are not written down")

    def wait(self) -> None:
        """Wait until all that was told is written."""
        self._waiting.join()

    def _start(self) -> None:
        if self._owner == os.getpid():
            return
        # threads do not live on in a fork, so each process has its own, and its own queue
        self._waiting = queue.Queue(_MOST_WAITING)
        self._owner = os.getpid()
        threading.Thread(target=self._run, args=(self._waiting,), name="notebook-last-use", daemon=True).start()

    def _run(self, waiting: queue.Queue[tuple[str, str, float]]) -> None:
        while True:
            token_id, address, moment = waiting.get()
            try:
                self._write(token_id, address, moment)
            except SQLAlchemyError as error:
                _LOG.warning("The use of token %s was not written down: %s", token_id, type(error).__name__)
            finally:
                waiting.task_done()

    def _write(self, token_id: str, address: str, moment: float) -> None:
        values = {"token_id": token_id, "before": moment - INTERVAL, "at": moment, "from_address": address}
        with self._engine.begin() as connection:
            connection.execute(_WRITE, values)
