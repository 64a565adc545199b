"""What the simulations did, counted, so that a run can say it."""

from __future__ import annotations

from collections import Counter

from tests.simulation.calls import Kind
from tests.simulation.world import World


class Figures(Counter[str]):
    """Counts by name. Those of several runs add up."""

    def add_world(self, world: World, ends: Counter[str]) -> None:
        """Count what happened in a world that is over."""
        self["schedules"] += 1
        self["invocations"] += len(world.sandboxes)
        self["calls"] += sum(len(sandbox.calls) for sandbox in world.sandboxes)
        for sandbox in world.sandboxes:
            for _, fault in sandbox.faults:
                self[_NAMES[fault.kind]] += 1
            self["crashes"] += isinstance(sandbox.error, TimeoutError)
        self["predictions"] += len(world.replicate.predictions)
        self["webhooks lost"] += world.lost_webhooks
        for status, count in ends.items():
            self[f"jobs {status}"] += count

    def told(self) -> str:
        """Say them in one line."""
        return ", ".join(f"{count:,} {name}" for name, count in self.items())


_NAMES = {Kind.KILL: "crashes", Kind.ERROR: "conflicts and errors of AWS", Kind.PAUSE: "pauses", Kind.REPEAT: "calls repeated by the client"}
