"""A simulated Replicate: the real HTTP API, real images, signed webhooks, and faults on request."""

from local.simulators.replicate.server import SimulatedReplicate

__all__ = ["SimulatedReplicate"]
