"""Runs a scenario with one fault at one of its calls, and finds the calls at which there may be one."""

from __future__ import annotations

from tests.simulation.calls import Call, Fault
from tests.simulation.environment import Environment
from tests.simulation.promises import Promises
from tests.simulation.scenarios import Scenario

_IDLE = "recover_jobs"


def fault_points(scenario: Scenario) -> list[Call]:
    """Give every call that is made when there is no fault. Recoveries that do the same as one before are looked at once."""
    environment = run_scenario(scenario)
    points: list[Call] = []
    known = set[tuple[str, ...]]()
    for invocation in environment.invocations:
        names = tuple(call.name for call in invocation.calls)
        if invocation.function != _IDLE or names not in known:
            points += invocation.calls
        known.add(names)
    return points


def run_scenario(
    scenario: Scenario,
    point: Call | None = None,
    fault: Fault | None = None,
    *,
    overtaken: bool = False,
) -> Environment:
    """Run a scenario with a fault at one of its calls, and check the promises after each event.

    With `overtaken` whoever is held up at its call is overtaken by a second invocation with the same event.
    """
    environment = Environment(fault_at=lambda call: fault if call == point else None)
    if overtaken:
        environment.overtake = lambda invocation: environment.invoke(
            invocation.function, invocation.event
        )
    promises = Promises(environment)
    environment.event_queue.watch = lambda: promises.check(in_time=True)
    with environment.activated(**scenario.variables):
        scenario.tell(environment)
        promises.check_quiet()
    jobs = [
        item["status"]["S"]
        for (_, sk), item in environment.cloud.table.items.items()
        if sk.startswith("JOB#")
    ]
    assert scenario.ends is None or tuple(jobs) == scenario.ends, jobs
    assert point is None or any(
        met == point for invocation in environment.invocations for met, _ in invocation.faults
    ), f"{point} was not reached"
    return environment
