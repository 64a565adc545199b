"""Whose turn it is when there are fewer slots than jobs: who came first goes first, and everybody comes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.promises import Promises
from tests.simulation.scenarios import submission
from tests.simulation.world import World

JOBS = 12


def lived(slots: int) -> list[dict[str, Any]]:
    """Let more jobs come than there are slots, two seconds apart, and give their records in the order in which they came."""
    world = World()
    world.replicate.weather.run_seconds = 20
    promises = Promises(world)
    world.agenda.watch = promises.check
    with world.lives(PREDICTIONS_IN_FLIGHT_MAX=str(slots)):
        world.open_account("ann", 1_000)
        for number in range(JOBS):
            world.api("POST", "/jobs", **submission(key=str(number)))
            world.agenda.pass_seconds(2)
        world.settle()
        promises.check_quiet()
    return [item for (_, sk), item in sorted(world.cloud.table.items.items()) if sk.startswith("JOB#")]


@pytest.mark.parametrize("slots", [1, 3])
def test_who_came_first_goes_first_and_everybody_comes(slots: int) -> None:
    jobs = lived(slots)

    assert [job["status"]["S"] for job in jobs] == ["completed"] * JOBS
    started = [job["started_at"]["S"] for job in jobs]
    # Those who are let in together have no order among themselves.
    overtakers = [sum(later < mine for later in started[number + 1 :]) for number, mine in enumerate(started)]
    assert max(overtakers) < slots, overtakers
