"""The input of a run: the supported members of the WebUI's requests.

Source: modules/processing.py of the WebUI.
"""

import base64
import binascii
from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from typing import Any

from jsonschema import Draft202012Validator
from PIL import Image

from local.simulators.stable_diffusion.problems import invalid, refused

# Before version 1.9, the name of a sampler included its schedule. The WebUI still accepts those
# names (modules/sd_samplers.py).
SAMPLERS = (
    "DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 3M SDE", "Euler a", "Euler", "LMS", "Heun",
    "DPM2", "DDIM", "PLMS", "UniPC", "LCM",
    "DPM++ 2M Karras", "DPM++ SDE Karras", "DPM++ 2M SDE Karras",
)  # fmt: skip
_SIDE = {"type": "integer", "minimum": 1}
_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string", "default": ""},
        "negative_prompt": {"type": "string", "default": ""},
        "seed": {"type": "integer", "default": -1},
        "sampler_name": {"type": ["string", "null"], "default": "Euler"},
        "batch_size": {"type": "integer", "default": 1},
        "n_iter": {"type": "integer", "default": 1},
        "steps": {"type": "integer", "default": 50},
        "cfg_scale": {"type": "number", "default": 7.0},
        "width": {**_SIDE, "default": 512},
        "height": {**_SIDE, "default": 512},
        "denoising_strength": {"type": "number", "default": 0.75},
        "send_images": {"type": "boolean", "default": True},
        "save_images": {"type": "boolean", "default": False},
        "init_images": {"type": ["array", "null"], "items": {"type": "string"}, "default": None},
    },
}


def parse_run_input(body: object) -> dict[str, Any]:
    """Return the members of a body with their defaults. Ignore unknown members, as the WebUI does.

    Raises a Problem if a member is invalid.
    """
    issues = [
        (".".join(map(str, error.absolute_path)) or "__root__", error.message, "type_error")
        for error in Draft202012Validator(_SCHEMA).iter_errors(body)
    ]
    if issues or not isinstance(body, dict):
        raise invalid(issues)
    run_input = {
        name: body.get(name, schema.get("default"))
        for name, schema in _SCHEMA["properties"].items()
    }
    if run_input["sampler_name"] not in SAMPLERS:
        raise refused(HTTPStatus.NOT_FOUND, "Sampler not found")
    return run_input


def init_image(run_input: Mapping[str, Any]) -> bytes:
    """Return the initial image of a run. Raises a Problem if it is missing or invalid."""
    if not run_input["init_images"]:
        raise refused(HTTPStatus.NOT_FOUND, "Init image not found")
    encoded: str = run_input["init_images"][0]
    if encoded.startswith("data:image/"):
        encoded = encoded.split(";")[1].split(",")[1]
    try:
        body = base64.b64decode(encoded)
        with Image.open(BytesIO(body)) as image:
            image.load()
    except (binascii.Error, OSError, ValueError) as error:
        raise refused(HTTPStatus.INTERNAL_SERVER_ERROR, "Invalid encoded image") from error
    return body
