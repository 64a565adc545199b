"""Counts what the simulations did, for the report at the end of a test run."""

from __future__ import annotations

from collections import Counter

from tests.simulation.calls import FaultKind
from tests.simulation.environment import Environment


class RunStatistics(Counter[str]):
    """Counts by name. The counts of several runs add up."""

    def add_environment(self, environment: Environment, ends: Counter[str]) -> None:
        """Add the counts of an environment whose run is over."""
        self["schedules"] += 1
        self["invocations"] += len(environment.invocations)
        self["calls"] += sum(len(invocation.calls) for invocation in environment.invocations)
        for invocation in environment.invocations:
            for _, fault in invocation.faults:
                self[_NAMES[fault.kind]] += 1
            self["crashes"] += isinstance(invocation.error, TimeoutError)
            checks = [call.name for call in invocation.calls if call.name.startswith(_CHECK)]
            self["checks of accounts and models"] += len(checks)
        self["predictions"] += len(environment.replicate.predictions)
        self["webhooks lost"] += environment.lost_webhooks
        for status, count in ends.items():
            self[f"jobs {status}"] += count

    def summary(self) -> str:
        """Return the counts in one line."""
        return ", ".join(f"{count:,} {name}" for name, count in self.items())


_CHECK = ("provider GET account", "provider GET models/")
_NAMES = {
    FaultKind.KILL: "crashes",
    FaultKind.ERROR: "conflicts and errors of AWS",
    FaultKind.PAUSE: "pauses",
    FaultKind.REPEAT: "calls repeated by the client",
}
