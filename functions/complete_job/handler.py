"""Workflow state CompleteJob: charge for the delivered outputs and announce the end of the job."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.aws.step_functions import JobKey, key_of_event
from darkroom.domain.errors import NotFound
from darkroom.observability import Metric, count, logger, metrics, tracer
from darkroom.services.finish_job import finish


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: JobKey, context: LambdaContext) -> None:  # noqa: ARG001 (Lambda passes it)
    """Settle the job from its record."""
    try:
        job = finish(*key_of_event(event), now=clock.now())
    except NotFound:
        logger.info("job ended and was deleted before")
        return
    logger.info("job ended", job_id=job.job_id, status=job.status, charged=job.charged, refunded=job.refunded)
    count(Metric(f"Jobs{job.status.title()}"))
