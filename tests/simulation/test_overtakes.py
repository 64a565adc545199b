"""Every event may be delivered twice.

An invocation pauses after each of its calls, and a second one with the same event runs until its
end. The first then continues with the data that it read before.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.reports import REPORTED
from tests.simulation.calls import Fault, FaultKind
from tests.simulation.run_scenario import fault_points, run_scenario
from tests.simulation.scenarios import SCENARIOS, Scenario

PAUSED = Fault(FaultKind.PAUSE, after=True, seconds=1)
overtakes_count: Counter[str] = Counter()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_second_invocation_at_any_call_breaks_no_promise(scenario: Scenario) -> None:
    for point in fault_points(scenario):
        try:
            run_scenario(scenario, point, PAUSED, overtaken=True)
        except AssertionError as error:
            raise AssertionError(f"overtaken at {point}: {error}") from error
        overtakes_count[point.function] += 1


def test_second_invocations_were_run() -> None:
    by_function = ", ".join(f"{name} {count}" for name, count in sorted(overtakes_count.items()))
    REPORTED.append(
        f"overtakes: {overtakes_count.total():,} second invocations, "
        f"each during another call of the first ({by_function})"
    )

    assert overtakes_count
