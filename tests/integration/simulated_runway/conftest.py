"""A simulated Runway for each test, with its clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.simulators.runway import SimulatedRunway
from tests.integration.simulated_runway.wire import Api, MovableClock


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def api(clock: MovableClock) -> Iterator[Api]:
    with SimulatedRunway(run_seconds=0.05, clock=clock) as simulator:
        yield Api(simulator)
