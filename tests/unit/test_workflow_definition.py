"""The properties of workflow.asl.yaml that can be checked without an execution."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import yaml
from samcli.yamlhelper import yaml_parse

from darkroom.domain import errors
from darkroom.domain.jobs import STORING_SECONDS_MAX
from tests.aws import ROOT, TEMPLATE, folder_of

TEXT = (ROOT / "workflow.asl.yaml").read_text()
DEFINITION: dict[str, Any] = yaml_parse(TEXT)
STATES: dict[str, dict[str, Any]] = DEFINITION["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
SUBSTITUTIONS: dict[str, Any] = TEMPLATE["Resources"]["Workflow"]["Properties"][
    "DefinitionSubstitutions"
]
DARKROOM_ERRORS = {
    name
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.DarkroomError)
}
# The prefixes of the errors that AWS raises. A function that times out raises Sandbox.Timedout.
AWS_ERRORS = ("States.", "Lambda.", "Sandbox.", "Runtime.")


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def next_of(state: dict[str, Any]) -> set[str]:
    branches = [*state.get("Choices", []), *state.get("Catch", []), state]
    return {branch["Next"] for branch in branches if "Next" in branch} | (
        {state["Default"]} if "Default" in state else set()
    )


def test_a_state_its_function_its_substitution_and_its_folder_have_the_same_name() -> None:
    assert TASKS
    for state, definition in TASKS.items():
        assert definition["Parameters"]["FunctionName"] == f"${{{state}FunctionArn}}", state
        assert SUBSTITUTIONS[f"{state}FunctionArn"] == {"Ref": f"{state}Function.Alias"}, state
        assert folder_of(f"{state}Function") == snake_case(state)
        assert (ROOT / "functions" / snake_case(state) / "handler.py").is_file(), state


def test_the_substitutions_are_the_functions_of_the_task_states() -> None:
    assert (
        set(re.findall(r"\$\{(\w+)\}", TEXT))
        == SUBSTITUTIONS.keys()
        == {f"{state}FunctionArn" for state in TASKS}
    )


def test_every_task_has_a_timeout_and_retries() -> None:
    for name, state in TASKS.items():
        assert state.keys() & {"TimeoutSeconds", "TimeoutSecondsPath"}, name
        rules = {error: rule for rule in state["Retry"] for error in rule["ErrorEquals"]}
        for rule in (
            rules.get("States.ALL") or rules["States.TaskFailed"],
            *(rules[error] for error in rules if error.startswith("Lambda.")),
        ):
            assert rule["MaxAttempts"] >= 4, name
            assert rule["JitterStrategy"] == "FULL", name
            assert {"IntervalSeconds", "BackoffRate", "MaxDelaySeconds"} <= rule.keys(), name


def test_only_existing_errors_are_caught_or_retried() -> None:
    for name, state in TASKS.items():
        named = {
            error
            for rule in (*state["Retry"], *state.get("Catch", []))
            for error in rule["ErrorEquals"]
        }
        own = {error for error in named if not error.startswith(AWS_ERRORS)}

        assert own <= DARKROOM_ERRORS, f"{name}: unknown errors {own - DARKROOM_ERRORS}"


def test_results_of_a_state_are_not_retried_in_place() -> None:
    # The first rule that matches an error applies. States.TaskFailed matches all errors but
    # States.Timeout.
    results = {"RetryLater", "GenerationFailed"}
    for state, more in (("RequestPrediction", {"ProviderQueueFull"}), ("StoreOutput", set[str]())):
        first, *others = STATES[state]["Retry"]

        assert set(first["ErrorEquals"]) == results | more, state
        assert first["MaxAttempts"] == 0, state
        assert not {error for rule in others for error in rule["ErrorEquals"]} & {"States.ALL"}


def test_no_state_that_ends_a_job_has_a_catch() -> None:
    assert [name for name, state in STATES.items() if "Catch" in state] == [
        "RequestPrediction",
        "WaitForSlot",
        "StoreOutput",
    ]


def test_every_exit_of_the_wait_for_a_slot_reads_the_job_again() -> None:
    state = STATES["WaitForSlot"]
    (catch,) = state["Catch"]

    assert catch["ErrorEquals"] == ["States.ALL"]
    assert STATES[catch["Next"]]["Next"] == state["Next"] == "RequestPrediction"


def test_only_these_errors_cause_a_new_state_entry() -> None:
    catches = {
        error: catch["Next"]
        for catch in STATES["RequestPrediction"]["Catch"]
        for error in catch["ErrorEquals"]
    }

    assert catches == {
        "RetryLater": "ParseRetryTime",
        "ProviderQueueFull": "WaitForSlot",
        "States.Timeout": "PrepareToPoll",
        "States.ALL": "RefundJob",
    }
    assert (
        STATES["PrepareToPoll"]["Next"] == STATES["WaitUntilRetry"]["Next"] == "RequestPrediction"
    )


def test_every_exit_of_the_queue_leads_to_request_prediction() -> None:
    state = STATES["WaitForSlot"]
    (catch,) = state["Catch"]

    assert catch["ErrorEquals"] == ["States.ALL"]
    assert STATES[catch["Next"]]["Type"] == "Pass"
    assert STATES[catch["Next"]]["Next"] == state["Next"] == "RequestPrediction"


def test_a_caught_error_is_stored_as_failure_or_as_retry() -> None:
    paths = {
        (catch["Next"] == "RefundJob", catch["ResultPath"])
        for state in TASKS.values()
        for catch in state.get("Catch", [])
    }

    assert paths == {(True, "$.failure"), (False, "$.retry")}
    assert STATES["WaitUntilRetry"]["TimestampPath"].startswith("$.retry.")


def test_every_next_state_exists_and_every_state_is_reached() -> None:
    reached, todo = set[str](), {DEFINITION["StartAt"]}
    while todo:
        state = todo.pop()
        reached.add(state)
        todo |= next_of(STATES[state]) - reached

    assert reached == STATES.keys()


def test_every_state_has_a_next_state_or_ends_the_execution() -> None:
    for state in STATES.values():
        assert next_of(state) or state.get("End") or state["Type"] in ("Succeed", "Fail")


def test_a_job_without_errors_passes_three_states() -> None:
    path = [DEFINITION["StartAt"]]
    while "Next" in STATES[path[-1]]:
        path.append(STATES[path[-1]]["Next"])

    assert path == ["RequestPrediction", "StoreOutput", "CompleteJob"]
    assert STATES["CompleteJob"]["End"] is True


def test_only_the_state_job_failed_fails_the_execution() -> None:
    assert STATES["JobFailed"]["Type"] == "Fail"
    assert STATES["JobEnded"]["Type"] == "Succeed"
    assert [state for state in STATES.values() if state["Type"] == "Fail"] == [STATES["JobFailed"]]


def test_the_file_has_no_yaml_aliases_no_jsonata_and_no_global_timeout() -> None:
    assert not [
        token for token in yaml.scan(TEXT) if isinstance(token, (yaml.AliasToken, yaml.AnchorToken))
    ]
    assert "QueryLanguage" not in TEXT
    assert "{%" not in TEXT
    assert "TimeoutSeconds" not in DEFINITION


def test_the_states_pass_on_only_the_job_and_the_retry_time() -> None:
    passed_on = {
        name: set(STATES[name]["Parameters"]) for name in ("PrepareToPoll", "ParseRetryTime")
    }

    assert passed_on == {
        "PrepareToPoll": {"account.$", "job_id.$", "wait_seconds.$"},
        "ParseRetryTime": {"account.$", "job_id.$", "wait_seconds.$", "retry.$"},
    }
    assert all(state["ResultPath"] is None for name, state in TASKS.items() if name != "RefundJob")
    waiting = {name for name, state in STATES.items() if "task_token" in json.dumps(state)}
    assert waiting == {"RequestPrediction", "WaitForSlot"}


def test_an_output_is_downloaded_again_until_the_job_gives_up() -> None:
    (rule,) = [
        rule
        for rule in STATES["StoreOutput"]["Retry"]
        if "OutputUnavailable" in rule["ErrorEquals"]
    ]
    waits = [
        min(rule["IntervalSeconds"] * rule["BackoffRate"] ** number, rule["MaxDelaySeconds"])
        for number in range(rule["MaxAttempts"])
    ]

    assert "JitterStrategy" not in rule, "jitter would shorten the waits"
    assert sum(waits) >= STORING_SECONDS_MAX
