"""The workflow in Step Functions: starts, resumes, describes and stops a job's execution."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from darkroom.aws.clients import client
from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import WorkflowUnavailable
from darkroom.domain.jobs import Job
from darkroom.observability import Metric, count, logger
from darkroom.settings import settings


class JobKey(TypedDict):
    """The identity of a job in the input of a workflow state."""

    account: str
    job_id: str


class FailedStep(JobKey):
    """The input of RefundJob. `failure` is the name of the error that ended the previous state."""

    failure: str


class RefundResult(TypedDict):
    """The result of RefundJob. `fault`: whether the execution must end as failed."""

    fault: bool


ALIAS = "live"
"""The alias of the state machine. A deployment moves it to the new version of the definition."""


@dataclass(frozen=True, slots=True)
class Execution:
    """The state of an execution. `stopped_at` is None while it runs."""

    is_running: bool
    stopped_at: datetime | None


def key_of_event(event: JobKey) -> tuple[AccountId, str]:
    """Return the account and the job's id from the input of a workflow state."""
    return AccountId.parse(event["account"]), event["job_id"]


def start(job: Job) -> None:
    """Start the job's execution, with the definition to which the alias points.

    The call is idempotent. The name of the execution is the job's id, and its input never changes.
    A name is unique in the state machine, whatever the alias, and is reserved for 90 days
    (docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html).
    Raises WorkflowUnavailable.
    """
    states = client("stepfunctions")
    execution_input = {
        "account": str(job.account),
        "job_id": job.job_id,
        "wait_seconds": job.wait_seconds,
    }
    try:
        states.start_execution(
            stateMachineArn=f"{settings().state_machine_arn}:{ALIAS}",
            name=job.job_id,
            input=json.dumps(execution_input, sort_keys=True),
        )
    except states.exceptions.ExecutionAlreadyExists:
        return
    except (BotoCoreError, ClientError) as error:
        count(Metric.WORKFLOW_UNAVAILABLE)
        raise WorkflowUnavailable(type(error).__name__) from error


def resume(task_token: str) -> bool:
    """Resume the execution that waits for this token. Its next state reads the job's record.

    Returns whether an execution waited for the token. Raises WorkflowUnavailable.
    """
    return _send(lambda states: states.send_task_success(taskToken=task_token, output="{}"))


def fail(task_token: str, error: str, message: str) -> bool:
    """Fail the state that waits for this token, with the name of an error and its message.

    The cause has the form that an error of a Lambda function has, so a state reads both in the same
    way (docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html). Returns whether an execution
    waited for the token. Raises WorkflowUnavailable.
    """
    cause = json.dumps({"errorMessage": message, "errorType": error})
    return _send(
        lambda states: states.send_task_failure(taskToken=task_token, error=error, cause=cause)
    )


def execution(job_id: str) -> Execution | None:
    """Return the state of the job's execution, or None if it was never started."""
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
    """Stop the job's execution. A running invocation can continue until its timeout."""
    client("stepfunctions").stop_execution(
        executionArn=_execution_arn(job_id),
        error="Overdue",
        cause="The job's record has the reason.",
    )


def try_start(job: Job) -> None:
    """Start the job's execution. If this fails, recovery starts it, because the job is durable."""
    try:
        start(job)
    except WorkflowUnavailable as error:
        logger.warning("job not started, recovery will retry", job_id=job.job_id, cause=str(error))


def resume_or_start(job: Job) -> None:
    """Resume the job's execution if it has a task token, else start it.

    If this fails, recovery repeats it.
    """
    if job.task_token is None:
        try_start(job)
        return
    try:
        resume(job.task_token)
    except WorkflowUnavailable as error:
        logger.warning("job not resumed, recovery will retry", job_id=job.job_id, cause=str(error))


def _send(send: Callable[[Any], object]) -> bool:
    """Send the result of a state. Return False if no execution waits for the token.

    Raises WorkflowUnavailable.
    """
    states = client("stepfunctions")
    try:
        send(states)
    except (
        states.exceptions.TaskTimedOut,
        states.exceptions.TaskDoesNotExist,
        states.exceptions.InvalidToken,
    ):
        return False
    except (BotoCoreError, ClientError) as error:
        count(Metric.WORKFLOW_UNAVAILABLE)
        raise WorkflowUnavailable(type(error).__name__) from error
    return True


def _execution_arn(job_id: str) -> str:
    """Return the ARN of a job's execution. It contains the state machine's name and no alias."""
    return f"{settings().state_machine_arn.replace(':stateMachine:', ':execution:')}:{job_id}"
