"""A model as the API knows it: its name, its versions, the inputs that it takes, the files that it makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.simulators.replicate.validation import Schema

type Inputs = Mapping[str, Any]

PIXELS_BY_ASPECT_RATIO = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "21:9": (1536, 640),
    "3:2": (1216, 832),
    "2:3": (832, 1216),
    "4:5": (896, 1088),
    "5:4": (1088, 896),
    "4:3": (1152, 896),
    "3:4": (896, 1152),
    "9:16": (768, 1344),
    "9:21": (640, 1536),
    "2:1": (1408, 704),
    "1:2": (704, 1408),
    "16:10": (1280, 800),
    "10:16": (800, 1280),
    "3:1": (1536, 512),
    "1:3": (512, 1536),
}
LINES_BY_RESOLUTION = {"480p": 480, "512p": 512, "720p": 720, "768p": 768, "1080p": 1080}


@dataclass(frozen=True)
class Refusal:
    """What a model takes and then fails over: a test of its inputs, defaults included, and the error that it ends with."""

    applies: Callable[[Inputs], bool]
    error: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """`version` is 64 hexadecimal digits. Only an official model may be called without it."""

    owner: str
    name: str
    version: str
    description: str
    official: bool
    output: Literal["uri", "uri[]"]
    inputs: Mapping[str, Schema]
    required: tuple[str, ...] = ()
    makes: Literal["picture", "enlargement", "cutout", "film"] = "picture"
    refuses: tuple[Refusal, ...] = ()

    @property
    def full_name(self) -> str:
        """Owner and name, as one."""
        return f"{self.owner}/{self.name}"

    @property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema of the inputs. Unknown inputs pass it: the real API ignores them silently."""
        return {"title": "Input", "type": "object", "required": list(self.required), "properties": dict(self.inputs)}

    def with_defaults(self, given: Inputs) -> dict[str, Any]:
        """Return what the model works with when it is given these inputs."""
        defaults = {name: schema["default"] for name, schema in self.inputs.items() if "default" in schema}
        # JSON Schema takes 2.0 for an integer, and Python's range does not.
        integers = {name: int(value) for name, value in given.items() if self.inputs.get(name, {}).get("type") == "integer"}
        return {**defaults, **given, **integers}


def source_urls(model: Model, inputs: Inputs) -> list[str]:
    """Return the URLs of the files that a model is given, in the order in which it names its inputs."""
    found: list[str] = []
    for name, schema in model.inputs.items():
        if name in inputs and "uri" in (schema.get("format"), schema.get("items", {}).get("format")):
            found += inputs[name] if isinstance(inputs[name], list) else [inputs[name]]
    return found


def size_in_pixels(inputs: Inputs) -> tuple[int, int]:
    """Return width and height of each picture that a model makes from these inputs, defaults included.

    A film of so many lines has them along its shorter side.
    """
    ratio = inputs.get("aspect_ratio", "custom")
    if lines := LINES_BY_RESOLUTION.get(inputs.get("resolution", "")):
        across, down = (int(part) for part in (ratio if ":" in ratio else "16:9").split(":"))
        shorter = min(across, down)
        return 2 * round(lines * across / shorter / 2), 2 * round(lines * down / shorter / 2)
    if ratio not in PIXELS_BY_ASPECT_RATIO:
        return inputs.get("width", 1024), inputs.get("height", 1024)
    width, height = PIXELS_BY_ASPECT_RATIO[ratio]
    return (width // 2, height // 2) if inputs.get("megapixels") == "0.25" else (width, height)


def model_document(model: Model, base_url: str) -> dict[str, Any]:
    """Return the answer of `GET /v1/models/{owner}/{name}`."""
    return {
        "url": f"{base_url}/{model.full_name}",
        "owner": model.owner,
        "name": model.name,
        "description": model.description,
        "visibility": "public",
        "is_official": model.official,
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "run_count": 0,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": version_document(model),
    }


def version_document(model: Model) -> dict[str, Any]:
    """Return the answer of `GET /v1/models/{owner}/{name}/versions/{id}` for the one version that a model has here."""
    return {
        "id": model.version,
        "created_at": "2024-08-01T00:00:00.000000Z",
        "cog_version": "0.9.20",
        "openapi_schema": _openapi_schema(model),
    }


def _openapi_schema(model: Model) -> dict[str, Any]:
    """Make each enumeration a schema of its own that its input refers to, as Cog writes it."""
    properties: dict[str, Any] = {}
    enumerations: dict[str, Any] = {}
    for order, (name, schema) in enumerate(model.inputs.items()):
        if "enum" in schema:
            enumerations[name] = {"title": name, "type": schema["type"], "enum": schema["enum"]}
            rest = {key: value for key, value in schema.items() if key not in {"type", "enum"}}
            properties[name] = {"allOf": [{"$ref": f"#/components/schemas/{name}"}], **rest, "x-order": order}
        else:
            properties[name] = {"title": name, **schema, "x-order": order}
    uri = {"type": "string", "format": "uri"}
    output = uri if model.output == "uri" else {"type": "array", "items": uri}
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": {},
        "components": {
            "schemas": {
                "Input": {**model.input_schema, "properties": properties},
                "Output": {"title": "Output", **output},
                **enumerations,
            }
        },
    }
