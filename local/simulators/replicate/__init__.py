"""A simulated Replicate: the HTTP API, drawn files, signed webhooks, and faults on request."""

from local.simulators.replicate.server import SimulatedReplicate

__all__ = ["SimulatedReplicate"]
