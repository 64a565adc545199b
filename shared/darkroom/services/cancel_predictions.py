"""Cancels predictions that no job needs: unfinished predictions of ended jobs, and orphans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from darkroom.domain.jobs import Attempt, Job
from darkroom.media import bucket
from darkroom.observability import Metric, count, logger
from darkroom.providers import CancelsRequests, load_provider


def cancel_predictions(job: Job) -> None:
    """Cancel the unfinished predictions of an ended job. Errors are logged and not raised."""
    for attempt in job.attempts:
        if attempt.prediction_id and not attempt.finished_at:
            with _log_errors(attempt.prediction_id):
                load_provider(job.model_input.provider).cancel(attempt.prediction_id)
        elif attempt.prediction_id is None and not attempt.abandoned:
            _cancel_request(job, attempt)


def _cancel_request(job: Job, attempt: Attempt) -> None:
    """Cancel the run of an unanswered request, if the provider can tell that it runs."""
    with _log_errors(f"attempt {attempt.number}"):
        provider = load_provider(job.model_input.provider)
        if isinstance(provider, CancelsRequests):
            provider.cancel_request(
                bucket.prefix_of(job.account, job.job_id), attempt.finished_outputs
            )


def cancel_orphan(job: Job, prediction_id: str) -> None:
    """Count an orphan prediction of this job, and cancel it. Errors are logged and not raised.

    A prediction whose webhook URL names another job is not canceled.
    """
    logger.warning("orphan prediction", job_id=job.job_id, prediction_id=prediction_id)
    count(Metric.ORPHAN_PREDICTIONS)
    with _log_errors(prediction_id):
        provider = load_provider(job.model_input.provider)
        webhook_url = provider.get(prediction_id).webhook_url
        if webhook_url is None or f"{job.account}/{job.job_id}/" in unquote(webhook_url):
            provider.cancel(prediction_id)


@contextmanager
def _log_errors(prediction_id: str) -> Iterator[None]:
    try:
        yield
    # The prediction ends at its deadline anyway, and an error here must not prevent a refund.
    except Exception as error:  # noqa: BLE001 (see above)
        logger.warning(
            "prediction not canceled", prediction_id=prediction_id, cause=type(error).__name__
        )
