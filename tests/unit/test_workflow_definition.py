"""The workflow as it will be deployed: what can be said of it without running it."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import pytest
import yaml
from samcli.yamlhelper import yaml_parse

from darkroom.domain import errors
from tests.aws import ROOT, TEMPLATE, folder_of

TEXT = (ROOT / "workflow.asl.yaml").read_text()
DEFINITION: dict[str, Any] = yaml_parse(TEXT)
STATES: dict[str, dict[str, Any]] = DEFINITION["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
SUBSTITUTIONS: dict[str, Any] = TEMPLATE["Resources"]["Workflow"]["Properties"][
    "DefinitionSubstitutions"
]
OURS = {
    name
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.DarkroomError)
}
# The prefixes of the errors that AWS raises. A function that times out raises Sandbox.Timedout.
THEIRS = ("States.", "Lambda.", "Sandbox.", "Runtime.")


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def next_of(state: dict[str, Any]) -> set[str]:
    branches = [*state.get("Choices", []), *state.get("Catch", []), state]
    return {branch["Next"] for branch in branches if "Next" in branch} | (
        {state["Default"]} if "Default" in state else set()
    )


@pytest.mark.parametrize("state", TASKS)
def test_a_state_its_substitution_its_function_and_its_folder_have_one_name(state: str) -> None:
    assert TASKS[state]["Parameters"]["FunctionName"] == f"${{{state}FunctionArn}}"
    assert SUBSTITUTIONS[f"{state}FunctionArn"] == {"Ref": f"{state}Function.Alias"}
    assert folder_of(f"{state}Function") == snake_case(state)
    assert (ROOT / "functions" / snake_case(state) / "handler.py").is_file()


def test_every_substitution_is_used_and_every_name_in_the_text_is_substituted() -> None:
    assert (
        set(re.findall(r"\$\{(\w+)\}", TEXT))
        == SUBSTITUTIONS.keys()
        == {f"{state}FunctionArn" for state in TASKS}
    )


@pytest.mark.parametrize("state", TASKS.values(), ids=TASKS)
def test_every_task_has_a_timeout_and_retries(state: dict[str, Any]) -> None:
    assert state.keys() & {"TimeoutSeconds", "TimeoutSecondsPath"}
    tries = {error: retry for retry in state["Retry"] for error in retry["ErrorEquals"]}
    for retry in (
        tries.get("States.ALL") or tries["States.TaskFailed"],
        *(tries[error] for error in tries if error.startswith("Lambda.")),
    ):
        assert retry["MaxAttempts"] >= 4
        assert retry["JitterStrategy"] == "FULL"
        assert {"IntervalSeconds", "BackoffRate", "MaxDelaySeconds"} <= retry.keys()


@pytest.mark.parametrize("state", TASKS.values(), ids=TASKS)
def test_only_errors_that_exist_are_caught_or_tried_again(state: dict[str, Any]) -> None:
    named = {
        error
        for rule in (*state["Retry"], *state.get("Catch", []))
        for error in rule["ErrorEquals"]
    }

    assert {error for error in named if not error.startswith(THEIRS)} <= OURS


@pytest.mark.parametrize("state", ["RequestPrediction", "StoreOutput"])
def test_a_retry_later_or_a_refusal_is_never_tried_again_in_place(state: str) -> None:
    # The first rule that names an error counts, and States.TaskFailed names all of them but States.Timeout.
    first, *others = STATES[state]["Retry"]

    assert (set(first["ErrorEquals"]), first["MaxAttempts"]) == (
        {"RetryLater", "GenerationFailed"},
        0,
    )
    assert not {error for rule in others for error in rule["ErrorEquals"]} & {"States.ALL"}


def test_only_the_two_steps_that_can_fail_have_a_catch() -> None:
    assert [name for name, state in STATES.items() if "Catch" in state] == [
        "RequestPrediction",
        "StoreOutput",
    ]


def test_a_late_webhook_is_a_new_state_entry_and_nothing_else_is() -> None:
    catches = {
        error: catch["Next"]
        for catch in STATES["RequestPrediction"]["Catch"]
        for error in catch["ErrorEquals"]
    }

    assert catches == {
        "RetryLater": "ParseRetryTime",
        "States.Timeout": "PrepareToPoll",
        "States.ALL": "RefundJob",
    }
    assert (
        STATES["PrepareToPoll"]["Next"] == STATES["WaitUntilRetry"]["Next"] == "RequestPrediction"
    )


def test_a_caught_error_is_a_failure_before_the_refund_and_a_retry_elsewhere() -> None:
    paths = {
        (catch["Next"] == "RefundJob", catch["ResultPath"])
        for state in TASKS.values()
        for catch in state.get("Catch", [])
    }

    assert paths == {(True, "$.failure"), (False, "$.retry")}
    assert STATES["WaitUntilRetry"]["TimestampPath"].startswith("$.retry.")


def test_every_state_that_is_named_exists_and_every_state_is_reached() -> None:
    reached, todo = set[str](), {DEFINITION["StartAt"]}
    while todo:
        state = todo.pop()
        reached.add(state)
        todo |= next_of(STATES[state]) - reached

    assert reached == STATES.keys()


def test_every_state_goes_on_or_ends() -> None:
    for state in STATES.values():
        assert next_of(state) or state.get("End") or state["Type"] in ("Succeed", "Fail")


def test_the_happy_path_has_three_states() -> None:
    path = [DEFINITION["StartAt"]]
    while "Next" in STATES[path[-1]]:
        path.append(STATES[path[-1]]["Next"])

    assert path == ["RequestPrediction", "StoreOutput", "CompleteJob"]
    assert STATES["CompleteJob"]["End"] is True


def test_red_is_for_faults_alone() -> None:
    assert STATES["JobFailed"]["Type"] == "Fail"
    assert STATES["JobEnded"]["Type"] == "Succeed"
    assert [state for state in STATES.values() if state["Type"] == "Fail"] == [STATES["JobFailed"]]


def test_there_are_no_aliases_no_jsonata_and_no_timeout_that_nobody_can_catch() -> None:
    assert not [
        token for token in yaml.scan(TEXT) if isinstance(token, (yaml.AliasToken, yaml.AnchorToken))
    ]
    assert "QueryLanguage" not in TEXT
    assert "{%" not in TEXT
    assert "TimeoutSeconds" not in DEFINITION


def test_the_state_carries_only_what_names_the_job() -> None:
    carried = {
        name: set(STATES[name]["Parameters"]) for name in ("PrepareToPoll", "ParseRetryTime")
    }

    assert carried == {
        "PrepareToPoll": {"account.$", "job_id.$", "wait_seconds.$"},
        "ParseRetryTime": {"account.$", "job_id.$", "wait_seconds.$", "retry.$"},
    }
    assert all(state["ResultPath"] is None for name, state in TASKS.items() if name != "RefundJob")
    assert "task_token" not in json.dumps(
        [state for name, state in STATES.items() if name != "RequestPrediction"]
    )
