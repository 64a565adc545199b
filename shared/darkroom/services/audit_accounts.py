"""Audits accounts: recomputes each account from its entries and jobs, and reports mismatches.

One round covers all accounts and can need several runs. The daily run also adds the rows of release
0.1.0 to the index `lookup`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from darkroom import clock
from darkroom.domain.audit import AccountRecords, Mismatch, mismatches
from darkroom.domain.usage import day_of, usage_by_day
from darkroom.observability import Metric, count, logger
from darkroom.storage import account_records, usage
from darkroom.storage.account_records import read_account

READINGS_COUNT = 3
LOOKUP_ROWS_MAX = 1_000
_PAUSE_SECONDS = 0.1
# The largest account needs about this long. A run with less time left audits no further account.
# tests/unit/test_dependent_numbers.py compares it with the Timeout of AuditAccountsFunction.
_MARGIN_MILLISECONDS = 120_000


@dataclass(frozen=True, slots=True)
class Audit:
    """The records of an account and the mismatches between them."""

    records: AccountRecords
    mismatches: tuple[Mismatch, ...]


def audit(pk: str, *, now: datetime) -> Audit:
    """Audit one account. Report a mismatch only if READINGS_COUNT reads in a row contain it.

    One read of many rows is not a snapshot, so a single read can show a mismatch that does not
    exist. Raises AccountUnsettled if the account changes too often to be read.
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
    """Audit accounts until the time is over. The next run continues with the next account.

    After the last account, the next run begins a new round.
    """
    progress, audited_count = account_records.progress(), 0
    try:
        for pk, key in account_records.accounts(after=progress.after):
            if remaining_milliseconds() < _MARGIN_MILLISECONDS:
                break
            mismatches_count = _audit_and_log(pk)
            if mismatches_count is not None:
                audited_count += 1
            progress = progress.advanced(key, mismatches_count)
        else:
            progress = progress.finished()
    finally:
        account_records.record_progress(progress)
        # These numbers cover a whole round. A run over some accounts must not clear the alarm
        # about the others.
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
    """Audit one account. Return the number of mismatches, or None if the audit failed."""
    now = clock.now()
    try:
        audited = audit(pk, now=now)
    except Exception:  # noqa: BLE001 (one failing account must not stop the audit of the others)
        logger.exception("account not audited", account=pk)
        return None
    for mismatch in audited.mismatches:
        logger.error("ledger mismatch", **asdict(mismatch))
    _add_to_lookup(pk, audited.records.not_in_lookup)
    _record_usage(audited.records, now=now)
    return len(audited.mismatches)


def _add_to_lookup(pk: str, sort_keys: Sequence[str]) -> None:
    """Add up to LOOKUP_ROWS_MAX rows to the index. The next rounds add the others."""
    if not sort_keys:
        return
    try:
        added = [account_records.add_to_lookup(pk, key) for key in sort_keys[:LOOKUP_ROWS_MAX]]
    except Exception:  # noqa: BLE001 (the audit must continue, and the next round adds the rows)
        logger.exception("rows not added to the index", account=pk)
        return
    logger.info("rows added to the index", account=pk, rows=sum(added))


def _record_usage(records: AccountRecords, *, now: datetime) -> None:
    """Store the account's use of the last days, if it has any. Errors are logged, not raised."""
    try:
        if days := usage_by_day(records.entries, today=day_of(now)):
            usage.record_usage(records.account, days, now=now)
    except Exception:  # noqa: BLE001 (a report must not stop the audit)
        logger.exception("use of the account not recorded", account=records.account)
