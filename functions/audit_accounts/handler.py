"""Every day: recompute each account from its entries and jobs and report each mismatch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.observability import Metric, count, logger, metrics, tracer
from darkroom.services import audit_accounts

# Enough for the largest account to be read as often as it takes.
_MARGIN_MILLISECONDS = 120_000


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 (Lambda passes it)
    """Audit account after account while there is time. The next run goes on from there; after the last account a new round begins."""
    progress, audited_count = audit_accounts.progress(), 0
    try:
        for pk, key in audit_accounts.accounts(after=progress.after):
            if context.get_remaining_time_in_millis() < _MARGIN_MILLISECONDS:
                break
            mismatches_count = _audited(pk)
            audited_count += mismatches_count is not None
            progress = progress.behind(key, mismatches_count)
        else:
            progress = progress.finished()
    finally:
        audit_accounts.record_progress(progress)
        # Of whole rounds, so that a run over some accounts does not call off the alarm of the others.
        count(Metric.LEDGER_MISMATCHES, progress.mismatches_known)
        count(Metric.AUDITS_FAILED, progress.failed_known)
    count(Metric.ACCOUNTS_AUDITED, audited_count)
    logger.info("accounts audited", accounts=audited_count, mismatches=progress.mismatches_known, finished=progress.after is None)


def _audited(pk: str) -> int | None:
    """Audit one account, and give how many mismatches there are; None when that cannot be told."""
    try:
        found = audit_accounts.audit(pk, now=clock.now()).mismatches
    except Exception:  # noqa: BLE001 (one account in trouble must not keep the others unaudited; it has its turn again in the next round)
        logger.exception("account not audited", account=pk)
        return None
    for mismatch in found:
        logger.error("ledger mismatch", **asdict(mismatch))
    return len(found)
