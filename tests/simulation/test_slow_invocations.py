"""An invocation is slow, and other events happen meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from tests.simulation.calls import Call, Fault, FaultKind
from tests.simulation.documents import Item
from tests.simulation.environment import Environment
from tests.simulation.promises import Promises
from tests.simulation.records import parse_time
from tests.simulation.scenario_steps import submission

QUICK = timedelta(seconds=12)


def test_a_webhook_before_the_creates_response_resumes_the_job_at_once() -> None:
    for response_seconds in (0, 2, 6, 10):
        with slow_calls(
            lambda call: call.name == "provider POST predictions", response_seconds
        ) as environment:
            environment.api("POST", "/jobs", **submission())
            environment.settle()

        job, execution = only_job(environment), next(iter(environment.states.executions.values()))
        created_at, finished_at = (
            parse_time(job["created_at"]["S"]),
            parse_time(job["finished_at"]["S"]),
        )
        assert created_at
        assert finished_at
        assert job["status"]["S"] == "completed"
        # The job ended before the end of the wait after which the workflow polls.
        assert finished_at - created_at < QUICK < timedelta(seconds=int(job["wait_seconds"]["N"]))
        assert execution.states_entered == ["RequestPrediction", "StoreOutput", "CompleteJob"]


@pytest.mark.parametrize("storing_seconds", [5, 60, 100])
def test_outputs_stored_after_the_execution_was_stopped_are_delivered(
    storing_seconds: float,
) -> None:
    with slow_calls(
        lambda call: call.function == "store_output" and call.name == "http GET", storing_seconds
    ) as environment:
        submitted = environment.api("POST", "/jobs", **submission())
        while not environment.paused:
            environment.event_queue.run_next()
        environment.states.stop(next(iter(environment.states.executions.values())), "ABORTED")
        # This cancel is too late, but it schedules an early check by recovery.
        assert submitted
        assert environment.api("POST", f"/jobs/{submitted.document['id']}/cancel")
        environment.settle()

    assert only_job(environment)["status"]["S"] == "completed"


@contextmanager
def slow_calls(is_slow: Callable[[Call], bool], seconds: float) -> Iterator[Environment]:
    """Yield an environment in which some calls take this long, with a user who has credits."""
    slow = Fault(FaultKind.PAUSE, after=True, seconds=seconds)
    environment = Environment(fault_at=lambda call: slow if is_slow(call) else None)
    promises = Promises(environment)
    environment.event_queue.after_each_event = promises.check
    with environment.activated():
        environment.open_account("ann", 100)
        yield environment
        promises.check_quiet()


def only_job(environment: Environment) -> Item:
    """Return the only job."""
    (job,) = (
        item for (_, sk), item in environment.cloud.table.items.items() if sk.startswith("JOB#")
    )
    return job
