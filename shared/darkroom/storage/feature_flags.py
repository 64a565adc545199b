"""Feature flags of this deployment. An administrator changes them without a new deployment."""

from __future__ import annotations

from datetime import datetime

from darkroom.domain.accounts import AccountId
from darkroom.storage.table import FlagRow

_PAUSED = "PAUSED"


def is_paused() -> bool:
    """Return whether the acceptance of new jobs is paused."""
    try:
        return bool(FlagRow.get("FLAG", _PAUSED, consistent_read=True).is_enabled)
    except FlagRow.DoesNotExist:
        return False


def pause(*, paused: bool, by: AccountId, now: datetime) -> None:
    """Pause or continue the acceptance of new jobs. Accepted jobs are not affected."""
    FlagRow("FLAG", _PAUSED, is_enabled=paused, changed_at=now, changed_by=str(by)).save()
