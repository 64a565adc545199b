"""A simulated Stable Diffusion WebUI: its API, drawn images, faults on request."""

from local.simulators.stable_diffusion.server import SimulatedStableDiffusion

__all__ = ["SimulatedStableDiffusion"]
