"""Random schedules with more than 10,000 steps, the same in each run. `make soak` runs new ones."""

from __future__ import annotations

import time

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.reports import REPORTED
from tests.simulation.schedule_steps import STATISTICS
from tests.simulation.schedules import Schedule

STEPS_MIN = 10_000
_REPEATABLE = settings(
    max_examples=150,
    stateful_step_count=80,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


def test_no_schedule_breaks_a_promise() -> None:
    began = time.monotonic()
    run_state_machine_as_test(Schedule, settings=_REPEATABLE)
    REPORTED.append(
        f"random schedules: {STATISTICS.summary()}, in {time.monotonic() - began:.0f} s"
    )

    assert STATISTICS["steps"] >= STEPS_MIN
    assert STATISTICS["checks of accounts and models"]
