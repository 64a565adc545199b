"""The kinds of servers that offer the WebUI's API, and how they differ.

Sources: AUTOMATIC1111/stable-diffusion-webui (modules/sd_samplers.py, modules/api/api.py),
lllyasviel/stable-diffusion-webui-forge (the same modules), vladmandic/sdnext
(modules/api/helpers.py, modules/sd_samplers_diffusers.py, modules/images_resize.py),
leejet/stable-diffusion.cpp (examples/server/routes_sdapi.cpp) and LostRuins/koboldcpp
(otherarch/sdcpp/sdtype_adapter.cpp).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any


class Resize(StrEnum):
    """How a server fits the initial image to the requested size."""

    NONE = auto()
    STRETCH = auto()
    CROP = auto()
    FILL = auto()


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of server.

    `sampler_aliases` maps further accepted names, in lower case, to a sampler. `unknown_sampler` is
    the sampler that replaces an unknown one; if None, the server refuses an unknown sampler with
    404. `splits_names` tells whether the server takes a schedule from the end of a sampler's name.
    `schedulers` is None if the server has no such list. `resizes` has the meaning of `resize_mode`,
    `has_task_ids` tells whether a request may name its run. `counts_n_iter` tells whether the
    server makes `n_iter` images, and not `batch_size` only. `reads_extra_arguments` tells whether
    a prompt may set members of the request. `fails_with_200` tells whether a failed run responds
    with status 200 and an empty image.
    """

    samplers: tuple[str, ...]
    sampler_aliases: Mapping[str, str] = field(default_factory=dict)
    unknown_sampler: str | None = None
    splits_names: bool = False
    schedulers: tuple[str, ...] | None = None
    resizes: tuple[Resize, ...]
    has_progress: bool = True
    has_task_ids: bool = False
    counts_n_iter: bool = True
    reads_extra_arguments: bool = False
    fails_with_200: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def sampler_and_schedule(
        self, name: str, schedule: str | None
    ) -> tuple[str, str | None] | None:
        """Return the sampler and the schedule that the server uses, or None if it refuses both."""
        if self.splits_names:
            for known in self.schedulers or ():
                if name.lower().endswith(f" {known}"):
                    name, schedule = name[: -len(known) - 1], schedule or known
        if self.schedulers is None or (schedule or "").lower() not in self.schedulers:
            schedule = None
        if name in self.samplers:
            return name, schedule
        found = self.sampler_aliases.get(name.lower(), self.unknown_sampler)
        return None if found is None else (found, schedule)

    def resize(self, mode: int) -> Resize:
        """Return how the server fits the initial image for a `resize_mode`."""
        return self.resizes[mode] if mode < len(self.resizes) else self.resizes[0]


_SAMPLERS = (
    "DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 3M SDE", "Euler a", "Euler", "LMS", "Heun",
    "DPM2", "DDIM", "PLMS", "UniPC", "LCM",
)  # fmt: skip
# Before version 1.9, the name of a sampler included its schedule.
_JOINED = ("DPM++ 2M Karras", "DPM++ SDE Karras", "DPM++ 2M SDE Karras")
_SD_NEXT_SAMPLERS = (
    "UniPC", "DDIM", "Euler", "Euler a", "DPM++", "DPM++ 2M", "DPM++ 3M", "DPM++ 1S", "DPM++ SDE",
    "DPM++ 2M SDE", "DPM SDE", "Heun", "LMSD", "LCM",
)  # fmt: skip
_CPP_SAMPLERS = (
    "default", "euler", "euler_a", "heun", "dpm2", "dpm++2m", "lcm", "ddim_trailing", "dpm++2m_sde",
)  # fmt: skip
_CPP_ALIASES = {
    "euler a": "euler_a", "euler": "euler", "heun": "heun", "dpm2": "dpm2", "lcm": "lcm",
    "dpm++ 2m": "dpm++2m", "dpm++ 2m sde": "dpm++2m_sde", "ddim": "ddim_trailing",
}  # fmt: skip
_WEBUI_RESIZES = (Resize.STRETCH, Resize.CROP, Resize.FILL)
_WEBUI_OPTIONS = {
    "samples_format": "png",
    "sd_model_checkpoint": "v1-5-pruned-emaonly.safetensors [6ce0161689]",
    "api_enable_requests": True,
}

KINDS: Mapping[str, Kind] = {
    "forge": Kind(
        samplers=_SAMPLERS,
        unknown_sampler=_SAMPLERS[0],
        splits_names=True,
        schedulers=("automatic", "uniform", "karras", "exponential", "sgm_uniform", "simple"),
        resizes=_WEBUI_RESIZES,
        has_task_ids=True,
        options=_WEBUI_OPTIONS,
    ),
    "automatic1111-1.8": Kind(
        samplers=(*_SAMPLERS, *_JOINED),
        resizes=_WEBUI_RESIZES,
        options=_WEBUI_OPTIONS,
    ),
    "sdnext": Kind(
        samplers=_SD_NEXT_SAMPLERS,
        resizes=(Resize.NONE, Resize.STRETCH, Resize.CROP, Resize.FILL),
        options={**_WEBUI_OPTIONS, "diffusers_offload_mode": "balanced"},
    ),
    "stable-diffusion.cpp": Kind(
        samplers=_CPP_SAMPLERS,
        sampler_aliases=_CPP_ALIASES,
        unknown_sampler="default",
        schedulers=("default", "discrete", "normal", "karras", "exponential", "sgm_uniform"),
        resizes=(Resize.CROP,),
        has_progress=False,
        counts_n_iter=False,
        reads_extra_arguments=True,
        options={"samples_format": "png", "sd_model_checkpoint": "v1-5-pruned-emaonly"},
    ),
    "koboldcpp": Kind(
        samplers=("Euler", "Euler a", "Heun", "DPM2", "LCM", "DDIM", "DPM++ 2M"),
        sampler_aliases={"dpm++ 2m karras": "DPM++ 2M"},
        unknown_sampler="Euler a",
        resizes=(Resize.STRETCH,),
        has_progress=False,
        counts_n_iter=False,
        fails_with_200=True,
        options={"samples_format": "png", "sd_model_checkpoint": "model"},
    ),
}
