"""An invocation dies, at every call that any function is seen to make; then retries and recovery have their way.

A dead invocation leaves nothing behind but what its calls did, and knows nothing that the next one knows. So to die before a call is to die after
the one before it took effect, and each of these moments is tried once: before the first call, and after every one.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.reports import REPORTED
from tests.simulation.calls import KILL_AFTER, KILL_BEFORE
from tests.simulation.patching import FUNCTIONS
from tests.simulation.run_scenario import fault_points, run_scenario
from tests.simulation.scenarios import SCENARIOS, Scenario

kills_count: Counter[str] = Counter()
scenarios_run: set[str] = set()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_crash_at_any_call_breaks_no_promise(scenario: Scenario) -> None:
    for point in fault_points(scenario):
        for fault in (KILL_BEFORE, KILL_AFTER) if point.number == 0 else (KILL_AFTER,):
            kills_count[point.function] += 1
            try:
                run_scenario(scenario, point, fault)
            except AssertionError as error:
                raise AssertionError(f"{fault} {point}: {error}") from error
    scenarios_run.add(scenario.name)


def test_every_function_was_killed() -> None:
    if len(scenarios_run) < len(SCENARIOS):
        pytest.skip("only some of the scenarios were run")
    by_function = ", ".join(f"{name} {count}" for name, count in sorted(kills_count.items()))
    REPORTED.append(
        f"crashes: {kills_count.total():,} invocations killed, each at another call, in {len(scenarios_run)} scenarios ({by_function})"
    )

    assert kills_count.keys() == FUNCTIONS.keys()
