"""Generation templates: what a user may ask for, what the model is then asked for, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from darkroom.domain.accounts import AccountId
from darkroom.domain.conditions import Preset, Rule, Schema, is_met
from darkroom.domain.jobs import Job, ModelInput, TemplateVersion, wait_seconds_for
from darkroom.domain.pricing import Price, Prices, cost_in_credits

IMAGE_FORMAT = "image"
"""The JSON Schema format of a parameter that is an image: the id of an upload, or an https URL."""


@dataclass(frozen=True, slots=True)
class Template:
    """One product in the catalog.

    `parameters` is in JSON Schema's words; those named in `own_parameters` are Darkroom's and are not sent to the model. The time-outs are
    seconds from the acceptance of a job: how long it usually takes, and when it is over in any case.
    """

    code: str
    name: str
    description: str
    version: int
    category: Literal["image", "video"]
    provider: str
    model: str
    expected_seconds: int
    seconds_max: int
    required: tuple[str, ...]
    parameters: Mapping[str, Schema]
    outputs_parameter: str | None = None
    own_parameters: tuple[str, ...] = ()
    commercial_use: bool = True
    price: Price = field(default_factory=Price)
    presets: tuple[Preset, ...] = ()
    rules: tuple[Rule, ...] = ()

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (not a field of the dataclass; read by whoever parses the file)

    @property
    def pinned(self) -> TemplateVersion:
        """What a job remembers of its template."""
        return TemplateVersion(self.code, self.version, self.name, self.category)

    @property
    def defaults(self) -> dict[str, Any]:
        """The values of the parameters that are left out."""
        return {
            name: schema["default"]
            for name, schema in self.parameters.items()
            if "default" in schema
        }

    def schema(self, *, prompt_characters_max: int) -> dict[str, Any]:
        """Give the JSON Schema (2020-12) of the parameters as clients draw forms from it: what it takes is taken, presets and rules included."""
        together = [preset.schema(self.defaults) for preset in self.presets] + [
            rule.schema(self.defaults) for rule in self.rules
        ]
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                name: _with_length_limit(schema, prompt_characters_max)
                for name, schema in self.parameters.items()
            },
            "required": list(self.required),
            "additionalProperties": False,
            **({"allOf": together} if together else {}),
        }

    @property
    def image_parameters(self) -> tuple[str, ...]:
        """The parameters that are an image, or several."""
        return tuple(
            name
            for name, schema in self.parameters.items()
            if IMAGE_FORMAT in (schema.get("format"), schema.get("items", {}).get("format"))
        )

    def preset(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Tell what the presets make of these parameters, whose defaults need not be filled in."""
        known = self.defaults | dict(parameters)
        return {
            name: value
            for preset in self.presets
            if is_met(preset.when, known)
            for name, value in preset.sets.items()
        }

    def outputs_count(self, parameters: Mapping[str, Any]) -> int:
        """Tell how many outputs these parameters ask for."""
        return int(parameters[self.outputs_parameter]) if self.outputs_parameter else 1

    def model_input(
        self, parameters: Mapping[str, Any], uploads: Mapping[str, str] | None = None
    ) -> ModelInput:
        """Turn checked parameters into what the provider is asked for. `uploads` has the object key of each upload that they name."""
        sent = {
            name: value for name, value in parameters.items() if name not in self.own_parameters
        }
        images = {
            name: _as_keys(sent[name], uploads or {})
            for name in self.image_parameters
            if name in sent
        }
        return ModelInput(
            self.provider, self.model, sent | images, self.outputs_count(parameters), tuple(images)
        )

    def cost(self, parameters: Mapping[str, Any], prices: Prices) -> int:
        """Price checked parameters, in credits."""
        base = prices.image if self.category == "image" else prices.video
        return cost_in_credits(
            base,
            parameters,
            outputs_count=self.outputs_count(parameters),
            prices=prices,
            price=self.price,
        )


def _with_length_limit(schema: Schema, characters_max: int) -> Schema:
    is_prose = schema.get("type") == "string" and not {"enum", "format"} & schema.keys()
    return (
        {**schema, "maxLength": min(schema.get("maxLength", characters_max), characters_max)}
        if is_prose
        else schema
    )


def _as_keys(value: object, uploads: Mapping[str, str]) -> object:
    if isinstance(value, list):
        return [_as_keys(item, uploads) for item in value]
    return uploads.get(str(value), value)


def new_job(
    template: Template,
    parameters: Mapping[str, Any],
    *,
    account: AccountId,
    job_id: str,
    prices: Prices,
    now: datetime,
    uploads: Mapping[str, str] | None = None,
    callback_url: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Job:
    """Make a job of checked parameters. What it costs, what is asked for, and by when it must be over are fixed from here on."""
    return Job(
        account=account,
        job_id=job_id,
        template=template.pinned,
        parameters=parameters,
        model_input=template.model_input(parameters, uploads),
        quoted=template.cost(parameters, prices),
        created_at=now,
        deadline_at=now + timedelta(seconds=template.seconds_max),
        wait_seconds=wait_seconds_for(template.expected_seconds),
        callback_url=callback_url,
        metadata=metadata or {},
    )
