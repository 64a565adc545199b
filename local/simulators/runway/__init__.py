"""A simulated Runway: the developer API, real videos, and faults on request."""

from local.simulators.runway.server import SimulatedRunway

__all__ = ["SimulatedRunway"]
