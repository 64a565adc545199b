"""The audit: recompute every account from its entries and jobs, over as many runs as it takes, and report each mismatch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

from darkroom import clock
from darkroom.domain.audit import AccountRecords, Mismatch, mismatches
from darkroom.observability import Metric, count, logger
from darkroom.storage import account_records
from darkroom.storage.account_records import read_account

READINGS_COUNT = 3
_PAUSE_SECONDS = 0.1
# Enough for the largest account to be read as often as it takes.
_MARGIN_MILLISECONDS = 120_000


@dataclass(frozen=True, slots=True)
class Audit:
    """What an account holds, and in what it contradicts itself."""

    records: AccountRecords
    mismatches: tuple[Mismatch, ...]


def audit(pk: str, *, now: datetime) -> Audit:
    """Audit one account. A mismatch counts when it is there in three readings, because a reading of many rows is no snapshot.

    Raises AccountUnsettled.
    """
    records = read_account(pk)
    found = mismatches(records, now=now)
    for _ in range(READINGS_COUNT - 1):
        if not found:
            break
        time.sleep(_PAUSE_SECONDS)
        records = read_account(pk)
        seen = {(mismatch.what, mismatch.concerns) for mismatch in found}
        found = [
            mismatch
            for mismatch in mismatches(records, now=now)
            if (mismatch.what, mismatch.concerns) in seen
        ]
    return Audit(records, tuple(found))


def audit_accounts(remaining_milliseconds: Callable[[], int]) -> None:
    """Audit account after account while there is time. The next run continues there; after the last account a new round begins."""
    progress, audited_count = account_records.progress(), 0
    try:
        for pk, key in account_records.accounts(after=progress.after):
            if remaining_milliseconds() < _MARGIN_MILLISECONDS:
                break
            mismatches_count = _audit_and_log(pk)
            audited_count += mismatches_count is not None
            progress = progress.advanced(key, mismatches_count)
        else:
            progress = progress.finished()
    finally:
        account_records.record_progress(progress)
        # Of whole rounds, so that a run over some accounts does not end the alarm about the others.
        count(Metric.LEDGER_MISMATCHES, progress.mismatches_known)
        count(Metric.AUDITS_FAILED, progress.failed_known)
    count(Metric.ACCOUNTS_AUDITED, audited_count)
    logger.info(
        "accounts audited",
        accounts=audited_count,
        mismatches=progress.mismatches_known,
        finished=progress.after is None,
    )


def _audit_and_log(pk: str) -> int | None:
    """Audit one account, and return how many mismatches it has. None: the audit failed."""
    try:
        found = audit(pk, now=clock.now()).mismatches
    except Exception:  # noqa: BLE001 (an error of one account must not stop the others; its turn comes again in the next round)
        logger.exception("account not audited", account=pk)
        return None
    for mismatch in found:
        logger.error("ledger mismatch", **asdict(mismatch))
    return len(found)
