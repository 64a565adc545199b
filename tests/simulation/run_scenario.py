"""Runs a scenario with one fault at one call, and finds the calls at which a fault is possible."""

from __future__ import annotations

from tests.simulation.calls import Call, Fault
from tests.simulation.environment import Environment
from tests.simulation.promises import Promises
from tests.simulation.scenarios import Scenario

_RECOVERY = "recover_jobs"


def fault_points(scenario: Scenario) -> list[Call]:
    """Return every call of a run without faults.

    If several recoveries make the same calls, only those of the first are returned.
    """
    environment = run_scenario(scenario)
    points: list[Call] = []
    seen = set[tuple[str, ...]]()
    for invocation in environment.invocations:
        names = tuple(call.name for call in invocation.calls)
        if invocation.function != _RECOVERY or names not in seen:
            points += invocation.calls
        seen.add(names)
    return points


def run_scenario(
    scenario: Scenario,
    point: Call | None = None,
    fault: Fault | None = None,
    *,
    overtaken: bool = False,
) -> Environment:
    """Run a scenario with a fault at one call, and check the promises after each event.

    With `overtaken`, a second invocation with the same event runs while the first is paused at the
    call.
    """
    environment = Environment(fault_at=lambda call: fault if call == point else None)
    if overtaken:
        environment.overtake = lambda invocation: environment.invoke(
            invocation.function, invocation.event
        )
    promises = Promises(environment)
    environment.event_queue.after_each_event = lambda: promises.check(in_time=True)
    with environment.activated(**scenario.variables):
        scenario.run(environment)
        promises.check_quiet()
    jobs = [
        item["status"]["S"]
        for (_, sk), item in environment.cloud.table.items.items()
        if sk.startswith("JOB#")
    ]
    assert scenario.expected_statuses is None or tuple(jobs) == scenario.expected_statuses, jobs
    assert point is None or any(
        met == point for invocation in environment.invocations for met, _ in invocation.faults
    ), f"{point} was not reached"
    return environment
