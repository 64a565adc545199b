"""The workflow: start a job's execution, resume it, describe it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from darkroom.aws.clients import client
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import WorkflowUnavailable
from darkroom.domain.jobs import Job
from darkroom.observability import logger
from darkroom.settings import settings


class JobKey(TypedDict):
    """How a workflow state names its job."""

    account: str
    job_id: str


class FailedStep(JobKey):
    """The input of RefundJob: the job, and the name of the error that ended the step before."""

    failure: str


class RefundResult(TypedDict):
    """The result of RefundJob: whether the execution ends in a failure."""

    fault: bool


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution: whether it runs, and since when it does not."""

    is_running: bool
    stopped_at: datetime | None


def key_of_event(event: JobKey) -> tuple[AccountId, str]:
    """Read which job a state is about."""
    return AccountId.parse(event["account"]), event["job_id"]


def start(job: Job) -> None:
    """Start the job's execution; starting twice is starting once.

    The execution has the job's id for a name, and its input is made of what never changes on a job. The name stays taken for 90 days
    (docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html). Raises WorkflowUnavailable.
    """
    states = client("stepfunctions")
    execution_input = {
        "account": str(job.account),
        "job_id": job.job_id,
        "wait_seconds": job.wait_seconds,
    }
    try:
        states.start_execution(
            stateMachineArn=settings().state_machine_arn,
            name=job.job_id,
            input=json.dumps(execution_input, sort_keys=True),
        )
    except states.exceptions.ExecutionAlreadyExists:
        return
    except (BotoCoreError, ClientError) as error:
        raise WorkflowUnavailable(type(error).__name__) from error


def resume(task_token: str) -> bool:
    """Tell the workflow to read the record again. False when nobody sleeps on this token any more, which is no error. Raises WorkflowUnavailable."""
    states = client("stepfunctions")
    try:
        states.send_task_success(taskToken=task_token, output="{}")
    except (
        states.exceptions.TaskTimedOut,
        states.exceptions.TaskDoesNotExist,
        states.exceptions.InvalidToken,
    ):
        return False
    except (BotoCoreError, ClientError) as error:
        raise WorkflowUnavailable(type(error).__name__) from error
    return True


def execution(job_id: str) -> Execution | None:
    """Describe the job's execution; None when it was never started."""
    states = client("stepfunctions")
    try:
        found = states.describe_execution(executionArn=_execution_arn(job_id))
    except states.exceptions.ExecutionDoesNotExist:
        return None
    return Execution(
        is_running=found["status"] in ("RUNNING", "PENDING_REDRIVE"),
        stopped_at=found.get("stopDate"),
    )


def stop(job_id: str) -> None:
    """Stop the job's execution. Its invocations may live on until their time-outs."""
    client("stepfunctions").stop_execution(
        executionArn=_execution_arn(job_id),
        error="Overdue",
        cause="The job's record says the rest.",
    )


def try_start(job: Job) -> None:
    """Start the job's execution, or leave it to recovery: the job is durable either way."""
    try:
        start(job)
    except WorkflowUnavailable as error:
        logger.warning("job not started yet, recovery will", job_id=job.job_id, cause=str(error))


def resume_or_start(job: Job) -> None:
    """Have the workflow look at the job: resume it if it sleeps, start it if it never started; recovery repeats what fails."""
    if job.task_token is None:
        try_start(job)
        return
    try:
        resume(job.task_token)
    except WorkflowUnavailable as error:
        logger.warning("job not resumed yet, recovery will", job_id=job.job_id, cause=str(error))


def _execution_arn(job_id: str) -> str:
    return f"{settings().state_machine_arn.replace(':stateMachine:', ':execution:')}:{job_id}"
