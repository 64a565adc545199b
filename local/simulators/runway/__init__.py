"""A simulated Runway: the developer API, real video files, and injected faults."""

from local.simulators.runway.server import SimulatedRunway

__all__ = ["SimulatedRunway"]
