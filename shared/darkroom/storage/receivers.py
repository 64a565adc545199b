"""Counts the timeouts of receivers of callbacks, and pauses those that time out repeatedly."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from darkroom.domain.accounts import AccountId
from darkroom.domain.callback_retries import RECEIVER_PAUSE, TIMEOUTS_MAX
from darkroom.domain.ids import key_part
from darkroom.storage.table import ReceiverRow
from darkroom.storage.transactions import update

RECEIVER_PREFIX = "RECEIVER#"
_RETENTION = timedelta(days=2)


class Receiver:
    """The host of an account's callbacks, as one delivery knows it."""

    def __init__(self, account: AccountId, host: str) -> None:
        """Read the receiver's row."""
        self._row = ReceiverRow(
            f"{RECEIVER_PREFIX}{key_part(account.platform)}#{key_part(account.user)}",
            sha256(host.encode()).hexdigest(),
        )
        try:
            self._row.refresh(consistent_read=True)
        except ReceiverRow.DoesNotExist:
            self._row.timeouts, self._row.paused_until = 0, None

    def postponed_until(self, now: datetime) -> datetime | None:
        """Return until when callbacks are postponed, or None if this delivery may call the host.

        After a pause, one delivery may call: it extends the pause for the others first.
        """
        paused_until = self._row.paused_until
        if paused_until is None:
            return None
        if now < paused_until:
            return paused_until
        next_pause = now + RECEIVER_PAUSE
        is_first = update(
            self._row,
            [ReceiverRow.paused_until.set(next_pause)],
            ReceiverRow.paused_until == paused_until,
        )
        return None if is_first else next_pause

    def record_timeout(self, now: datetime) -> None:
        """Count a timeout. After `TIMEOUTS_MAX` in a row, the receiver is paused."""
        expires_at = int((now + _RETENTION).timestamp())
        update(self._row, [ReceiverRow.timeouts.add(1), ReceiverRow.expires_at.set(expires_at)])
        if self._row.timeouts >= TIMEOUTS_MAX:
            update(self._row, [ReceiverRow.paused_until.set(now + RECEIVER_PAUSE)])

    def record_response(self) -> None:
        """Forget the timeouts before a response."""
        if self._row.timeouts:
            self._row.delete()
