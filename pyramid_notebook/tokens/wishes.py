"""What somebody typed into the form that makes a token, and what is wrong with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from ..errors import ScopeError
from ..scopes import MOST_PATHS, Grant, Scope
from ..settings import Settings
from .wording import span

_DAY = 86400
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
_SHOWN = 50

#: What is wrong with a form: sentences, by the name of the field.
Mistakes = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody typed into the form that makes a token; nothing of it is checked.

    Attributes:
        name: what the token is for.
        scopes: the boxes that are ticked.
        paths: patterns of notebooks, separated by commas or in lines of their own.
        days: that it is valid for.
    """

    name: str = ""
    scopes: tuple[str, ...] = ()
    paths: str = ""
    days: str = ""

    def grants(self, mistakes: Mistakes) -> tuple[Grant, ...]:
        """Return what the token may do; what is wrong is added to the mistakes."""
        chosen = [scope for scope in Scope if scope in self.scopes]
        if set(self.scopes).difference(Scope):
            _add(mistakes, "scopes", "One of the scopes does not exist. Reload this page.")
        if not chosen:
            _add(mistakes, "scopes", "Tick at least one thing that the token may do.")
        patterns = self._patterns(chosen, mistakes)
        return tuple(Grant(scope, patterns if scope is Scope.RUN else ()) for scope in chosen)

    def _patterns(self, chosen: Collection[Scope], mistakes: Mistakes) -> tuple[str, ...]:
        if not self.paths.strip():
            return ()
        patterns = dict.fromkeys(part.strip() for part in re.split("[,\r\n]", self.paths) if part.strip())
        if Scope.SHELL in chosen:  # it would look restricted, and be allowed everything
            _add(mistakes, "paths", "What may do everything cannot be restricted. Untick shell, or clear this field.")
        elif Scope.RUN not in chosen:
            _add(mistakes, "paths", "Only calls of notebooks can be restricted. Tick run, or clear this field.")
        if not patterns:
            _add(mistakes, "paths", "Name a notebook, such as reports/*.ipynb, or clear this field for all notebooks.")
        if len(patterns) > MOST_PATHS:
            _add(mistakes, "paths", f"A token can be restricted to {MOST_PATHS} patterns at most.")
            return ()
        return tuple(pattern for pattern in patterns if _is_usable(pattern, mistakes))

    def lifetime(self, settings: Settings, mistakes: Mistakes) -> int:
        """Return the seconds that the token is valid for; what is wrong is added to the mistakes."""
        days, most = self.days.strip(), settings.token_max_lifetime // _DAY
        if not days:
            return settings.usual_token_lifetime
        if re.fullmatch("[0-9]{1,9}", days) and 1 <= int(days) <= most:
            return int(days) * _DAY
        if most:
            limits = "the whole number 1" if most == 1 else f"a whole number from 1 to {most}"
        else:
            limits = f"nothing for {span(settings.token_max_lifetime)}"
        _add(mistakes, "days", f"Days that the token is valid for: write {limits}, not {days[:_SHOWN]!r}.")
        return 0


def check_name(name: str, taken: Collection[str], mistakes: Mistakes) -> None:
    """Check the name of a token that somebody wishes for.

    Args:
        name: what was typed.
        taken: names of the user's other tokens.
        mistakes: what is wrong is added to it.
    """
    from .model import NAME_LENGTH

    odd = any(unicodedata.category(character) in _UNPRINTABLE for character in name[: NAME_LENGTH + 1])
    if odd or not 0 < len(name) <= NAME_LENGTH:
        _add(mistakes, "name", f"Give the token a name of 1 to {NAME_LENGTH} characters that says what it is for.")
    elif name in taken:  # so a form that is sent once more makes no second token
        _add(mistakes, "name", f"You have a token “{name}” already. Take another name, or revoke that token first.")


def _is_usable(pattern: str, mistakes: Mistakes) -> bool:
    try:
        Grant(Scope.RUN, (pattern,))
    except ScopeError as error:
        _add(mistakes, "paths", str(error))
        return False
    return True


def _add(mistakes: Mistakes, field: str, sentence: str) -> None:
    mistakes.setdefault(field, []).append(sentence)
