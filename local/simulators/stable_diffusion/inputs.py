"""The input of a run: the supported members of the WebUI's requests.

Source: modules/processing.py of the WebUI.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from typing import Any

from jsonschema import Draft202012Validator
from PIL import Image

from local.simulators.stable_diffusion.kinds import Kind
from local.simulators.stable_diffusion.problems import invalid, refused

_SIDE = {"type": "integer", "minimum": 1}
_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string", "default": ""},
        "negative_prompt": {"type": "string", "default": ""},
        "seed": {"type": "integer", "default": -1},
        "sampler_name": {"type": ["string", "null"], "default": "Euler"},
        "scheduler": {"type": ["string", "null"], "default": None},
        "batch_size": {"type": "integer", "default": 1},
        "n_iter": {"type": "integer", "default": 1},
        "steps": {"type": "integer", "default": 50},
        "cfg_scale": {"type": "number", "default": 7.0},
        "width": {**_SIDE, "default": 512},
        "height": {**_SIDE, "default": 512},
        "denoising_strength": {"type": "number", "default": 0.75},
        "resize_mode": {"type": "integer", "default": 0},
        "force_task_id": {"type": ["string", "null"], "default": None},
        "send_images": {"type": "boolean", "default": True},
        "save_images": {"type": "boolean", "default": False},
        "init_images": {"type": ["array", "null"], "items": {"type": "string"}, "default": None},
    },
}


def parse_run_input(body: object, kind: Kind) -> dict[str, Any]:
    """Return the members of a body with their defaults. Ignore unknown members, as the WebUI does.

    The sampler and the schedule are those that this kind of server uses. Raises a Problem if a
    member is invalid.
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
    used = kind.sampler_and_schedule(run_input["sampler_name"], run_input["scheduler"])
    if used is None:
        raise refused(HTTPStatus.NOT_FOUND, "Sampler not found")
    run_input["sampler_name"], run_input["scheduler"] = used
    if kind.reads_extra_arguments:
        run_input |= _extra_arguments(run_input["prompt"])
    return run_input if kind.counts_n_iter else run_input | {"n_iter": 1}


def _extra_arguments(prompt: str) -> dict[str, Any]:
    """Return the members that a prompt sets, as stable-diffusion.cpp reads them."""
    found = re.search("<sd_cpp_extra_args>(.*?)</sd_cpp_extra_args>", prompt)
    if found is None:
        return {}
    arguments = json.loads(found[1])
    names = {"width": "width", "height": "height", "batch_count": "batch_size"}
    return {name: arguments[key] for key, name in names.items() if key in arguments}


def init_image(run_input: Mapping[str, Any]) -> bytes:
    """Return the initial image of a run. Raises a Problem if it is missing or invalid."""
    if not run_input["init_images"]:
        raise refused(HTTPStatus.NOT_FOUND, "Init image not found")
    encoded: str = run_input["init_images"][0]
    if encoded.startswith(("http://", "https://")):
        # A WebUI fetches the link itself, inside the operator's network. The simulator does not.
        raise refused(HTTPStatus.INTERNAL_SERVER_ERROR, "Request to local resource not allowed")
    if encoded.startswith("data:image/"):
        encoded = encoded.split(";")[1].split(",")[1]
    try:
        body = base64.b64decode(encoded)
        with Image.open(BytesIO(body)) as image:
            image.load()
    except (binascii.Error, OSError, ValueError) as error:
        raise refused(HTTPStatus.INTERNAL_SERVER_ERROR, "Invalid encoded image") from error
    return body
