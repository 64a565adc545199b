"""The output files of a prediction that succeeds."""

from typing import Any, cast

from local.simulators.common.videos import OutputVideo
from local.simulators.replicate.images import Format, OutputImage
from local.simulators.replicate.model import Inputs, Model
from local.simulators.replicate.output_size import matches_source, size_in_pixels

type Output = OutputImage | OutputVideo

_FRAMES_PER_SECOND = 24
_COUNTERS = ("num_outputs", "number_of_images", "num_images")


def outputs_of(model: Model, inputs: Inputs, seed: int) -> tuple[Output, ...]:
    """Return the output files, without their input images. `inputs` must include the defaults."""
    width, height = size_in_pixels(inputs)
    common: dict[str, Any] = {
        "prompt": inputs.get("prompt") or inputs.get("garment_des", ""),
        "seed": seed,
        "width": width,
        "height": height,
    }
    if model.makes == "video":
        rate = inputs.get("frames_per_second") or inputs.get("fps") or _FRAMES_PER_SECOND
        seconds = inputs["num_frames"] / rate if "num_frames" in inputs else inputs["duration"]
        return (OutputVideo(index=0, seconds=seconds, frames_per_second=rate, **common),)
    return tuple(
        OutputImage(
            index=index,
            format=_format(model, inputs),
            quality=inputs.get("output_quality", inputs.get("output_compression", 80)),
            makes=model.makes,
            scale=_scale(inputs),
            matches_source=matches_source(inputs),
            **common,
        )
        for index in range(_count(inputs))
    )


def _format(model: Model, inputs: Inputs) -> Format:
    name = inputs.get("output_format", inputs.get("format", model.file_format))
    return cast("Format", "jpg" if name == "jpeg" else name)


def _count(inputs: Inputs) -> int:
    return next((int(inputs[name]) for name in _COUNTERS if name in inputs), 1)


def _scale(inputs: Inputs) -> float:
    factor = inputs.get("scale", inputs.get("upscale_factor", 1))
    return 1 if factor == "None" else float(str(factor).removesuffix("x"))
