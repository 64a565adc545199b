"""Feature flags of this deployment. An administrator changes them without a new deployment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from darkroom.domain.accounts import AccountId
from darkroom.storage.table import FlagRow

_PAUSED = "PAUSED"


@dataclass(frozen=True, slots=True)
class PauseState:
    """Whether new jobs are paused, and who changed it last, when and why."""

    paused: bool = False
    reason: str | None = None
    by: str | None = None
    at: datetime | None = None


def pause_state() -> PauseState:
    """Return whether the acceptance of new jobs is paused, with its last change."""
    try:
        row = FlagRow.get("FLAG", _PAUSED, consistent_read=True)
    except FlagRow.DoesNotExist:
        return PauseState()
    return PauseState(
        paused=bool(row.is_enabled), reason=row.reason, by=row.changed_by, at=row.changed_at
    )


def is_paused() -> bool:
    """Return whether the acceptance of new jobs is paused."""
    return pause_state().paused


def pause(*, paused: bool, by: AccountId, now: datetime, reason: str | None = None) -> PauseState:
    """Pause or continue the acceptance of new jobs. Accepted jobs are not affected."""
    FlagRow(
        "FLAG", _PAUSED, is_enabled=paused, changed_at=now, changed_by=str(by), reason=reason
    ).save()
    return PauseState(paused=paused, reason=reason, by=str(by), at=now)
