"""Step Functions, for the states that workflow.asl.yaml has; anything else in it is an error.

Semantics are those of the Amazon States Language (states-language.net) and of the Step Functions developer guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any

from samcli.yamlhelper import yaml_parse

from tests.aws import ROOT, TEMPLATE, folder_of
from tests.simulation.event_queue import Due, EventQueue
from tests.simulation.memory_table import TableError
from tests.simulation.paths import filled, found, placed

type Fail = Callable[[str, str], None]

_LAMBDA = "arn:aws:states:::lambda:invoke"
_CALLBACK = ".waitForTaskToken"
_KEYS = {
    "Task": {
        "Resource",
        "TimeoutSeconds",
        "TimeoutSecondsPath",
        "Parameters",
        "ResultSelector",
        "ResultPath",
        "Retry",
        "Catch",
        "Next",
        "End",
    },
    "Pass": {"Parameters", "Next"},
    "Wait": {"TimestampPath", "Next"},
    "Choice": {"Choices", "Default"},
    "Succeed": set[str](),
    "Fail": {"Error", "Cause"},
}
_RETRY_KEYS = {
    "ErrorEquals",
    "IntervalSeconds",
    "BackoffRate",
    "MaxAttempts",
    "MaxDelaySeconds",
    "JitterStrategy",
    "Comment",
}


@cache
def deployed_definition() -> dict[str, Any]:
    """Read the workflow as it will be deployed, with the functions' folders for their ARNs."""
    substitutions = TEMPLATE["Resources"]["Workflow"]["Properties"]["DefinitionSubstitutions"]
    folders = {
        key: folder_of(value["Ref"].removesuffix(".Alias")) for key, value in substitutions.items()
    }
    text = re.sub(
        r"\$\{(\w+)\}", lambda match: folders[match[1]], (ROOT / "workflow.asl.yaml").read_text()
    )
    return checked(yaml_parse(text))


def checked(definition: dict[str, Any]) -> dict[str, Any]:
    """Give back a definition whose every word is known here. Raises NotImplementedError for another."""
    for name, state in definition["States"].items():
        unknown = state.keys() - _KEYS.get(state["Type"], set()) - {"Type", "Comment"}
        retries = {key for retry in state.get("Retry", []) for key in retry} - _RETRY_KEYS
        if (
            state["Type"] not in _KEYS
            or unknown
            or retries
            or state.get("Resource", _LAMBDA) not in (_LAMBDA, _LAMBDA + _CALLBACK)
        ):
            raise NotImplementedError(f"{name}: {unknown | retries or state}")
    return definition


@dataclass(eq=False)
class Try:
    """One try of one entry into a Task state."""

    token: str
    is_current: bool = True
    timeout: Due | None = None


@dataclass(eq=False)
class Execution:
    """One execution. `tries` has how often each retrier of the present state was used."""

    name: str
    input: str
    status: str = "RUNNING"
    stopped_at: datetime | None = None
    state: str = ""
    entered_at: datetime | None = None
    data: Any = None
    retries: dict[int, int] = field(default_factory=dict)
    current: Try | None = None
    passed: list[str] = field(default_factory=list)
    error: str | None = None

    @property
    def is_running(self) -> bool:
        return self.status == "RUNNING"


class StepFunctions:
    """The service, with the one state machine. `invoke` starts a function and is told by a callback, once, how that ended."""

    def __init__(
        self,
        event_queue: EventQueue,
        rng: Random,
        invoke: Callable[[str, Any, Callable[[Any], None], Fail], None],
    ) -> None:
        self.executions: dict[str, Execution] = {}
        self._event_queue = event_queue
        self._rng = rng
        self._invoke = invoke
        self._states: dict[str, Any] = deployed_definition()["States"]
        self._tokens: dict[str, tuple[Execution, Try]] = {}

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one call of the client. Raises TableError with the service's code."""
        match operation:
            case "StartExecution":
                return self._start(request["name"], request["input"])
            case "SendTaskSuccess":
                return self._succeed(request["taskToken"])
            case "DescribeExecution":
                execution = self._named(request["executionArn"])
                stopped = {"stopDate": execution.stopped_at} if execution.stopped_at else {}
                return {
                    "executionArn": request["executionArn"],
                    "name": execution.name,
                    "status": execution.status,
                    **stopped,
                }
            case "StopExecution":
                self.stop(self._named(request["executionArn"]), "ABORTED")
                return {"stopDate": self._event_queue.now}
        raise KeyError(operation)

    def stop(self, execution: Execution, status: str) -> None:
        """End an execution. Its invocations know nothing of it."""
        if execution.is_running:
            execution.status, execution.stopped_at = status, self._event_queue.now
            self._leave(execution)

    def _start(self, name: str, given: str) -> dict[str, Any]:
        known = self.executions.get(name)
        if known and not (known.is_running and known.input == given):
            raise TableError("ExecutionAlreadyExists")
        if not known:
            execution = self.executions[name] = Execution(name, given)
            self._enter_soon(execution, deployed_definition()["StartAt"], json.loads(given))
        return {"executionArn": name, "startDate": self._event_queue.now}

    def _succeed(self, token: str) -> dict[str, Any]:
        if token not in self._tokens:
            raise TableError("InvalidToken")
        execution, attempt = self._tokens[token]
        if not (execution.is_running and attempt.is_current):
            raise TableError("TaskTimedOut")
        self._task_succeeded(execution, attempt, {})
        return {}

    def _named(self, arn: str) -> Execution:
        name = arn.rpartition(":")[2]
        if name not in self.executions:
            raise TableError("ExecutionDoesNotExist")
        return self.executions[name]

    def _leave(self, execution: Execution) -> None:
        if execution.current:
            execution.current.is_current = False
            self._event_queue.call_off(execution.current.timeout)
            execution.current = None

    def _enter_soon(
        self, execution: Execution, state: str, data: Any, *, at: datetime | None = None
    ) -> None:
        def enter() -> None:
            if execution.is_running:
                execution.state, execution.data, execution.entered_at, execution.retries = (
                    state,
                    data,
                    self._event_queue.now,
                    {},
                )
                execution.passed.append(state)
                self._do(execution, self._states[state])

        self._event_queue.at(
            at or self._event_queue.now, f"{execution.name[-6:]} enters {state}", enter
        )

    def _do(self, execution: Execution, state: dict[str, Any]) -> None:
        data = execution.data
        match state["Type"]:
            case "Task":
                self._try(execution, state)
            case "Pass":
                self._enter_soon(execution, state["Next"], filled(state["Parameters"], data, {}))
            case "Wait":
                self._enter_soon(
                    execution,
                    state["Next"],
                    data,
                    at=datetime.fromisoformat(found(state["TimestampPath"], data)),
                )
            case "Choice":
                taken = (choice for choice in state["Choices"] if _applies(choice, data))
                self._enter_soon(execution, next(taken, {"Next": state["Default"]})["Next"], data)
            case "Succeed":
                self.stop(execution, "SUCCEEDED")
            case "Fail":
                execution.error = state["Error"]
                self.stop(execution, "FAILED")

    def _try(self, execution: Execution, state: dict[str, Any]) -> None:
        attempt = execution.current = Try(f"token-{execution.name}-{len(self._tokens)}")
        self._tokens[attempt.token] = execution, attempt
        seconds = state.get("TimeoutSeconds") or found(state["TimeoutSecondsPath"], execution.data)
        attempt.timeout = self._event_queue.after(
            seconds,
            f"{execution.name[-6:]} times out in {execution.state}",
            lambda: self._task_failed(execution, attempt, "States.Timeout", ""),
        )
        assert execution.entered_at
        entered_at = execution.entered_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        context = {
            "Task": {"Token": attempt.token},
            "State": {"EnteredTime": entered_at, "RetryCount": sum(execution.retries.values())},
        }
        parameters = filled(state["Parameters"], execution.data, context)
        waits = state["Resource"].endswith(_CALLBACK)

        def returned(result: Any) -> None:
            if not waits:
                self._task_succeeded(execution, attempt, {"Payload": result, "StatusCode": 200})

        self._invoke(
            parameters["FunctionName"],
            parameters["Payload"],
            returned,
            lambda error, cause: self._task_failed(execution, attempt, error, cause),
        )

    def _task_succeeded(self, execution: Execution, attempt: Try, result: Any) -> None:
        if not attempt.is_current:
            return
        state = self._states[execution.state]
        self._leave(execution)
        try:
            selected = (
                filled(state["ResultSelector"], result, {}) if "ResultSelector" in state else result
            )
        except LookupError:
            # A path that leads nowhere fails the execution, and nothing catches it.
            execution.error = "States.Runtime"
            self.stop(execution, "FAILED")
            return
        data = placed(execution.data, state.get("ResultPath", "$"), selected)
        if state.get("End"):
            self.stop(execution, "SUCCEEDED")
        else:
            self._enter_soon(execution, state["Next"], data)

    def _task_failed(self, execution: Execution, attempt: Try, error: str, cause: str) -> None:
        if not attempt.is_current:
            return
        state = self._states[execution.state]
        self._leave(execution)
        for number, retry in enumerate(state.get("Retry", [])):
            if any(_matches(error, name) for name in retry["ErrorEquals"]):
                used = execution.retries.get(number, 0)
                if used < retry.get("MaxAttempts", 3):
                    execution.retries[number] = used + 1
                    self._retry(execution, state, retry, used)
                    return
                break
        for catch in state.get("Catch", []):
            if any(_matches(error, name) for name in catch["ErrorEquals"]):
                self._enter_soon(
                    execution,
                    catch["Next"],
                    placed(execution.data, catch["ResultPath"], {"Error": error, "Cause": cause}),
                )
                return
        execution.error = error
        self.stop(execution, "FAILED")

    def _retry(
        self, execution: Execution, state: dict[str, Any], retry: Mapping[str, Any], used: int
    ) -> None:
        seconds = min(
            retry.get("IntervalSeconds", 1) * retry.get("BackoffRate", 2.0) ** used,
            retry.get("MaxDelaySeconds", 86_400),
        )
        if retry.get("JitterStrategy") == "FULL":
            seconds = self._rng.uniform(0, seconds)
        entered_at = execution.entered_at

        def again() -> None:
            if (
                execution.is_running
                and execution.entered_at == entered_at
                and execution.current is None
            ):
                self._try(execution, state)

        self._event_queue.at(
            self._event_queue.now + timedelta(seconds=seconds),
            f"{execution.name[-6:]} retries {execution.state}",
            again,
        )


def _matches(error: str, name: str) -> bool:
    return name in (error, "States.ALL") or (
        name == "States.TaskFailed" and error != "States.Timeout"
    )


def _applies(choice: Mapping[str, Any], data: Any) -> bool:
    if choice.keys() != {"Variable", "BooleanEquals", "Next"}:
        raise NotImplementedError(f"choice {choice}")
    return found(choice["Variable"], data) is choice["BooleanEquals"]
