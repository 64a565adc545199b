"""A simulated Runway: the developer API, real video files, and faults on request."""

from local.simulators.runway.server import SimulatedRunway

__all__ = ["SimulatedRunway"]
