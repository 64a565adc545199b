"""The models that make films, with the inputs of the real ones.

Source: the types of Runway's own SDK for Python (runwayml 5.24.0); what a second costs, and what a field is when it is not given,
from docs.dev.runwayml.com. Of the formats of gen4.5 only H.264 in MP4 is simulated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.simulators.runway.issues import Schema, issues_of, no_such_model
from local.simulators.runway.problems import invalid

type Inputs = dict[str, Any]

PROMPT_CHARACTERS_MAX = 1000
SEED_MAX = 2**32 - 1

_SIX_RATIOS = ("1280:720", "720:1280", "1104:832", "832:1104", "960:960", "1584:672")
_PROMPT = {"type": "string", "minLength": 1, "maxLength": PROMPT_CHARACTERS_MAX}
_SEED = {"type": "integer", "minimum": 0, "maximum": SEED_MAX}
_MODERATION = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"publicFigureThreshold": {"type": "string", "enum": ["auto", "low"]}},
}
_WHOLE_SECONDS = {"type": "integer", "minimum": 2, "maximum": 10}
_GEN4: dict[str, Schema] = {"promptText": _PROMPT, "seed": _SEED, "contentModeration": _MODERATION, "duration": _WHOLE_SECONDS}
_GEN4_5: dict[str, Schema] = {**_GEN4, "outputFormat": {"type": "string", "enum": ["mp4"]}}
_VEO: dict[str, Schema] = {
    "promptText": _PROMPT,
    "negativePrompt": _PROMPT,
    "seed": _SEED,
    "audio": {"type": "boolean", "default": True},
    "duration": {"type": "integer", "enum": [4, 6, 8], "default": 8},
    "ratio": {"type": "string", "enum": ["1280:720", "720:1280", "1080:1920", "1920:1080"]},
}


@dataclass(frozen=True, kw_only=True)
class Model:
    """What it takes beside its name, and the credits for a second of film, with sound and without."""

    name: str
    properties: Mapping[str, Schema]
    required: tuple[str, ...]
    credits_per_second: int
    silent_credits_per_second: int | None = None

    def checked(self, body: Inputs) -> Inputs:
        """Return what the model works with, or raise the problem that names everything that is wrong."""
        schema = {
            "type": "object",
            "additionalProperties": False,
            "required": list(self.required),
            "properties": {"model": {"type": "string"}, **self.properties},
        }
        if issues := issues_of(body, schema):
            raise invalid(issues)
        defaults = {name: wanted["default"] for name, wanted in self.properties.items() if "default" in wanted}
        inputs = {**defaults, **body}
        # JSON Schema takes 5.0 for an integer, as JavaScript does.
        return {**inputs, "duration": int(inputs["duration"])}

    def cost(self, inputs: Inputs) -> int:
        """Return the credits that a film from these inputs costs."""
        silent = self.silent_credits_per_second
        per_second = self.credits_per_second if silent is None or inputs["audio"] else silent
        return per_second * int(inputs["duration"])


def _ratios(*ratios: str) -> Schema:
    return {"type": "string", "enum": list(ratios)}


def _pictures(*positions: str) -> Schema:
    """Say that it is a picture, which is the first frame, or a list of frames with their positions."""
    uri = {"type": "string", "picture": True}
    frame = {
        "type": "object",
        "additionalProperties": False,
        "required": ["uri", "position"],
        "properties": {"uri": uri, "position": {"type": "string", "enum": list(positions)}},
    }
    return {
        "type": ["string", "array"],
        "picture": True,
        "items": frame,
        "minItems": 1,
        "maxItems": len(positions),
        "contains": {"properties": {"position": {"const": "first"}}},
        "maxContains": 1,
    }


def _veo(name: str, credits_per_second: int, silent: int, *required: str, **more: Schema) -> Model:
    return Model(name=name, properties={**_VEO, **more}, required=("ratio", *required), credits_per_second=credits_per_second, silent_credits_per_second=silent)


IMAGE_TO_VIDEO = (
    Model(
        name="gen4_turbo",
        properties={**_GEN4, "promptImage": _pictures("first"), "ratio": _ratios(*_SIX_RATIOS), "duration": {**_WHOLE_SECONDS, "default": 10}},
        required=("promptImage", "ratio"),
        credits_per_second=5,
    ),
    Model(
        name="gen4.5",
        properties={**_GEN4_5, "promptImage": _pictures("first"), "ratio": _ratios(*_SIX_RATIOS)},
        required=("promptImage", "promptText", "ratio", "duration"),
        credits_per_second=12,
    ),
    _veo("veo3.1", 40, 20, "promptImage", promptImage=_pictures("first", "last")),
    _veo("veo3.1_fast", 15, 10, "promptImage", promptImage=_pictures("first", "last")),
)
TEXT_TO_VIDEO = (
    Model(
        name="gen4.5",
        properties={**_GEN4_5, "ratio": _ratios("1280:720", "720:1280")},
        required=("promptText", "ratio", "duration"),
        credits_per_second=12,
    ),
    _veo("veo3.1", 40, 20, "promptText"),
    _veo("veo3.1_fast", 15, 10, "promptText"),
)
MODELS: Mapping[str, Mapping[str, Model]] = {
    "image_to_video": {model.name: model for model in IMAGE_TO_VIDEO},
    "text_to_video": {model.name: model for model in TEXT_TO_VIDEO},
}


def model_meant(endpoint: str, body: object) -> tuple[Model, Inputs]:
    """Return the model that a body names, and what is to be its input, or raise the problem."""
    if isinstance(body, dict) and isinstance(body.get("model"), str) and (model := MODELS[endpoint].get(body["model"])):
        return model, model.checked(body)
    raise invalid(no_such_model(body))


def picture_uris(inputs: Inputs) -> tuple[str, ...]:
    """Return the URIs of the pictures, that of the first frame first."""
    given = inputs.get("promptImage", [])
    if isinstance(given, str):
        return (given,)
    return tuple(frame["uri"] for frame in sorted(given, key=lambda frame: frame["position"]))
