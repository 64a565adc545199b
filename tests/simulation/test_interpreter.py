"""The interpreter of the simulations keeps to the words of the Amazon States Language, and knows no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from tests.simulation import interpreter
from tests.simulation.event_queue import START_TIME, EventQueue
from tests.simulation.interpreter import Execution, Fail, StepFunctions, checked_definition
from tests.simulation.memory_table import TableError

INPUT = json.dumps({"account": "web/ann", "job_id": "job", "wait_seconds": 15})


@dataclass
class Functions:
    """The functions that were invoked, each of which ends when the test says so."""

    event_queue: EventQueue = field(default_factory=EventQueue)
    invoked: list[tuple[str, Any, Callable[[Any], None], Fail]] = field(default_factory=list)

    def states(self) -> StepFunctions:
        return StepFunctions(
            self.event_queue, Random(1), lambda *invocation: self.invoked.append(invocation)
        )

    def last(self) -> tuple[str, Any, Callable[[Any], None], Fail]:
        """Let what is due now happen, and give the invocation that came last."""
        self.event_queue.advance(0)
        return self.invoked[-1]


def started(states: StepFunctions) -> Execution:
    states.call("StartExecution", {"name": "job", "input": INPUT})
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


def test_a_task_that_nothing_resumes_times_out_and_gets_a_new_token() -> None:
    functions = Functions()
    execution = started(functions.states())
    _, first, on_success, _ = functions.last()
    on_success(None)

    functions.event_queue.advance(15)

    second = functions.last()[1]
    assert execution.states_entered == ["RequestPrediction", "PrepareToPoll", "RequestPrediction"]
    assert second["task_token"] != first["task_token"]
    assert (second["retry_count"], second["entered_at"]) == (0, "2026-01-02T12:00:15.000Z")


def test_an_error_is_retried_as_often_as_is_said_and_then_caught() -> None:
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


def test_starting_twice_is_starting_once() -> None:
    functions = Functions()
    states = functions.states()
    execution = started(states)

    assert started(states) is execution
    states.call("StopExecution", {"executionArn": "execution:job"})

    described = states.call("DescribeExecution", {"executionArn": "execution:job"})
    assert (described["status"], described["stopDate"]) == ("ABORTED", START_TIME)
    with pytest.raises(TableError, match="ExecutionAlreadyExists"):
        started(states)
    with pytest.raises(TableError, match="ExecutionDoesNotExist"):
        states.call("DescribeExecution", {"executionArn": "execution:other"})


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Parallel", "Branches": []},
        {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage"},
        {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "HeartbeatSeconds": 5},
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Retry": [{"ErrorEquals": ["States.ALL"], "Unknown": 1}],
        },
    ],
)
def test_what_is_not_known_is_an_error(state: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        checked_definition({"States": {"Any": state}})


def test_the_deployed_workflow_is_known_whole() -> None:
    assert interpreter.deployed_definition()["StartAt"] == "RequestPrediction"
