"""Predictions that were made although nobody was told, and that show only later: each is found, and no other is paid for."""

from __future__ import annotations

import pytest

from tests.simulation.calls import KILL_AFTER, Call, Fault, FaultKind
from tests.simulation.environment import Environment
from tests.simulation.promises import Promises
from tests.simulation.scenarios import submission

CREATE = "provider POST predictions"
UNKNOWN_SECONDS = 60


def run_until_quiet(environment: Environment) -> Environment:
    """Live until everything is quiet, with somebody who has credits and submits one job."""
    promises = Promises(environment)
    environment.event_queue.after_each_event = promises.check
    with environment.activated():
        environment.open_account("ann", 100)
        environment.api("POST", "/jobs", **submission())
        environment.settle()
        promises.check_quiet()
    return environment


def attempts_of(environment: Environment) -> list[dict[str, object]]:
    (job,) = (
        item for (_, sk), item in environment.cloud.table.items.items() if sk.startswith("JOB#")
    )
    assert job["status"]["S"] == "completed"
    return [attempt["M"] for attempt in job["attempts"]["L"]]


@pytest.mark.parametrize("found_by", ["its webhook", "a look"])
def test_a_throttled_request_does_not_undo_an_earlier_unanswered_one(found_by: str) -> None:
    environment = Environment()
    fault_profile = environment.replicate.fault_profile
    fault_profile.responses, fault_profile.visible_after_seconds = (
        "create response lost",
        UNKNOWN_SECONDS + 15,
    )
    fault_profile.queue_seconds, fault_profile.run_seconds = UNKNOWN_SECONDS + 10, 1
    environment.webhooks = "sent" if found_by == "its webhook" else "lost"
    environment.event_queue.after(
        UNKNOWN_SECONDS - 5,
        "creates are throttled",
        lambda: setattr(fault_profile, "responses", "creates throttled"),
    )
    environment.event_queue.after(
        UNKNOWN_SECONDS + 20,
        "responses are normal again",
        lambda: setattr(fault_profile, "responses", "normal"),
    )

    run_until_quiet(environment)

    assert environment.replicate.requests_count["POST create"] > 1
    assert len(environment.replicate.predictions) == len(attempts_of(environment)) == 1


@pytest.mark.parametrize("held_up_at", range(8))
@pytest.mark.parametrize("seconds", [9, 25, 45])
def test_no_second_request_before_the_lease_of_a_dead_invocation_ends(
    held_up_at: int, seconds: float
) -> None:
    creates: list[Call] = []

    def fault_at(call: Call) -> Fault | None:
        if call.name == CREATE and not creates:
            creates.append(call)
            return KILL_AFTER
        is_first = call.function == "request_prediction" and not any(
            invocation.faults for invocation in environment.invocations
        )
        return (
            Fault(FaultKind.PAUSE, after=True, seconds=seconds)
            if is_first and call.number == held_up_at
            else None
        )

    environment = Environment(fault_at=fault_at)
    environment.webhooks, environment.replicate.fault_profile.visible_after_seconds = (
        "lost",
        UNKNOWN_SECONDS - 1,
    )

    run_until_quiet(environment)

    assert creates
    assert len(environment.replicate.predictions) == len(attempts_of(environment)) == 1


def test_a_late_prediction_is_used_and_a_missing_one_is_requested_again() -> None:
    environment = Environment()
    environment.webhooks, environment.replicate.fault_profile.responses = "lost", "unavailable"
    environment.event_queue.after(
        30,
        "responses are normal again",
        lambda: setattr(environment.replicate.fault_profile, "responses", "normal"),
    )

    run_until_quiet(environment)

    (attempt,) = attempts_of(environment)
    assert attempt["requests_count"] != {"N": "1"}
    assert len(environment.replicate.predictions) == 1
