"""The deployed workflow with the real handlers, the simulated Replicate and its webhooks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from darkroom.storage import ledger
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, Workflow, client, forget_settings, handler_of
from tests.builders import ANN, call_api, open_account, until
from tests.integration.servers import webhook_endpoint

PROMPT = "a lighthouse"


@pytest.fixture
def replicate(
    simulated_replicate: SimulatedReplicate, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimulatedReplicate]:
    """A fast simulated Replicate whose webhooks reach receive_prediction."""
    assert workflow
    with webhook_endpoint() as public_url:
        monkeypatch.setenv("PUBLIC_URL", public_url)
        forget_settings()
        set_faults(simulated_replicate)
        open_account(credits=100)
        yield simulated_replicate


def set_faults(replicate: SimulatedReplicate, **faults: float) -> None:
    all_faults = {"run_seconds": 0.1, "queue_seconds": 0, **faults}
    requests.put(f"{replicate.base_url}/faults", json=all_faults, timeout=5).raise_for_status()


def predictions(replicate: SimulatedReplicate) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(
        f"{replicate.base_url}/sim/predictions", timeout=5
    ).json()["predictions"]
    return found


def submit(prompt: str = PROMPT, **parameters: Any) -> str:
    status, job, _ = call_api(
        "POST",
        "/jobs",
        body={"template": "flux-schnell", "parameters": {"prompt": prompt, **parameters}},
    )
    assert status == 202, job
    job_id: str = job["id"]
    return job_id


def execution_of(job_id: str) -> dict[str, Any]:
    arn = os.environ["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:") + f":{job_id}"
    described: dict[str, Any] = client("stepfunctions").describe_execution(executionArn=arn)
    return described


def ended(job_id: str, *, seconds: float = 30) -> tuple[dict[str, Any], str]:
    """Wait for the end of the execution, and return the job and the execution's status."""
    status = until(
        lambda: (found := execution_of(job_id)["status"]) != "RUNNING" and found, seconds=seconds
    )
    return call_api("GET", f"/jobs/{job_id}")[1], str(status)


def counters() -> tuple[int, int, int, int]:
    balance = ledger.balance(ANN)
    return balance.available, balance.held, balance.spent, balance.in_flight


def test_prompt_becomes_stored_images(replicate: SimulatedReplicate) -> None:
    job, execution = ended(submit(num_outputs=2))

    assert (job["status"], execution) == ("completed", "SUCCEEDED")
    assert job["credits"] == {"quoted": 20, "held": 0, "charged": 20, "refunded": 0}
    assert len(job["outputs"]) == 2
    assert all(output["url"] and output["thumbnail_url"] for output in job["outputs"])
    assert (job["error"], job["attempts"], len(predictions(replicate))) == (None, 1, 1)
    assert counters() == (80, 0, 20, 0)


def test_refused_prompt_costs_nothing_and_execution_succeeds(
    replicate: SimulatedReplicate,
) -> None:
    job, execution = ended(submit("please flag me"))

    assert (job["status"], execution) == ("failed", "SUCCEEDED")
    assert (job["error"]["code"], job["error"]["retryable"]) == ("refused", False)
    assert job["credits"] == {"quoted": 10, "held": 0, "charged": 0, "refunded": 10}
    assert len(predictions(replicate)) == 1
    assert counters() == (100, 0, 0, 0)


@pytest.mark.parametrize(
    ("fault", "code"), [("fail", "prediction_failed"), ("no_output", "no_output")]
)
def test_fault_costs_nothing_and_execution_fails(
    replicate: SimulatedReplicate, fault: str, code: str
) -> None:
    set_faults(replicate, **{fault: 1})

    job, execution = ended(submit())

    assert (job["status"], job["error"]["code"], job["error"]["retryable"], execution) == (
        "failed",
        code,
        True,
        "FAILED",
    )
    assert counters() == (100, 0, 0, 0)


def test_partial_delivery_is_charged_in_part(replicate: SimulatedReplicate) -> None:
    # With this seed, the simulator drops at least one of the four outputs, but not all.
    set_faults(replicate, drop_output=0.5, seed=7)

    job, execution = ended(submit(num_outputs=4))

    delivered = len(job["outputs"])
    assert 0 < delivered < 4
    assert (job["status"], execution) == ("completed", "SUCCEEDED")
    assert job["credits"] == {
        "quoted": 40,
        "held": 0,
        "charged": 10 * delivered,
        "refunded": 40 - 10 * delivered,
    }
    assert counters() == (100 - 10 * delivered, 0, 10 * delivered, 0)


@pytest.mark.parametrize("function", ["store_output", "complete_job"])
def test_crashed_step_is_retried(
    replicate: SimulatedReplicate, workflow: Workflow, function: str
) -> None:
    """Crash the invocation after the step's effect. AWS reports this as Runtime.ExitError."""
    invocations: list[object] = []

    def crash_once(event: Any) -> Any:
        result = handler_of(function)(event, CONTEXT)
        invocations.append(event)
        if len(invocations) == 1:
            raise type("Runtime.ExitError", (Exception,), {})("exit status 137")
        return result

    workflow.break_function(function, crash_once)

    job, execution = ended(submit())

    assert (job["status"], execution, len(invocations)) == ("completed", "SUCCEEDED", 2)
    assert (len(job["outputs"]), len(predictions(replicate))) == (1, 1)
    assert counters() == (90, 0, 10, 0)


def test_exception_in_a_step_refunds_the_credits(
    replicate: SimulatedReplicate, workflow: Workflow
) -> None:
    workflow.break_function("store_output", lambda _: 1 / 0)

    job, execution = ended(submit())

    assert (job["status"], job["error"]["code"], execution) == ("failed", "internal", "FAILED")
    assert len(predictions(replicate)) == 1
    assert counters() == (100, 0, 0, 0)


def test_waits_for_a_throttled_provider(replicate: SimulatedReplicate) -> None:
    set_faults(replicate, throttle=1)
    job_id = submit()
    until(lambda: call_api("GET", f"/jobs/{job_id}")[1]["waiting_since"])
    set_faults(replicate)

    job, execution = ended(job_id)

    assert (job["status"], job["waiting_since"], execution) == ("completed", None, "SUCCEEDED")
    assert (job["attempts"], len(predictions(replicate))) == (1, 1)


def test_repeated_or_reordered_webhooks_change_nothing(
    replicate: SimulatedReplicate,
) -> None:
    set_faults(replicate, duplicate_webhook=1, reorder=1)

    job, execution = ended(submit())

    assert (job["status"], execution) == ("completed", "SUCCEEDED")
    assert counters() == (90, 0, 10, 0)


def test_prediction_without_webhooks_is_polled(replicate: SimulatedReplicate) -> None:
    """The workflow polls after 15 seconds."""
    set_faults(replicate, lose_webhook=1)

    job, execution = ended(submit(), seconds=60)

    assert (job["status"], execution, len(predictions(replicate))) == ("completed", "SUCCEEDED", 1)


def test_execution_history_contains_no_prompt(replicate: SimulatedReplicate) -> None:
    job_id = submit("a secret lighthouse please flag me")
    ended(job_id)
    assert replicate

    arn = os.environ["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:") + f":{job_id}"
    history = str(client("stepfunctions").get_execution_history(executionArn=arn)["events"])

    assert job_id in history
    assert "lighthouse" not in history
    assert "sensitive" not in history
