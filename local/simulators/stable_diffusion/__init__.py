"""A simulated Stable Diffusion WebUI: the API, output images, and injected faults."""

from local.simulators.stable_diffusion.server import SimulatedStableDiffusion

__all__ = ["SimulatedStableDiffusion"]
