"""Predictions that exist although their create had no response, and that are visible only later.

Each is found, and no job is paid twice.
"""

from __future__ import annotations

import pytest

from tests.simulation.calls import KILL_AFTER, Call, Fault, FaultKind
from tests.simulation.environment import Environment
from tests.simulation.promises import Promises
from tests.simulation.scenario_steps import submission

CREATE = "provider POST predictions"
UNKNOWN_SECONDS = 60


def run_until_quiet(environment: Environment) -> Environment:
    """Submit one job of a user with credits, and run until the environment is quiet."""
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


@pytest.mark.parametrize("found_by", ["webhook", "poll"])
def test_after_a_throttled_retry_the_prediction_of_the_first_request_is_used(found_by: str) -> None:
    environment = Environment()
    fault_profile = environment.replicate.fault_profile
    fault_profile.responses, fault_profile.visible_after_seconds = (
        "create response lost",
        UNKNOWN_SECONDS + 15,
    )
    fault_profile.queue_seconds, fault_profile.run_seconds = UNKNOWN_SECONDS + 10, 1
    environment.webhooks = "sent" if found_by == "webhook" else "lost"
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


@pytest.mark.parametrize("seconds", [9, 25, 45])
def test_no_second_request_before_the_lease_of_a_killed_invocation_ends(seconds: float) -> None:
    for paused_at in range(8):
        environment, creates = environment_with_a_killed_create(paused_at, seconds)

        run_until_quiet(environment)

        assert creates, paused_at
        attempts = attempts_of(environment)
        assert len(environment.replicate.predictions) == len(attempts) == 1, paused_at


def environment_with_a_killed_create(
    paused_at: int, seconds: float
) -> tuple[Environment, list[Call]]:
    """Return an environment in which the invocation of the first create is killed after it.

    That create is appended to the list. Before it, the invocation pauses at the call `paused_at`.
    """
    creates: list[Call] = []

    def fault_at(call: Call) -> Fault | None:
        if call.name == CREATE and not creates:
            creates.append(call)
            return KILL_AFTER
        is_first = call.function == "request_prediction" and not any(
            invocation.faults for invocation in environment.invocations
        )
        if is_first and call.number == paused_at:
            return Fault(FaultKind.PAUSE, after=True, seconds=seconds)
        return None

    environment = Environment(fault_at=fault_at)
    environment.webhooks = "lost"
    environment.replicate.fault_profile.visible_after_seconds = UNKNOWN_SECONDS - 1
    return environment, creates


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
