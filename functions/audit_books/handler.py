"""Every day: recompute every account from its entries and jobs, and report each difference."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.adapters import audit
from darkroom.adapters.audit import Progress
from darkroom.observability import logger, metrics, tracer

# Enough for the largest account to be read as often as it takes.
_MARGIN_MILLISECONDS = 120_000


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 (Lambda passes it)
    """Audit account after account while there is time. The next run goes on from there; after the last account a new round begins."""
    progress, audited_count, failed_count = audit.progress(), 0, 0
    differences_count = progress.differences
    try:
        for pk, key in audit.accounts(after=progress.after):
            if context.get_remaining_time_in_millis() < _MARGIN_MILLISECONDS:
                break
            audited, found = _audited(pk)
            audited_count += audited
            failed_count += not audited
            differences_count += found
            progress = Progress(after=key, differences=differences_count)
        else:
            progress = Progress()
    finally:
        audit.note_progress(progress)
        # Of the whole round, so that a run over the second half does not call off the alarm of the first.
        metrics.add_metric("BooksDifferences", "Count", differences_count)
    metrics.add_metric("AccountsAudited", "Count", audited_count)
    metrics.add_metric("AuditsFailed", "Count", failed_count)
    logger.info("books audited", accounts=audited_count, differences=differences_count, finished=progress == Progress())


def _audited(pk: str) -> tuple[bool, int]:
    """Audit one account; say whether that could be done, and how many differences there are."""
    try:
        found = audit.audit(pk, now=clock.now()).differences
    except Exception:  # noqa: BLE001 (one account in trouble must not keep the others unaudited; it has its turn again in the next round)
        logger.exception("account not audited", account=pk)
        return False, 0
    for difference in found:
        logger.error("books differ", **asdict(difference))
    return True, len(found)
