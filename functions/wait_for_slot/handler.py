"""Workflow state WaitForSlot: put the job in the provider's queue and store the task token."""

from __future__ import annotations

from datetime import datetime

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.aws.step_functions import JobKey, key_of_event
from darkroom.domain.jobs import state_entry_name
from darkroom.observability import logger, metrics
from darkroom.services.wait_for_slot import wait_for_slot
from darkroom.tracing import tracer


class WaitForSlotInput(JobKey):
    """The state's input."""

    task_token: str
    entered_at: str
    retry_count: int


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: WaitForSlotInput, context: LambdaContext) -> None:
    """Put the job in the queue. A free slot, a cancel or the timeout resumes the workflow."""
    account, job_id = key_of_event(event)
    state_entry = state_entry_name(
        datetime.fromisoformat(event["entered_at"]), event["retry_count"]
    )
    wait_for_slot(account, job_id, task_token=event["task_token"], state_entry=state_entry)
