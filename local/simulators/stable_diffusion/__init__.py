"""A simulated Stable Diffusion WebUI: its API, real images, one run after the other, and faults on request."""

from local.simulators.stable_diffusion.server import SimulatedStableDiffusion

__all__ = ["SimulatedStableDiffusion"]
