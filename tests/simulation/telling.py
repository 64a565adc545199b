"""Telling a scenario with one fault at one call of it, and the calls at which there may be one."""

from __future__ import annotations

from tests.simulation.calls import Call, Fault
from tests.simulation.promises import Promises
from tests.simulation.scenarios import Scenario
from tests.simulation.world import World

_IDLE = "recover_jobs"


def points_of(scenario: Scenario) -> list[Call]:
    """Give every call that is made when there is no fault. Recoveries that do the same as one before are looked at once."""
    world = told(scenario)
    points: list[Call] = []
    known = set[tuple[str, ...]]()
    for sandbox in world.sandboxes:
        names = tuple(call.name for call in sandbox.calls)
        if sandbox.function != _IDLE or names not in known:
            points += sandbox.calls
        known.add(names)
    return points


def told(scenario: Scenario, point: Call | None = None, fault: Fault | None = None, *, overtaken: bool = False) -> World:
    """Tell a story, with a fault at one call of it, and look at the promises all the while.

    With `overtaken` whoever is held up at its call is overtaken by a second invocation with the same event.
    """
    world = World(fault_at=lambda call: fault if call == point else None)
    if overtaken:
        world.overtake = lambda sandbox: world.invoke(sandbox.function, sandbox.event)
    promises = Promises(world)
    world.agenda.watch = lambda: promises.check(in_time=True)
    with world.lives(**scenario.environment):
        scenario.tell(world)
        promises.check_quiet()
    jobs = [item["status"]["S"] for (_, sk), item in world.cloud.table.items.items() if sk.startswith("JOB#")]
    assert scenario.ends is None or tuple(jobs) == scenario.ends, jobs
    assert point is None or any(met == point for sandbox in world.sandboxes for met, _ in sandbox.faults), f"{point} was not reached"
    return world
