"""Step Functions for the states of workflow.asl.yaml. Any other state or field is an error.

The semantics follow the Amazon States Language (states-language.net) and the Step Functions
developer guide.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any

from samcli.yamlhelper import yaml_parse

from tests.aws import ROOT, TEMPLATE, folder_of
from tests.simulation.event_queue import EventQueue, ScheduledEvent
from tests.simulation.memory_table import TableError
from tests.simulation.paths import apply_result_path, fill_template, value_at

type Fail = Callable[[str, str], None]

_LAMBDA = "arn:aws:states:::lambda:invoke"
_CALLBACK = ".waitForTaskToken"
_MACHINE_ARN = os.environ["STATE_MACHINE_ARN"]
_ALIAS = TEMPLATE["Resources"]["Workflow"]["Properties"]["AutoPublishAlias"]
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


def execution_arn(name: str) -> str:
    """Return the ARN of an execution. It contains the state machine's name and no alias."""
    return f"{_MACHINE_ARN.replace(':stateMachine:', ':execution:')}:{name}"


@cache
def deployed_definition() -> dict[str, Any]:
    """Read the workflow as it is deployed, with the functions' folders in place of their ARNs."""
    properties = TEMPLATE["Resources"]["Workflow"]["Properties"]
    functions = {
        key: value["Ref"].removesuffix(".Alias")
        for key, value in properties["DefinitionSubstitutions"].items()
    }
    return read_definition((ROOT / "workflow.asl.yaml").read_text(), functions)


def read_definition(text: str, functions: Mapping[str, str]) -> dict[str, Any]:
    """Read a definition. `functions` maps the name of each substitution to a logical id."""
    filled = re.sub(r"\$\{(\w+)\}", lambda match: folder_of(functions[match[1]]), text)
    return checked_definition(yaml_parse(filled))


def checked_definition(definition: dict[str, Any]) -> dict[str, Any]:
    """Return the definition. Raises NotImplementedError if a state or field is unknown."""
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
class TaskTry:
    """One try of one entry into a Task state."""

    token: str
    is_current: bool = True
    timeout: ScheduledEvent | None = None


@dataclass(eq=False)
class Execution:
    """One execution. `retries` counts the uses of each retrier of the current state.

    An execution keeps the definition with which it was started.
    """

    name: str
    input: str
    definition: Mapping[str, Any] = field(repr=False)
    status: str = "RUNNING"
    stopped_at: datetime | None = None
    state: str = ""
    entered_at: datetime | None = None
    data: Any = None
    retries: dict[int, int] = field(default_factory=dict)
    current: TaskTry | None = None
    states_entered: list[str] = field(default_factory=list)
    error: str | None = None

    @property
    def is_running(self) -> bool:
        return self.status == "RUNNING"


class StepFunctions:
    """The service with its one state machine.

    `invoke` starts a function and calls one of its two callbacks once, with the result or the
    error.
    """

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
        self._tokens: dict[str, tuple[Execution, TaskTry]] = {}

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Respond to one call of the client. Raises TableError with the service's error code."""
        match operation:
            case "StartExecution":
                if request["stateMachineArn"] not in (_MACHINE_ARN, f"{_MACHINE_ARN}:{_ALIAS}"):
                    raise TableError("StateMachineDoesNotExist")
                return self._start(request["name"], request["input"])
            case "SendTaskSuccess":
                self._task_succeeded(*self._waiting(request["taskToken"]), {})
                return {}
            case "SendTaskFailure":
                waiting = self._waiting(request["taskToken"])
                self._task_failed(*waiting, request["error"], request["cause"])
                return {}
            case "DescribeExecution":
                execution = self._execution_of(request["executionArn"])
                stopped = {"stopDate": execution.stopped_at} if execution.stopped_at else {}
                return {
                    "executionArn": request["executionArn"],
                    "name": execution.name,
                    "status": execution.status,
                    **stopped,
                }
            case "StopExecution":
                self.stop(self._execution_of(request["executionArn"]), "ABORTED")
                return {"stopDate": self._event_queue.now}
        raise KeyError(operation)

    def stop(self, execution: Execution, status: str) -> None:
        """End an execution. Its running invocations are not stopped."""
        if execution.is_running:
            execution.status, execution.stopped_at = status, self._event_queue.now
            self._leave_state(execution)

    def _start(self, name: str, execution_input: str) -> dict[str, Any]:
        existing = self.executions.get(name)
        if existing and not (existing.is_running and existing.input == execution_input):
            raise TableError("ExecutionAlreadyExists")
        if not existing:
            execution = Execution(name, execution_input, deployed_definition())
            self.executions[name] = execution
            self._schedule_entry(
                execution, execution.definition["StartAt"], json.loads(execution_input)
            )
        return {"executionArn": execution_arn(name), "startDate": self._event_queue.now}

    def _waiting(self, token: str) -> tuple[Execution, TaskTry]:
        """Return the execution and the try that wait for a token."""
        if token not in self._tokens:
            raise TableError("InvalidToken")
        execution, task_try = self._tokens[token]
        if not (execution.is_running and task_try.is_current):
            raise TableError("TaskTimedOut")
        return execution, task_try

    def _execution_of(self, arn: str) -> Execution:
        name = arn.rpartition(":")[2]
        if name not in self.executions or arn != execution_arn(name):
            raise TableError("ExecutionDoesNotExist")
        return self.executions[name]

    def _leave_state(self, execution: Execution) -> None:
        if execution.current:
            execution.current.is_current = False
            self._event_queue.cancel_event(execution.current.timeout)
            execution.current = None

    def _schedule_entry(
        self, execution: Execution, state: str, data: Any, *, at: datetime | None = None
    ) -> None:
        def enter() -> None:
            if execution.is_running:
                execution.state, execution.data, execution.retries = state, data, {}
                execution.entered_at = self._entry_time(execution)
                execution.states_entered.append(state)
                self._run_state(execution, execution.definition["States"][state])

        self._event_queue.at(
            at or self._event_queue.now, f"{execution.name[-6:]} enters {state}", enter
        )

    def _entry_time(self, execution: Execution) -> datetime:
        """Return the time of a state entry. It is later than the previous one, as a call lasts."""
        now = self._event_queue.now
        if execution.entered_at is None:
            return now
        return max(now, execution.entered_at + timedelta(milliseconds=1))

    def _run_state(self, execution: Execution, state: dict[str, Any]) -> None:
        data = execution.data
        match state["Type"]:
            case "Task":
                self._start_task(execution, state)
            case "Pass":
                self._schedule_entry(
                    execution, state["Next"], fill_template(state["Parameters"], data, {})
                )
            case "Wait":
                self._schedule_entry(
                    execution,
                    state["Next"],
                    data,
                    at=datetime.fromisoformat(value_at(state["TimestampPath"], data)),
                )
            case "Choice":
                matching = (choice for choice in state["Choices"] if _applies(choice, data))
                self._schedule_entry(
                    execution, next(matching, {"Next": state["Default"]})["Next"], data
                )
            case "Succeed":
                self.stop(execution, "SUCCEEDED")
            case "Fail":
                execution.error = state["Error"]
                self.stop(execution, "FAILED")

    def _start_task(self, execution: Execution, state: dict[str, Any]) -> None:
        task_try = execution.current = TaskTry(f"token-{execution.name}-{len(self._tokens)}")
        self._tokens[task_try.token] = execution, task_try
        seconds = state.get("TimeoutSeconds") or value_at(
            state["TimeoutSecondsPath"], execution.data
        )
        task_try.timeout = self._event_queue.after(
            seconds,
            f"{execution.name[-6:]} times out in {execution.state}",
            lambda: self._task_failed(execution, task_try, "States.Timeout", ""),
        )
        assert execution.entered_at
        entered_at = execution.entered_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        context = {
            "Task": {"Token": task_try.token},
            "State": {"EnteredTime": entered_at, "RetryCount": sum(execution.retries.values())},
        }
        parameters = fill_template(state["Parameters"], execution.data, context)
        waits_for_token = state["Resource"].endswith(_CALLBACK)

        def on_success(result: Any) -> None:
            if not waits_for_token:
                self._task_succeeded(execution, task_try, {"Payload": result, "StatusCode": 200})

        self._invoke(
            parameters["FunctionName"],
            parameters["Payload"],
            on_success,
            lambda error, cause: self._task_failed(execution, task_try, error, cause),
        )

    def _task_succeeded(self, execution: Execution, task_try: TaskTry, result: Any) -> None:
        if not task_try.is_current:
            return
        state = execution.definition["States"][execution.state]
        self._leave_state(execution)
        try:
            selected = (
                fill_template(state["ResultSelector"], result, {})
                if "ResultSelector" in state
                else result
            )
        except LookupError:
            # A path without a value fails the execution: no Catch applies to States.Runtime.
            execution.error = "States.Runtime"
            self.stop(execution, "FAILED")
            return
        data = apply_result_path(execution.data, state.get("ResultPath", "$"), selected)
        if state.get("End"):
            self.stop(execution, "SUCCEEDED")
        else:
            self._schedule_entry(execution, state["Next"], data)

    def _task_failed(self, execution: Execution, task_try: TaskTry, error: str, cause: str) -> None:
        if not task_try.is_current:
            return
        state = execution.definition["States"][execution.state]
        self._leave_state(execution)
        for number, retry in enumerate(state.get("Retry", [])):
            if any(_matches(error, name) for name in retry["ErrorEquals"]):
                retries_used = execution.retries.get(number, 0)
                if retries_used < retry.get("MaxAttempts", 3):
                    execution.retries[number] = retries_used + 1
                    self._retry(execution, state, retry, retries_used)
                    return
                break
        for catch in state.get("Catch", []):
            if any(_matches(error, name) for name in catch["ErrorEquals"]):
                self._schedule_entry(
                    execution,
                    catch["Next"],
                    apply_result_path(
                        execution.data, catch["ResultPath"], {"Error": error, "Cause": cause}
                    ),
                )
                return
        execution.error = error
        self.stop(execution, "FAILED")

    def _retry(
        self,
        execution: Execution,
        state: dict[str, Any],
        retry: Mapping[str, Any],
        retries_used: int,
    ) -> None:
        seconds = min(
            retry.get("IntervalSeconds", 1) * retry.get("BackoffRate", 2.0) ** retries_used,
            retry.get("MaxDelaySeconds", 86_400),
        )
        if retry.get("JitterStrategy") == "FULL":
            seconds = self._rng.uniform(0, seconds)
        entered_at = execution.entered_at

        def retry_task() -> None:
            if (
                execution.is_running
                and execution.entered_at == entered_at
                and execution.current is None
            ):
                self._start_task(execution, state)

        self._event_queue.at(
            self._event_queue.now + timedelta(seconds=seconds),
            f"{execution.name[-6:]} retries {execution.state}",
            retry_task,
        )


def _matches(error: str, name: str) -> bool:
    return name in (error, "States.ALL") or (
        name == "States.TaskFailed" and error != "States.Timeout"
    )


def _applies(choice: Mapping[str, Any], data: Any) -> bool:
    if choice.keys() != {"Variable", "BooleanEquals", "Next"}:
        raise NotImplementedError(f"choice {choice}")
    return value_at(choice["Variable"], data) is choice["BooleanEquals"]
