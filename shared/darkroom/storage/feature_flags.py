"""Feature flags of the whole deployment. An administrator sets them without another deployment."""

from __future__ import annotations

from datetime import datetime

from darkroom.domain.accounts import AccountId
from darkroom.storage.table import FlagRow

_PAUSED = "PAUSED"


def is_paused() -> bool:
    """Tell whether no jobs are taken at the moment."""
    try:
        return bool(FlagRow.get("FLAG", _PAUSED, consistent_read=True).is_enabled)
    except FlagRow.DoesNotExist:
        return False


def pause(*, paused: bool, by: AccountId, now: datetime) -> None:
    """Take no jobs from now on, or take them again. Jobs that were accepted go on."""
    FlagRow("FLAG", _PAUSED, is_enabled=paused, changed_at=now, changed_by=str(by)).save()
