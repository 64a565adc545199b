"""The state machine is started by its alias, and an execution is named by the state machine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker

from darkroom.aws import step_functions
from darkroom.domain.errors import WorkflowUnavailable
from darkroom.domain.jobs import Job
from darkroom.settings import settings
from local.cloudformation import account, state_machines
from local.cloudformation.aws_endpoint import LocalAws
from tests.aws import TEMPLATE, client
from tests.builders import image_job, until

MACHINE_ARN = os.environ["STATE_MACHINE_ARN"]
ALIAS_ARN = f"{MACHINE_ARN}:{step_functions.ALIAS}"
WAITS = {"Type": "Wait", "Seconds": 60, "End": True}
SUCCEEDS = {"Type": "Succeed"}
FAILS = {"Type": "Fail"}


def create(first: Any, *more: Any) -> list[str]:
    """Create the state machine and publish a version for each of these states.

    The alias points to the first version. Returns the ARNs of the versions.
    """
    states = client("stepfunctions")
    arn = states.create_state_machine(
        name=MACHINE_ARN.rpartition(":")[2],
        definition=definition(first),
        roleArn=client("iam").get_role(RoleName="any")["Role"]["Arn"],
        publish=True,
    )["stateMachineVersionArn"]
    states.create_state_machine_alias(name=step_functions.ALIAS, routingConfiguration=route(arn))
    others = [
        states.update_state_machine(
            stateMachineArn=MACHINE_ARN, definition=definition(state), publish=True
        )["stateMachineVersionArn"]
        for state in more
    ]
    return [arn, *others]


def definition(state: Any) -> str:
    return json.dumps({"StartAt": "Only", "States": {"Only": state}})


def route(version_arn: str) -> list[dict[str, Any]]:
    return [{"stateMachineVersionArn": version_arn, "weight": 100}]


def stop(job: Job) -> step_functions.Execution:
    """Stop the job's execution, wait for its end, and return it. moto ends it in a thread."""
    until(lambda: is_stopped_after_its_start(job))
    return until(
        lambda: (
            execution
            if (execution := step_functions.execution(job.job_id)) and not execution.is_running
            else None
        )
    )


def is_stopped_after_its_start(job: Job) -> bool:
    """Stop the job's execution. moto raises AttributeError before the execution's thread starts."""
    with suppress(AttributeError):
        step_functions.stop(job.job_id)
        return True
    return False


def status_of(job: Job) -> str:
    """Start the job's execution, and return the status with which it ends."""
    step_functions.start(job)
    arn = f"{MACHINE_ARN.replace(':stateMachine:', ':execution:')}:{job.job_id}"

    def final_status() -> str | None:
        status: str = client("stepfunctions").describe_execution(executionArn=arn)["status"]
        return status if status != "RUNNING" else None

    return until(final_status)


def test_the_alias_is_that_of_the_template() -> None:
    workflow = TEMPLATE["Resources"]["Workflow"]["Properties"]

    assert workflow["AutoPublishAlias"] == step_functions.ALIAS
    assert not settings().state_machine_arn.endswith(f":{step_functions.ALIAS}")


def test_an_execution_runs_the_version_of_the_alias(aws: None) -> None:
    create(SUCCEEDS, FAILS)

    assert status_of(image_job()) == "SUCCEEDED"


def test_a_moved_alias_starts_the_other_version(aws: None) -> None:
    _, second = create(SUCCEEDS, FAILS)
    client("stepfunctions").update_state_machine_alias(
        stateMachineAliasArn=ALIAS_ARN, routingConfiguration=route(second)
    )

    assert status_of(image_job()) == "FAILED"


def test_a_start_without_the_alias_is_unavailable_and_recovery_repeats_it(aws: None) -> None:
    create(SUCCEEDS)
    client("stepfunctions").delete_state_machine_alias(stateMachineAliasArn=ALIAS_ARN)

    with pytest.raises(WorkflowUnavailable):
        step_functions.start(image_job())
    step_functions.try_start(image_job())


def test_a_second_start_starts_nothing_while_the_execution_runs_and_after_it(aws: None) -> None:
    _, second = create(WAITS, SUCCEEDS)
    job, other = image_job(), image_job()
    states = client("stepfunctions")

    step_functions.start(job)
    step_functions.start(job)
    stop(job)
    # The name is unique in the state machine, also after the alias has moved.
    states.update_state_machine_alias(
        stateMachineAliasArn=ALIAS_ARN, routingConfiguration=route(second)
    )
    step_functions.start(job)

    (execution,) = states.list_executions(stateMachineArn=MACHINE_ARN)["executions"]
    assert (execution["name"], execution["status"]) == (job.job_id, "ABORTED")
    assert status_of(other) == "SUCCEEDED"


def test_an_execution_is_described_and_stopped_by_the_name_of_its_state_machine(aws: None) -> None:
    create(WAITS)
    job = image_job()

    assert step_functions.execution(job.job_id) is None
    step_functions.start(job)
    running = step_functions.execution(job.job_id)

    assert running
    assert running.is_running
    assert stop(job).stopped_at


@pytest.fixture
def local_states() -> Iterator[Any]:
    """A client of a local AWS with one state machine. Over HTTP, an error of moto is a 500."""
    running = LocalAws(0)
    running.start()
    states = account.client("stepfunctions", running.url)
    states.create_state_machine(
        name="one", definition=definition(WAITS), roleArn="arn:aws:iam::123456789012:role/any"
    )
    yield states
    running.stop()


def test_the_local_stack_stops_an_execution_whose_thread_has_not_begun(
    local_states: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_begin, begin = Event(), ExecutionWorker._get_evaluation_environment

    def begin_later(worker: ExecutionWorker) -> Any:
        may_begin.wait(timeout=10)
        return begin(worker)

    def pause(seconds: float) -> None:
        may_begin.set()
        time.sleep(seconds)

    monkeypatch.setattr(ExecutionWorker, "_get_evaluation_environment", begin_later)
    # The first pause lets the execution begin. So the first try cannot succeed.
    monkeypatch.setattr(state_machines, "time", SimpleNamespace(sleep=pause))
    arn = start_one(local_states)

    state_machines.stop_executions(local_states)

    assert may_begin.is_set()
    until(lambda: local_states.describe_execution(executionArn=arn)["status"] == "ABORTED")


def test_the_local_stack_raises_an_error_of_the_stop_that_stays(
    local_states: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_begin, begin = Event(), ExecutionWorker._get_evaluation_environment
    pauses = list[float]()

    def begin_later(worker: ExecutionWorker) -> Any:
        may_begin.wait(timeout=10)
        return begin(worker)

    monkeypatch.setattr(ExecutionWorker, "_get_evaluation_environment", begin_later)
    monkeypatch.setattr(state_machines, "time", SimpleNamespace(sleep=pauses.append))
    monkeypatch.setattr(state_machines, "_STOP_TRIES_MAX", 3)
    start_one(local_states)

    with pytest.raises(ClientError):
        state_machines.stop_executions(local_states)

    assert len(pauses) == 2
    may_begin.set()
    monkeypatch.setattr(state_machines, "_STOP_TRIES_MAX", 100)
    monkeypatch.setattr(state_machines, "time", time)
    state_machines.stop_executions(local_states)


def start_one(states: Any) -> str:
    """Start an execution of the only state machine, and return its ARN."""
    (machine,) = states.list_state_machines()["stateMachines"]
    arn: str = states.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
    return arn
