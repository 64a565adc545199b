"""The virtual clock and the events that are scheduled on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

START_TIME = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@dataclass(eq=False)
class ScheduledEvent:
    """An action at a time, unless it is canceled before."""

    at: datetime
    number: int
    label: str
    action: Callable[[], None] = field(repr=False)
    recurs: bool = False


class EventQueue:
    """The scheduled events. If several are due at the same time, the caller chooses the first."""

    def __init__(self) -> None:
        self.now = START_TIME
        self.after_each_event: Callable[[], None] = lambda: None
        self._scheduled: list[ScheduledEvent] = []
        self._count = 0

    def after(
        self, seconds: float, label: str, action: Callable[[], None], *, recurs: bool = False
    ) -> ScheduledEvent:
        """Schedule an action this many seconds from now."""
        return self.at(self.now + timedelta(seconds=seconds), label, action, recurs=recurs)

    def at(
        self, time: datetime, label: str, action: Callable[[], None], *, recurs: bool = False
    ) -> ScheduledEvent:
        """Schedule an action at a time, or now if the time has passed."""
        self._count += 1
        event = ScheduledEvent(max(time, self.now), self._count, label, action, recurs)
        self._scheduled.append(event)
        return event

    def cancel_event(self, event: ScheduledEvent | None) -> None:
        """Cancel an event. Does nothing if the event was processed already."""
        if event in self._scheduled:
            self._scheduled.remove(event)

    @property
    def is_idle(self) -> bool:
        """Return whether only recurring events are scheduled."""
        return all(event.recurs for event in self._scheduled)

    def due_events(self) -> list[ScheduledEvent]:
        """Return the events of the earliest scheduled time, in the order of scheduling."""
        earliest = min((event.at for event in self._scheduled), default=None)
        return sorted(
            (event for event in self._scheduled if event.at == earliest),
            key=lambda event: event.number,
        )

    def run_next(self, choice: int = 0) -> ScheduledEvent | None:
        """Move the clock to the next events and process one of them.

        Returns the event, or None if nothing is scheduled.
        """
        if not (due := self.due_events()):
            return None
        event = due[choice % len(due)]
        self._scheduled.remove(event)
        self.now = event.at
        event.action()
        self.after_each_event()
        return event

    def skip_seconds(self, seconds: float) -> None:
        """Move the clock without processing events.

        All events that fall due are due at the new time.
        """
        self.now += timedelta(seconds=seconds)
        for event in self._scheduled:
            event.at = max(event.at, self.now)

    def advance(self, seconds: float) -> None:
        """Move the clock and process every event that falls due."""
        until = self.now + timedelta(seconds=seconds)
        while (due := self.due_events()) and due[0].at <= until:
            self.run_next()
        self.now = until
