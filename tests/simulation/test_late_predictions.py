"""Predictions that were made although nobody was told, and that show only later: each is found, and no other is paid for."""

from __future__ import annotations

import pytest

from tests.simulation.calls import KILL_AFTER, Call, Fault, Kind
from tests.simulation.promises import Promises
from tests.simulation.scenarios import submission
from tests.simulation.world import World

CREATE = "provider POST predictions"
UNKNOWN_SECONDS = 60


def lived(world: World) -> World:
    """Live until everything is quiet, with somebody who has credits and submits one job."""
    promises = Promises(world)
    world.agenda.watch = promises.check
    with world.lives():
        world.open_account("ann", 100)
        world.api("POST", "/jobs", **submission())
        world.settle()
        promises.check_quiet()
    return world


def attempts_of(world: World) -> list[dict[str, object]]:
    (job,) = (item for (_, sk), item in world.cloud.table.items.items() if sk.startswith("JOB#"))
    assert job["status"]["S"] == "completed"
    return [attempt["M"] for attempt in job["attempts"]["L"]]


@pytest.mark.parametrize("known_by", ["its webhook", "a look"])
def test_an_asking_that_was_throttled_does_not_undo_an_earlier_one_that_got_no_answer(known_by: str) -> None:
    world = World()
    weather = world.replicate.weather
    weather.answers, weather.shows_after_seconds = "lost", UNKNOWN_SECONDS + 15
    weather.queue_seconds, weather.run_seconds = UNKNOWN_SECONDS + 10, 1
    world.webhooks = "sent" if known_by == "its webhook" else "lost"
    world.agenda.after(UNKNOWN_SECONDS - 5, "creates are throttled", lambda: setattr(weather, "answers", "creates throttled"))
    world.agenda.after(UNKNOWN_SECONDS + 20, "all is well", lambda: setattr(weather, "answers", "well"))

    lived(world)

    assert world.replicate.asked["POST create"] > 1
    assert len(world.replicate.predictions) == len(attempts_of(world)) == 1


@pytest.mark.parametrize("held_up_at", range(8))
@pytest.mark.parametrize("seconds", [9, 25, 45])
def test_a_sandbox_that_was_held_up_and_died_after_asking_is_not_asked_after_too_early(held_up_at: int, seconds: float) -> None:
    asked: list[Call] = []

    def fault_at(call: Call) -> Fault | None:
        if call.name == CREATE and not asked:
            asked.append(call)
            return KILL_AFTER
        is_first = call.function == "request_prediction" and not any(sandbox.faults for sandbox in world.sandboxes)
        return Fault(Kind.PAUSE, after=True, seconds=seconds) if is_first and call.number == held_up_at else None

    world = World(fault_at=fault_at)
    world.webhooks, world.replicate.weather.shows_after_seconds = "lost", UNKNOWN_SECONDS - 1

    lived(world)

    assert asked
    assert len(world.replicate.predictions) == len(attempts_of(world)) == 1


def test_a_prediction_that_showed_in_time_is_the_jobs_own_and_one_that_never_does_is_asked_for_again() -> None:
    world = World()
    world.webhooks, world.replicate.weather.answers = "lost", "unavailable"
    world.agenda.after(30, "all is well", lambda: setattr(world.replicate.weather, "answers", "well"))

    lived(world)

    (attempt,) = attempts_of(world)
    assert attempt["requests_count"] != {"N": "1"}
    assert len(world.replicate.predictions) == 1
