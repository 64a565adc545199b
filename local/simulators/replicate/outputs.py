"""The output files of a prediction that succeeds."""

from typing import Any, cast

from local.simulators.common.videos import OutputVideo
from local.simulators.replicate.images import OutputImage
from local.simulators.replicate.model import Inputs, Model, size_in_pixels

type Output = OutputImage | OutputVideo

_FRAMES_PER_SECOND = 24


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
            format=cast("Any", inputs.get("output_format", inputs.get("format", "png"))),
            quality=inputs.get("output_quality", 80),
            makes=model.makes,
            scale=inputs.get("scale", 1),
            **common,
        )
        for index in range(inputs.get("num_outputs", 1))
    )
