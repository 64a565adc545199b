"""Kills an invocation at each call of each function. Retries and recovery must repair the rest.

A killed invocation leaves only the effects of its calls and shares no memory with the next one. A
kill before a call is therefore the same as a kill after the previous call. Each moment is tested
once: before the first call, and after each call.
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
        pytest.skip("not all scenarios were run")
    by_function = ", ".join(f"{name} {count}" for name, count in sorted(kills_count.items()))
    REPORTED.append(
        f"crashes: {kills_count.total():,} invocations killed, each at another call, "
        f"in {len(scenarios_run)} scenarios ({by_function})"
    )

    # The function of unknown paths calls nothing.
    assert kills_count.keys() == FUNCTIONS.keys() - {"unknown_path"}
