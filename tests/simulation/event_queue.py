"""The one virtual clock, and what is due by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

BEGINNING = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@dataclass(eq=False)
class Due:
    """Something that happens at a time, unless it is called off before."""

    at: datetime
    number: int
    what: str
    act: Callable[[], None] = field(repr=False)
    recurs: bool = False


class EventQueue:
    """What is going to happen, in order. Of what is due at the same moment, whoever steps may choose what comes first."""

    def __init__(self) -> None:
        self.now = BEGINNING
        # What looks on after each thing that happened.
        self.watch: Callable[[], None] = lambda: None
        self._coming: list[Due] = []
        self._count = 0

    def after(
        self, seconds: float, what: str, act: Callable[[], None], *, recurs: bool = False
    ) -> Due:
        """Have something happen this many seconds from now."""
        return self.at(self.now + timedelta(seconds=seconds), what, act, recurs=recurs)

    def at(
        self, time: datetime, what: str, act: Callable[[], None], *, recurs: bool = False
    ) -> Due:
        """Have something happen at a time, or at once when that is past."""
        self._count += 1
        due = Due(max(time, self.now), self._count, what, act, recurs)
        self._coming.append(due)
        return due

    def call_off(self, due: Due | None) -> None:
        """Have it not happen; it may be over already."""
        if due in self._coming:
            self._coming.remove(due)

    @property
    def is_clear(self) -> bool:
        """Whether nothing is coming but what always recurs."""
        return all(due.recurs for due in self._coming)

    def next_ones(self) -> list[Due]:
        """Give what is due at the next moment at which anything is, in the order in which it was said."""
        earliest = min((due.at for due in self._coming), default=None)
        return sorted(
            (due for due in self._coming if due.at == earliest), key=lambda due: due.number
        )

    def run_next(self, choice: int = 0) -> Due | None:
        """Move to the next moment, and do one of the things that are due there."""
        if not (ones := self.next_ones()):
            return None
        due = ones[choice % len(ones)]
        self._coming.remove(due)
        self.now = due.at
        due.act()
        self.watch()
        return due

    def jump(self, seconds: float) -> None:
        """Let a long time pass in which nothing happens but what always recurs, and that once, at its end."""
        self.now += timedelta(seconds=seconds)
        for due in self._coming:
            due.at = max(due.at, self.now)

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass, and do everything that falls due meanwhile."""
        until = self.now + timedelta(seconds=seconds)
        while (ones := self.next_ones()) and ones[0].at <= until:
            self.run_next()
        self.now = until
