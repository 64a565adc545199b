"""Counts what the providers bill, and pauses a provider at the daily ceiling in USD.

The figures are estimates: each prediction counts with the cost of its template. A crash between a
request and its count loses the count, and a repeated call may count twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from darkroom.domain.costs import micro_usd_of, usd_of
from darkroom.domain.errors import ProviderPaused
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.provider_health import PauseReason, ProviderState
from darkroom.domain.usage import end_of_day
from darkroom.observability import Metric, count, logger
from darkroom.settings import settings
from darkroom.storage import provider_state, spend

NEAR_CEILING_PERCENT = 80


def record(job: Job, *, now: datetime) -> None:
    """Add a prediction of the job to the day's spend of its provider and template.

    At the daily ceiling, the provider is paused until midnight UTC. A pause for another reason is
    not changed. Errors are logged and not raised, because the prediction exists.
    """
    with _log_errors(job):
        provider, micro_usd = job.model_input.provider, job.cost_micro_usd
        total = spend.add_prediction(provider, job.template.code, micro_usd, now=now)
        ceiling = micro_usd_of(settings().daily_spend_usd_max)
        if ceiling:
            _compare(provider, before=total - micro_usd, total=total, ceiling=ceiling, now=now)


def record_cancel(job: Job, *, now: datetime) -> None:
    """Count a canceled job whose prediction had started: the provider may bill it.

    Jobs without a prediction are not counted. Errors are logged and not raised.
    """
    micro_usd = job.billed_micro_usd
    if job.status is not JobStatus.CANCELED or not job.predictions_count:
        return
    count(Metric.STARTED_CANCELS)
    count(Metric.STARTED_CANCEL_USD, usd_of(micro_usd))
    logger.info(
        "canceled after its start",
        job_id=job.job_id,
        account=str(job.account),
        template=job.template.code,
        usd=usd_of(micro_usd),
    )
    with _log_errors(job):
        spend.add_canceled(job.model_input.provider, job.template.code, micro_usd, now=now)


def require_below_ceiling(state: ProviderState, *, now: datetime) -> None:
    """Raise ProviderPaused if the provider with this state is paused by the daily ceiling.

    A provider that is paused for another reason accepts jobs: they wait in its queue.
    """
    if state.paused_until and state.is_paused(now) and state.pause_reason is PauseReason.SPEND:
        raise ProviderPaused(math.ceil((state.paused_until - now).total_seconds()))


def _compare(provider: str, *, before: int, total: int, ceiling: int, now: datetime) -> None:
    fields: dict[str, Any] = {
        "provider": provider,
        "usd": usd_of(total),
        "ceiling_usd": usd_of(ceiling),
    }
    # The additions of a day have one order, so exactly one of them crosses the limit.
    if _percent(before, ceiling) < NEAR_CEILING_PERCENT <= _percent(total, ceiling):
        logger.warning("spend near the daily ceiling", **fields)
        count(Metric.SPEND_NEAR_CEILING)
    if total >= ceiling and provider_state.pause(
        provider, until=end_of_day(now), reason=PauseReason.SPEND, now=now
    ):
        logger.error("provider paused until midnight by the daily ceiling", **fields)
        count(Metric.SPEND_CEILING_REACHED)


def _percent(micro_usd: int, ceiling: int) -> float:
    return micro_usd * 100 / ceiling


@contextmanager
def _log_errors(job: Job) -> Iterator[None]:
    try:
        yield
    except Exception:  # noqa: BLE001 (see above: the prediction exists, and the job must continue)
        logger.exception(
            "spend not recorded",
            job_id=job.job_id,
            template=job.template.code,
            usd=usd_of(job.cost_micro_usd),
        )
