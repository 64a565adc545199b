"""Workflow state RefundJob: refund the undelivered outputs and announce the end of the job."""

from __future__ import annotations

from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock
from darkroom.aws.step_functions import JobKey, key_of_event
from darkroom.domain.errors import NotFound
from darkroom.domain.failures import failure_of_error
from darkroom.domain.jobs import JobStatus
from darkroom.observability import Metric, count, logger, metrics, tracer
from darkroom.services.finish_job import finish


class Failed(JobKey):
    """The state's input: the name of the error that ended the step before."""

    failure: str


class Ended(TypedDict):
    """The state's result: whether the execution should be red."""

    fault: bool


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: Failed, context: LambdaContext) -> Ended:  # noqa: ARG001 (Lambda passes it)
    """Settle what the record holds, and stop what still runs at the provider."""
    account, job_id = key_of_event(event)
    try:
        job = finish(account, job_id, reason=failure_of_error(event["failure"]), now=clock.now())
    except NotFound:
        logger.info("job ended and was deleted before", job_id=job_id)
        return {"fault": False}
    fault = job.status is JobStatus.FAILED and (job.failure is None or job.failure.is_fault)
    logger.info("job ended", job_id=job_id, status=job.status, charged=job.charged, refunded=job.refunded, cause=event["failure"])
    count(Metric(f"Jobs{job.status.title()}"))
    return {"fault": fault}
