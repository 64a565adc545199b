"""The interpreter follows the Amazon States Language and refuses unknown states and fields."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from tests.simulation import interpreter
from tests.simulation.event_queue import START_TIME, EventQueue
from tests.simulation.interpreter import (
    Execution,
    Fail,
    StepFunctions,
    checked_definition,
    execution_arn,
)
from tests.simulation.memory_table import TableError

ALIAS_ARN = f"{os.environ['STATE_MACHINE_ARN']}:live"
INPUT = json.dumps({"account": "web/ann", "job_id": "job", "wait_seconds": 15})


@dataclass
class Functions:
    """Records the invoked functions. Each ends when the test calls one of its callbacks."""

    event_queue: EventQueue = field(default_factory=EventQueue)
    invoked: list[tuple[str, Any, Callable[[Any], None], Fail]] = field(default_factory=list)

    def states(self) -> StepFunctions:
        return StepFunctions(
            self.event_queue, Random(1), lambda *invocation: self.invoked.append(invocation)
        )

    def last(self) -> tuple[str, Any, Callable[[Any], None], Fail]:
        """Process all due events, and return the last invocation."""
        self.event_queue.advance(0)
        return self.invoked[-1]


def started(states: StepFunctions) -> Execution:
    states.call("StartExecution", {"stateMachineArn": ALIAS_ARN, "name": "job", "input": INPUT})
    return states.executions["job"]


def test_a_token_resumes_its_task_once() -> None:
    functions = Functions()
    states = functions.states()
    execution = started(states)
    token = functions.last()[1]["task_token"]

    states.call("SendTaskSuccess", {"taskToken": token, "output": "{}"})

    assert functions.last()[0] == "store_output"
    assert execution.states_entered == ["RequestPrediction", "StoreOutput"]
    with pytest.raises(TableError, match="TaskTimedOut"):
        states.call("SendTaskSuccess", {"taskToken": token, "output": "{}"})
    with pytest.raises(TableError, match="InvalidToken"):
        states.call("SendTaskSuccess", {"taskToken": "another", "output": "{}"})


def test_a_task_without_a_resume_times_out_and_gets_a_new_token() -> None:
    functions = Functions()
    execution = started(functions.states())
    _, first, on_success, _ = functions.last()
    on_success(None)

    functions.event_queue.advance(15)

    second = functions.last()[1]
    assert execution.states_entered == ["RequestPrediction", "PrepareToPoll", "RequestPrediction"]
    assert second["task_token"] != first["task_token"]
    # PrepareToPoll was entered at 15.000 s. Each entry of a state has a later time.
    assert (second["retry_count"], second["entered_at"]) == (0, "2026-01-02T12:00:15.001Z")


def test_an_error_is_retried_up_to_the_limit_and_then_caught() -> None:
    functions = Functions()
    execution = started(functions.states())

    for retry_count in range(7):
        while len(functions.invoked) == retry_count:
            functions.event_queue.run_next()
        _, event, _, on_failure = functions.invoked[-1]
        assert (event["retry_count"], event["entered_at"]) == (
            retry_count,
            "2026-01-02T12:00:00.000Z",
        )
        on_failure("Runtime.ExitError", "")

    assert functions.last()[:2] == (
        "refund_job",
        {"account": "web/ann", "job_id": "job", "failure": "Runtime.ExitError"},
    )
    assert len(functions.invoked) == 8
    assert execution.is_running


def test_a_wait_lasts_until_its_time() -> None:
    functions = Functions()
    execution = started(functions.states())

    functions.last()[3](
        "RetryLater",
        json.dumps({"errorMessage": "2026-01-02T12:00:42Z", "errorType": "RetryLater"}),
    )
    functions.event_queue.advance(41)
    assert len(functions.invoked) == 1
    functions.event_queue.advance(1)

    assert len(functions.invoked) == 2
    assert execution.states_entered == [
        "RequestPrediction",
        "ParseRetryTime",
        "WaitUntilRetry",
        "RequestPrediction",
    ]


def test_a_second_start_with_the_same_input_changes_nothing() -> None:
    functions = Functions()
    states = functions.states()
    execution = started(states)

    assert started(states) is execution
    states.call("StopExecution", {"executionArn": execution_arn("job")})

    described = states.call("DescribeExecution", {"executionArn": execution_arn("job")})
    assert (described["status"], described["stopDate"]) == ("ABORTED", START_TIME)
    with pytest.raises(TableError, match="ExecutionAlreadyExists"):
        started(states)
    with pytest.raises(TableError, match="ExecutionDoesNotExist"):
        states.call("DescribeExecution", {"executionArn": execution_arn("other")})


def test_an_alias_starts_an_execution_but_is_not_in_its_arn() -> None:
    states = Functions().states()
    started(states)
    arn = execution_arn("job")

    assert states.call("DescribeExecution", {"executionArn": arn})["status"] == "RUNNING"
    with pytest.raises(TableError, match="ExecutionDoesNotExist"):
        states.call("DescribeExecution", {"executionArn": arn.replace(":job", ":live:job")})
    with pytest.raises(TableError, match="StateMachineDoesNotExist"):
        states.call(
            "StartExecution",
            {"stateMachineArn": f"{ALIAS_ARN}r", "name": "second", "input": INPUT},
        )


def test_an_unknown_state_or_field_is_an_error() -> None:
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke"}
    states: list[dict[str, Any]] = [
        {"Type": "Parallel", "Branches": []},
        task | {"Resource": "arn:aws:states:::sqs:sendMessage"},
        task | {"HeartbeatSeconds": 5},
        task | {"Retry": [{"ErrorEquals": ["States.ALL"], "Unknown": 1}]},
    ]

    checked_definition({"States": {"Any": task}})
    for state in states:
        with pytest.raises(NotImplementedError):
            checked_definition({"States": {"Any": state}})


def test_the_deployed_workflow_has_only_known_states_and_fields() -> None:
    assert interpreter.deployed_definition()["StartAt"] == "RequestPrediction"
