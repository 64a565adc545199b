"""Two accounts share the provider slots of a running stack, and one of them is greedy."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import requests

from local.stack import LocalStack
from tests.aws import TEMPLATE
from tests.builders import until
from tests.e2e.actors import Actor, set_faults

SLOTS: int = TEMPLATE["Parameters"]["PredictionsInFlightMax"]["Default"]
WAITING = 3


def created_predictions(stack: LocalStack, prompt: str) -> list[dict[str, Any]]:
    """Return the predictions whose prompts start with this text, the oldest first."""
    found = requests.get(f"{stack.replicate_url}/sim/predictions", timeout=10).json()["predictions"]
    matching = [each for each in found if each["input"].get("prompt", "").startswith(prompt)]
    return sorted(matching, key=lambda each: str(each["created_at"]))


def until_queued(actor: Actor, job_id: str) -> dict[str, Any]:
    """Wait until a job is in the queue, and return its position."""

    def read_position() -> dict[str, Any] | None:
        position: dict[str, Any] | None = actor.client.get(f"/jobs/{job_id}")["queue"]
        return position

    return until(read_position)


def states_of(stack: LocalStack, job_id: str) -> list[str]:
    """Return the workflow's states that the job's execution entered, in order."""
    machine: str = stack.physical_id("Workflow")
    history = stack.client("stepfunctions").get_execution_history(
        executionArn=f"{machine.replace(':stateMachine:', ':execution:')}:{job_id}", maxResults=500
    )
    return [
        event["stateEnteredEventDetails"]["name"]
        for event in history["events"]
        if "stateEnteredEventDetails" in event
    ]


def test_an_account_that_fills_the_queue_delays_another_by_one_free_slot(
    stack: LocalStack,
) -> None:
    greedy = Actor.arrive(stack, "greedy", credits=200)
    modest = Actor.arrive(stack, "modest", credits=10)
    prompt = uuid4().hex
    set_faults(stack, run_seconds=300)
    running = [greedy.submit(prompt=f"{prompt} running") for _ in range(SLOTS)]
    until(lambda: len(created_predictions(stack, prompt)) == SLOTS, seconds=60)
    set_faults(stack, run_seconds=0.2)
    waiting = [greedy.submit(prompt=f"{prompt} waiting") for _ in range(WAITING)]
    # The executions enter the queue at the same time, in any order.
    positions = [until_queued(greedy, each)["ahead_of_yours"] for each in waiting]
    assert sorted(positions) == list(range(WAITING))
    job_id = modest.submit(prompt=f"{prompt} modest")
    assert until_queued(modest, job_id)["ahead_of_yours"] == 0

    greedy.client.post(f"/jobs/{running[0]}/cancel", {})

    assert modest.ended(job_id)["status"] == "completed"
    first_after = created_predictions(stack, prompt)[SLOTS]
    assert first_after["input"]["prompt"] == f"{prompt} modest"
    assert states_of(stack, job_id) == [
        "RequestPrediction",
        "WaitForSlot",
        "RequestPrediction",
        "StoreOutput",
        "CompleteJob",
    ]
    for each in running[1:]:
        greedy.client.post(f"/jobs/{each}/cancel", {})
    assert {greedy.ended(each)["status"] for each in waiting} == {"completed"}
    assert {greedy.ended(each)["status"] for each in running} == {"canceled"}
    assert len(created_predictions(stack, prompt)) == SLOTS + WAITING + 1
    assert modest.must_have_a_balanced_ledger()["spent"] == 10
    assert greedy.must_have_a_balanced_ledger()["in_flight"] == 0
