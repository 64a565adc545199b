"""A simulated Replicate: the HTTP API, output files, signed webhooks, and injected faults."""

from local.simulators.replicate.server import SimulatedReplicate

__all__ = ["SimulatedReplicate"]
