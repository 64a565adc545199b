"""Workflow state RequestPrediction: make sure that a prediction exists and store the task token."""

from __future__ import annotations

from datetime import datetime
from typing import NotRequired

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.aws.step_functions import JobKey, key_of_event
from darkroom.domain.jobs import state_entry_name
from darkroom.observability import logger, metrics
from darkroom.services.request_prediction import request_prediction
from darkroom.tracing import tracer


class RequestPredictionInput(JobKey):
    """The state's input."""

    task_token: str
    entered_at: str
    retry_count: int
    has_queue_state: NotRequired[bool]


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: RequestPredictionInput, context: LambdaContext) -> None:
    """Request the job's prediction, or read its state."""
    account, job_id = key_of_event(event)
    entered_at = datetime.fromisoformat(event["entered_at"])
    request_prediction(
        account,
        job_id,
        task_token=event["task_token"],
        state_entry=state_entry_name(entered_at, event["retry_count"]),
        has_queue_state=event.get("has_queue_state", False),
    )
