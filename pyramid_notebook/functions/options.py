"""What a site allows the functions of one user (pure); it comes with the other options of a user server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionOptions:
    """Limits of calls; the settings of the same names say more.

    Attributes:
        zygote: whether calls run in forks of a process that has everything loaded.
        preload: names of the modules that it loads.
        timeout: seconds that a call may take that somebody waits for.
        long_timeout: seconds that a run may take that nobody waits for.
        memory: bytes that a call may have; 0 for any number.
        at_once: how many calls may run at once.
        queue: how many may wait.
        result_bytes: bytes that a result may have.
        keep_seconds: seconds for which the result of a run is kept.
        webhook_hosts: hosts that may be told when a run has ended.
    """

    zygote: bool = True
    preload: tuple[str, ...] = ()
    timeout: int = 60
    long_timeout: int = 3600
    memory: int = 0
    at_once: int = 4
    queue: int = 32
    result_bytes: int = 10_000_000
    keep_seconds: int = 3600
    webhook_hosts: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FunctionOptions:
        """Return the options in a dictionary; what is missing has its default, what is unknown is not looked at."""
        known = {item.name for item in fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        for name in ("preload", "webhook_hosts"):
            if name in given:
                given[name] = tuple(map(str, given[name]))
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return them as a dictionary of JSON's types."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
