"""The models that can be called here, with the inputs of the real ones. A new model is a new entry."""

import hashlib
from typing import Any

from local.replicate.models import PIXELS_BY_ASPECT_RATIO, Model
from local.replicate.validation import Schema


def _text(default: str | None = None) -> Schema:
    return {"type": "string"} if default is None else {"type": "string", "default": default}


def _uri() -> Schema:
    return {"type": "string", "format": "uri"}


def _flag(*, default: bool) -> Schema:
    return {"type": "boolean", "default": default}


def _integer(default: int | None = None, **limits: int) -> Schema:
    schema: dict[str, Any] = {"type": "integer", **limits}
    return schema if default is None else {**schema, "default": default}


def _number(default: float, **limits: float) -> Schema:
    return {"type": "number", "default": default, **limits}


def _choice(default: str, *others: str) -> Schema:
    return {"type": "string", "enum": [default, *others], "default": default}


def _simulated_version(full_name: str) -> str:
    """Return a version id of the real form, for an official model, whose real id nobody needs to name."""
    return hashlib.sha256(full_name.encode()).hexdigest()


_ASPECT_RATIOS = tuple(PIXELS_BY_ASPECT_RATIO)

MODELS = (
    Model(
        owner="black-forest-labs",
        name="flux-schnell",
        version=_simulated_version("black-forest-labs/flux-schnell"),
        description="The fastest image generation model tailored for local development and personal use",
        official=True,
        output="uri[]",
        required=("prompt",),
        inputs={
            "prompt": _text(),
            "aspect_ratio": _choice(*_ASPECT_RATIOS),
            "num_outputs": _integer(1, minimum=1, maximum=4),
            "num_inference_steps": _integer(4, minimum=1, maximum=4),
            "seed": _integer(),
            "output_format": _choice("webp", "jpg", "png"),
            "output_quality": _integer(80, minimum=0, maximum=100),
            "disable_safety_checker": _flag(default=False),
            "go_fast": _flag(default=True),
            "megapixels": _choice("1", "0.25"),
        },
    ),
    Model(
        owner="black-forest-labs",
        name="flux-1.1-pro",
        version=_simulated_version("black-forest-labs/flux-1.1-pro"),
        description="Faster, better FLUX Pro: image quality, prompt adherence, and output diversity",
        official=True,
        output="uri",
        required=("prompt",),
        inputs={
            "prompt": _text(),
            "image_prompt": _uri(),
            "aspect_ratio": _choice(*_ASPECT_RATIOS, "custom"),
            "width": _integer(minimum=256, maximum=1440, multipleOf=32),
            "height": _integer(minimum=256, maximum=1440, multipleOf=32),
            "safety_tolerance": _integer(2, minimum=1, maximum=6),
            "prompt_upsampling": _flag(default=False),
            "seed": _integer(),
            "output_format": _choice("webp", "jpg", "png"),
            "output_quality": _integer(80, minimum=0, maximum=100),
        },
    ),
    Model(
        owner="stability-ai",
        name="sdxl",
        version="7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc",
        description="A text-to-image generative AI model that creates beautiful images",
        official=False,
        output="uri[]",
        inputs={
            "prompt": _text("An astronaut riding a rainbow unicorn"),
            "negative_prompt": _text(""),
            "image": _uri(),
            "mask": _uri(),
            "width": _integer(1024, minimum=64, maximum=2048),
            "height": _integer(1024, minimum=64, maximum=2048),
            "num_outputs": _integer(1, minimum=1, maximum=4),
            "scheduler": _choice(
                "K_EULER",
                "DDIM",
                "DPMSolverMultistep",
                "HeunDiscrete",
                "KarrasDPM",
                "K_EULER_ANCESTRAL",
                "PNDM",
            ),
            "num_inference_steps": _integer(50, minimum=1, maximum=500),
            "guidance_scale": _number(7.5, minimum=1, maximum=50),
            "prompt_strength": _number(0.8, minimum=0, maximum=1),
            "seed": _integer(),
            "refine": _choice("no_refiner", "expert_ensemble_refiner", "base_image_refiner"),
            "high_noise_frac": _number(0.8, minimum=0, maximum=1),
            "refine_steps": _integer(),
            "apply_watermark": _flag(default=True),
            "lora_scale": _number(0.6, minimum=0, maximum=1),
            "disable_safety_checker": _flag(default=False),
        },
    ),
)

_BY_NAME = {model.full_name: model for model in MODELS}
_BY_VERSION = {model.version: model for model in MODELS}


def find_by_name(full_name: str) -> Model | None:
    """Return the model `owner/name`."""
    return _BY_NAME.get(full_name)


def find_by_version(version: str) -> Model | None:
    """Return the model meant by `owner/name` (official models only), `owner/name:<id>` or `<id>`."""
    full_name, colon, version_id = version.rpartition(":")
    if colon:
        model = _BY_VERSION.get(version_id)
        return model if model and model.full_name == full_name else None
    model = _BY_NAME.get(version)
    if model is not None:
        return model if model.official else None
    return _BY_VERSION.get(version)
