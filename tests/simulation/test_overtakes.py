"""Everything that invokes a function may do so twice. An invocation is held up after every call that it is seen to make, and a second one with the
same event overtakes it; then the first goes on with what it had read before.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.reports import REPORTED
from tests.simulation.calls import Fault, FaultKind
from tests.simulation.run_scenario import fault_points, run_scenario
from tests.simulation.scenarios import SCENARIOS, Scenario

HELD_UP = Fault(FaultKind.PAUSE, after=True, seconds=1)
overtakes_seen: Counter[str] = Counter()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_an_invocation_overtaken_at_any_call_breaks_no_promise(scenario: Scenario) -> None:
    for point in fault_points(scenario):
        try:
            run_scenario(scenario, point, HELD_UP, overtaken=True)
        except AssertionError as error:
            raise AssertionError(f"{point} was overtaken: {error}") from error
        overtakes_seen[point.function] += 1


def test_overtakes_were_seen() -> None:
    REPORTED.append(
        f"overtakes: {overtakes_seen.total():,} ({', '.join(f'{name} {count}' for name, count in sorted(overtakes_seen.items()))})"
    )

    assert overtakes_seen
