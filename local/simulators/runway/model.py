"""The models that make videos, with the inputs of Runway's models.

Sources: the types of Runway's own SDK for Python (runwayml 5.24.0); for the prices and the
defaults, docs.dev.runwayml.com. Only one format of gen4.5 is simulated, H.264 in MP4.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, field_validator, model_validator

from local.simulators.common.model_files import check_schemas, read_models
from local.simulators.runway.issues import Schema, issues_of, no_such_model
from local.simulators.runway.problems import invalid

type Inputs = dict[str, Any]

_NEEDED = ("ratio", "duration")


class Model(BaseModel, frozen=True, extra="forbid"):
    """A model, read from its file `models/<endpoint>/<name>.toml`.

    `properties` are the JSON Schemas of the inputs. `frames = ["first", "last"]` is short for the
    schema of an image or a list of images, each with one of these positions.
    `credits_per_second` is the price of a second of video. `silent_credits_per_second` is the price
    without sound, if it is lower.
    """

    endpoint: str
    name: str
    properties: Mapping[str, Schema]
    required: tuple[str, ...]
    credits_per_second: int
    silent_credits_per_second: int | None = None

    @field_validator("properties")
    @classmethod
    def _expand_frames(cls, properties: Mapping[str, Schema]) -> Mapping[str, Schema]:
        expanded = {
            name: _frames(schema["frames"]) if "frames" in schema else schema
            for name, schema in properties.items()
        }
        return check_schemas(expanded, frozenset({"image"}))

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if unknown := set(self.required) - self.properties.keys():
            raise ValueError(f"no property is named {', '.join(sorted(unknown))}")
        for name in _NEEDED:
            if name not in self.required and "default" not in self.properties.get(name, {}):
                raise ValueError(f"{name} must be required or have a default")
        if self.silent_credits_per_second is not None and "audio" not in self.properties:
            raise ValueError("a price without sound needs the property audio")
        return self

    def check_input(self, body: Inputs) -> Inputs:
        """Return the inputs with their defaults. Raises a Problem that names every error."""
        schema = {
            "type": "object",
            "additionalProperties": False,
            "required": list(self.required),
            "properties": {"model": {"type": "string"}, **self.properties},
        }
        if issues := issues_of(body, schema):
            raise invalid(issues)
        defaults = {
            name: schema["default"]
            for name, schema in self.properties.items()
            if "default" in schema
        }
        inputs = {**defaults, **body}
        # JSON Schema accepts 5.0 as an integer, as JavaScript does.
        return {**inputs, "duration": int(inputs["duration"])}

    def cost(self, inputs: Inputs) -> int:
        """Return the price of a video from these inputs, in credits."""
        per_second = self.credits_per_second
        if self.silent_credits_per_second is not None and not inputs["audio"]:
            per_second = self.silent_credits_per_second
        return per_second * int(inputs["duration"])


def _frames(positions: list[str]) -> Schema:
    """Return the schema of one image (the first frame) or a list of images with positions."""
    uri = {"type": "string", "image": True}
    frame = {
        "type": "object",
        "additionalProperties": False,
        "required": ["uri", "position"],
        "properties": {"uri": uri, "position": {"type": "string", "enum": positions}},
    }
    return {
        "type": ["string", "array"],
        "image": True,
        "items": frame,
        "minItems": 1,
        "maxItems": len(positions),
        "contains": {"properties": {"position": {"const": "first"}}},
        "maxContains": 1,
    }


def _by_endpoint(models: tuple[Model, ...]) -> dict[str, dict[str, Model]]:
    endpoints: dict[str, dict[str, Model]] = {}
    for model in models:
        endpoints.setdefault(model.endpoint, {})[model.name] = model
    return endpoints


MODELS: Mapping[str, Mapping[str, Model]] = _by_endpoint(
    read_models(Path(__file__).parent / "models", Model, group="endpoint")
)


def find_model(endpoint: str, body: object) -> tuple[Model, Inputs]:
    """Return the model that the body names, and its checked inputs.

    Raises a Problem if the model is unknown or an input is invalid.
    """
    if (
        isinstance(body, dict)
        and isinstance(body.get("model"), str)
        and (model := MODELS[endpoint].get(body["model"]))
    ):
        return model, model.check_input(body)
    raise invalid(no_such_model(body))


def image_uris(inputs: Inputs) -> tuple[str, ...]:
    """Return the URIs of the input images, beginning with the first frame."""
    image = inputs.get("promptImage", [])
    if isinstance(image, str):
        return (image,)
    return tuple(frame["uri"] for frame in sorted(image, key=lambda frame: frame["position"]))
