"""What speaks against a request, collected before anything is answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..domain.errors import Invalid, Refused


@dataclass
class Findings:
    """What speaks against a request, collected."""

    problems: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, tuple[str, str]] = field(default_factory=dict)

    def invalid(self, place: str, sentence: str) -> None:
        """The field `place` is wrong as such."""
        self.problems.setdefault(place, sentence)

    def refuse(self, place: str, item: str, reason: str) -> None:
        """`item`, named in field `place`, is not allowed."""
        self.refusals.setdefault(item, (place, reason))

    def raise_any(self) -> None:
        """Raise Invalid or Refused when anything was found."""
        if self.problems:
            refused = {place: f"{item}: {reason}" for item, (place, reason) in self.refusals.items()}
            raise Invalid(refused | self.problems)
        if self.refusals:
            raise Refused({item: reason for item, (_, reason) in self.refusals.items()})


def names(listed: Iterable[str], where: str = "") -> str:
    """Half a sentence that tells what the asker may use instead."""
    text = ", ".join(listed)
    return f"you may use{where}: {text}" if text else f"you may use none{where}; ask an administrator"
