"""Switches of the whole deployment, which an administrator turns without another deployment."""

from __future__ import annotations

from datetime import datetime

from darkroom.domain.accounts import AccountId
from darkroom.storage.table import SwitchRow

_PAUSED = "PAUSED"


def is_paused() -> bool:
    """Tell whether no jobs are taken at the moment."""
    try:
        return bool(SwitchRow.get("SWITCH", _PAUSED, consistent_read=True).is_on)
    except SwitchRow.DoesNotExist:
        return False


def pause(*, paused: bool, by: AccountId, now: datetime) -> None:
    """Take no jobs from now on, or take them again. Jobs that were accepted go on."""
    SwitchRow("SWITCH", _PAUSED, is_on=paused, changed_at=now, changed_by=str(by)).save()
