"""The models that make films, with the inputs of the real ones. Each gives one H.264 film."""

from typing import Any

from local.simulators.replicate.inputs import choice, flag, integer, number, numbers, simulated_version, text, uri, uris
from local.simulators.replicate.models import Inputs, Model, Refusal
from local.simulators.replicate.validation import Schema

_WAN: dict[str, Schema] = {
    "num_frames": integer(81, minimum=81, maximum=121),
    "resolution": choice("480p", "720p"),
    "frames_per_second": integer(16, minimum=5, maximum=30),
    "go_fast": flag(default=True),
    "sample_shift": number(12, minimum=1, maximum=20),
    "disable_safety_checker": flag(default=False),
    "lora_weights_transformer": text(),
    "lora_scale_transformer": number(1),
    "seed": integer(),
}
_VEO: dict[str, Schema] = {
    "prompt": text(),
    "aspect_ratio": choice("16:9", "9:16"),
    "duration": numbers(8, 4, 6),
    "image": uri(),
    "last_frame": uri(),
    "negative_prompt": text(),
    "resolution": choice("1080p", "720p"),
    "generate_audio": flag(default=True),
    "seed": integer(),
}


def _film(full_name: str, description: str, inputs: dict[str, Schema], required: tuple[str, ...] = ("prompt",), **more: Any) -> Model:  # noqa: ANN401
    owner, name = full_name.split("/")
    return Model(
        owner=owner,
        name=name,
        version=simulated_version(full_name),
        description=description,
        official=True,
        output="uri",
        makes="film",
        required=required,
        inputs=inputs,
        **more,
    )


def _ten_seconds_elsewhere(inputs: Inputs) -> bool:
    return bool(inputs["duration"] == 10 and inputs["resolution"] != "768p")  # noqa: PLR2004


def _references_elsewhere(inputs: Inputs) -> bool:
    return "reference_images" in inputs and (inputs["aspect_ratio"], inputs["duration"]) != ("16:9", 8)


FILM_MODELS = (
    _film(
        "minimax/hailuo-02",
        "Text and image to video of 6 or 10 seconds",
        {
            "prompt": text(),
            "duration": numbers(6, 10),
            "resolution": choice("1080p", "768p", "512p"),
            "first_frame_image": uri(),
            "last_frame_image": uri(),
            "prompt_optimizer": flag(default=True),
        },
        refuses=(Refusal(_ten_seconds_elsewhere, "10 seconds are only available at 768p"),),
    ),
    _film(
        "wan-video/wan-2.2-t2v-fast",
        "A fast and cheap text to video model",
        {
            "prompt": text(),
            "aspect_ratio": choice("16:9", "9:16"),
            **_WAN,
            "interpolate_output": flag(default=True),
            "optimize_prompt": flag(default=False),
        },
    ),
    _film(
        "wan-video/wan-2.2-i2v-fast",
        "A fast and cheap image to video model",
        {"prompt": text(), "image": uri(), "last_image": uri(), **_WAN, "interpolate_output": flag(default=False)},
        required=("prompt", "image"),
    ),
    _film("google/veo-3.1-fast", "Video with sound, quicker", _VEO),
    _film(
        "google/veo-3.1",
        "Video with sound, and with reference images",
        {**_VEO, "reference_images": uris(minItems=1, maxItems=3)},
        refuses=(Refusal(_references_elsewhere, "reference_images are only supported with 16:9 and 8 seconds"),),
    ),
    _film(
        "kwaivgi/kling-v2.1",
        "Image to video of 5 or 10 seconds",
        {
            "prompt": text(),
            "start_image": uri(),
            "end_image": uri(),
            "mode": choice("standard", "pro"),
            "duration": numbers(5, 10),
            "negative_prompt": text(""),
        },
        refuses=(
            Refusal(lambda inputs: "start_image" not in inputs, "start_image is required"),
            Refusal(lambda inputs: "end_image" in inputs and inputs["mode"] != "pro", "end_image is only supported in mode pro"),
        ),
    ),
    _film(
        "bytedance/seedance-1-lite",
        "Text and image to video of 2 to 12 seconds",
        {
            "prompt": text(),
            "image": uri(),
            "last_frame_image": uri(),
            "reference_images": uris(minItems=1, maxItems=4),
            "duration": integer(5, minimum=2, maximum=12),
            "resolution": choice("720p", "480p", "1080p"),
            "aspect_ratio": choice("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "9:21"),
            "fps": numbers(24),
            "camera_fixed": flag(default=False),
            "seed": integer(),
        },
        refuses=(
            Refusal(
                lambda inputs: "reference_images" in inputs and (inputs["resolution"] == "1080p" or "image" in inputs or "last_frame_image" in inputs),
                "reference_images are not supported with 1080p, a first or a last frame",
            ),
        ),
    ),
)
