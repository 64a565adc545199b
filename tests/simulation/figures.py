"""What the simulations did, counted, so that a run can say it."""

from __future__ import annotations

from collections import Counter

from tests.simulation.calls import Kind
from tests.simulation.environment import Environment


class Figures(Counter[str]):
    """Counts by name. Those of several runs add up."""

    def add_environment(self, environment: Environment, ends: Counter[str]) -> None:
        """Count what happened in an environment that is over."""
        self["schedules"] += 1
        self["invocations"] += len(environment.invocations)
        self["calls"] += sum(len(invocation.calls) for invocation in environment.invocations)
        for invocation in environment.invocations:
            for _, fault in invocation.faults:
                self[_NAMES[fault.kind]] += 1
            self["crashes"] += isinstance(invocation.error, TimeoutError)
        self["predictions"] += len(environment.replicate.predictions)
        self["webhooks lost"] += environment.lost_webhooks
        for status, count in ends.items():
            self[f"jobs {status}"] += count

    def run_scenario(self) -> str:
        """Say them in one line."""
        return ", ".join(f"{count:,} {name}" for name, count in self.items())


_NAMES = {
    Kind.KILL: "crashes",
    Kind.ERROR: "conflicts and errors of AWS",
    Kind.PAUSE: "pauses",
    Kind.REPEAT: "calls repeated by the client",
}
