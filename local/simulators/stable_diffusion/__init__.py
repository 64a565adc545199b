"""A simulated Stable Diffusion WebUI: its API, drawn images, one run at a time, faults on request."""

from local.simulators.stable_diffusion.server import SimulatedStableDiffusion

__all__ = ["SimulatedStableDiffusion"]
