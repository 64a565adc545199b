"""With fewer slots than jobs, jobs start in the order of their submission, and every job starts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.environment import Environment
from tests.simulation.promises import Promises
from tests.simulation.scenario_steps import submission

JOBS = 12


def run_until_quiet(slots: int) -> list[dict[str, Any]]:
    """Submit more jobs than there are slots, two seconds apart.

    Returns their records in the order of submission.
    """
    environment = Environment()
    environment.replicate.fault_profile.run_seconds = 20
    promises = Promises(environment)
    environment.event_queue.after_each_event = promises.check
    with environment.activated(PREDICTIONS_IN_FLIGHT_MAX=str(slots)):
        environment.open_account("ann", 1_000)
        for number in range(JOBS):
            environment.api("POST", "/jobs", **submission(key=str(number)))
            environment.event_queue.advance(2)
        environment.settle()
        promises.check_quiet()
    return [
        item
        for (_, sk), item in sorted(environment.cloud.table.items.items())
        if sk.startswith("JOB#")
    ]


@pytest.mark.parametrize("slots", [1, 3])
def test_the_first_job_in_the_queue_is_the_next_to_run(slots: int) -> None:
    jobs = run_until_quiet(slots)

    assert [job["status"]["S"] for job in jobs] == ["completed"] * JOBS
    started = [job["started_at"]["S"] for job in jobs]
    # Jobs that acquire their slots at the same time may start in any order.
    overtakers = [
        sum(later < mine for later in started[number + 1 :]) for number, mine in enumerate(started)
    ]
    assert max(overtakers) < slots, overtakers
