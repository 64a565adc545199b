"""Templates: the parameters that users may set, the model input made from them, and the price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

from darkroom.domain.accounts import AccountId
from darkroom.domain.conditions import Preset, Rule, Schema, is_met
from darkroom.domain.costs import Cost
from darkroom.domain.input_rules import ImageRules, scale_of
from darkroom.domain.jobs import Job, ModelInput, TemplateVersion, wait_seconds_for
from darkroom.domain.moderation import Moderation, ModerationLimits
from darkroom.domain.prices import Prices
from darkroom.domain.pricing import Price, cost_in_credits

IMAGE_FORMAT = "image"
"""The JSON Schema `format` of a parameter that is an image: an upload id or an https URL."""
IMAGE_RULES = "x-image"
"""The key of an image's JSON Schema that has its ImageRules. Validators ignore the key."""
UTF16_LENGTH_MAX = "x-max-length-utf16"
"""The key of a text's JSON Schema with its maximum length in UTF-16 code units.

`maxLength` counts characters. Validators ignore this key, and `check_parameters` checks it.
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """The source from which a template's parameters were read, and the date of this source."""

    source: str
    checked_on: date

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (for Pydantic, not a field)


@dataclass(frozen=True, slots=True)
class Template:
    """A model with its parameters and its price: one entry of the catalog.

    `parameters` maps names to JSON Schemas. The names in `own_parameters` are Darkroom's own and
    are not sent to the model. `outputs_parameter` is the parameter with the number of outputs.
    `scale_parameter` is the factor by which the model multiplies the width and height of its image.
    `cost_usd` is what the provider bills. `moderation` has the parameters that users can relax.
    `successor` is the code of the template that replaces a retired one. A template that is
    `off_by_default` is available only in a deployment that enables it. `model_defaults` has the
    defaults of the model for inputs that Darkroom does not always send.

    With `inline_inputs_bytes_max`, all images of a job are sent inside the request to the provider,
    and together have at most this many bytes. It is for models that refuse signed links.

    Both times are in seconds from the acceptance of a job: `expected_seconds` is the usual time
    until its end, and `seconds_max` is its deadline.
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
    cost_usd: Cost
    outputs_parameter: str | None = None
    scale_parameter: str | None = None
    own_parameters: tuple[str, ...] = ()
    commercial_use: bool = True
    price: Price = field(default_factory=Price)
    presets: tuple[Preset, ...] = ()
    rules: tuple[Rule, ...] = ()
    moderation: tuple[Moderation, ...] = ()
    successor: str | None = None
    checked: Checked | None = None
    off_by_default: bool = False
    inline_inputs_bytes_max: int | None = None
    model_defaults: Mapping[str, Any] = field(default_factory=dict)

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (for Pydantic, not a field)

    @property
    def pinned(self) -> TemplateVersion:
        """The part of the template that a job stores."""
        return TemplateVersion(self.code, self.version, self.name, self.category)

    @property
    def defaults(self) -> dict[str, Any]:
        """The default values, by parameter."""
        return {
            name: schema["default"]
            for name, schema in self.parameters.items()
            if "default" in schema
        }

    @property
    def fixed(self) -> dict[str, Any]:
        """The values that the template itself sets, by parameter. Users cannot choose another.

        A parameter is fixed if its enum has one value, which is its default, or if its moderation
        is fixed. A parameter that the operator's moderation limits reduce to one value is not.
        """
        moderated = {each.parameter: each.is_fixed for each in self.moderation}
        return {
            name: schema["default"]
            for name, schema in self.parameters.items()
            if "default" in schema
            and moderated.get(name, schema.get("enum") == [schema["default"]])
        }

    @property
    def names_of_rules(self) -> set[str]:
        """Every parameter that a rule names."""
        return {name for rule in self.rules for name in rule.names}

    def schema(self, *, prompt_characters_max: int) -> dict[str, Any]:
        """Return the JSON Schema (2020-12) of the parameters, for example for forms of clients.

        It includes the presets and rules: parameters that match the schema are accepted. Fixed
        parameters are not in it, because they are not a choice.
        """
        fixed = self.fixed
        together = [preset.schema(self.defaults) for preset in self.presets] + [
            rule.schema(self.defaults) for rule in self.rules
        ]
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                name: _with_image_rules(_with_length_limit(schema, prompt_characters_max))
                for name, schema in self.parameters.items()
                if name not in fixed
            },
            "required": list(self.required),
            "additionalProperties": False,
            **({"allOf": together} if together else {}),
        }

    @property
    def image_parameters(self) -> tuple[str, ...]:
        """The names of the parameters that are an image or a list of images."""
        return tuple(name for name, schema in self.parameters.items() if image_schema(schema))

    @property
    def image_rules(self) -> dict[str, ImageRules]:
        """The rules of the model for its images, by parameter."""
        return {
            name: ImageRules(**found.get(IMAGE_RULES, {}))
            for name, schema in self.parameters.items()
            if (found := image_schema(schema)) is not None
        }

    @property
    def scale_max(self) -> float:
        """The largest factor of `scale_parameter`. Raises LookupError without this parameter."""
        if self.scale_parameter is None:
            raise LookupError(f"{self.code} has no scale_parameter")
        schema = self.parameters[self.scale_parameter]
        return max(scale_of(value) for value in schema.get("enum", [schema.get("maximum")]))

    def preset(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that the presets set. The defaults need not be filled in."""
        known = self.defaults | dict(parameters)
        return {
            name: value
            for preset in self.presets
            if is_met(preset.when, known)
            for name, value in preset.sets.items()
        }

    def set_by(self, name: str, given: Mapping[str, Any]) -> str:
        """Return the given parameter whose preset sets the parameter `name`, or `name` itself."""
        return next(
            (
                cause
                for preset in self.presets
                if name in preset.sets
                for cause in preset.when
                if cause in given
            ),
            name,
        )

    def outputs_count(self, parameters: Mapping[str, Any]) -> int:
        """Return the number of outputs that the parameters request."""
        return int(parameters[self.outputs_parameter]) if self.outputs_parameter else 1

    def model_input(
        self, parameters: Mapping[str, Any], uploads: Mapping[str, str] | None = None
    ) -> ModelInput:
        """Return the request to the provider for checked parameters.

        `uploads` has the object key of each upload in the parameters, by upload id.
        """
        sent = {
            name: value for name, value in parameters.items() if name not in self.own_parameters
        }
        images = {
            name: _as_keys(sent[name], uploads or {})
            for name in self.image_parameters
            if name in sent
        }
        return ModelInput(
            self.provider,
            self.model,
            sent | images,
            self.outputs_count(parameters),
            tuple(images),
            self.inline_inputs_bytes_max or 0,
        )

    def cost(self, parameters: Mapping[str, Any], prices: Prices) -> int:
        """Return the price of a job with these checked parameters, in credits."""
        base = prices.image if self.category == "image" else prices.video
        return cost_in_credits(
            base,
            parameters,
            outputs_count=self.outputs_count(parameters),
            prices=prices,
            price=self.price,
        )

    def cost_micro_usd(self, parameters: Mapping[str, Any]) -> int:
        """Return what the provider bills for a job with these checked parameters, in micro-USD."""
        return self.cost_usd.micro_usd(parameters, outputs_count=self.outputs_count(parameters))

    def limited(self, limits: ModerationLimits) -> Template:
        """Return the template without the values that the operator's moderation limits exclude."""
        limited = {
            each.parameter: each.limited(self.parameters[each.parameter], limits)
            for each in self.moderation
        }
        return replace(self, parameters={**self.parameters, **limited}) if limited else self


def _with_length_limit(schema: Schema, characters_max: int) -> Schema:
    is_free_text = schema.get("type") == "string" and not {"enum", "format"} & schema.keys()
    return (
        {**schema, "maxLength": min(schema.get("maxLength", characters_max), characters_max)}
        if is_free_text
        else schema
    )


def image_schema(schema: Schema) -> Schema | None:
    """Return the JSON Schema of the image, or of each image of a list, or None."""
    each = schema.get("items", schema)
    return each if each.get("format") == IMAGE_FORMAT else None


def _with_image_rules(schema: Schema) -> Schema:
    """Return the JSON Schema with all rules of the image, also those that are defaults."""
    image = image_schema(schema)
    if image is None:
        return schema
    with_rules = {**image, IMAGE_RULES: ImageRules(**image.get(IMAGE_RULES, {})).public()}
    return {**schema, "items": with_rules} if "items" in schema else with_rules


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
    queue_seconds_max: int,
    uploads: Mapping[str, str] | None = None,
    callback_url: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Job:
    """Return a new job for checked parameters. Its quote and model input never change."""
    return Job(
        account=account,
        job_id=job_id,
        template=template.pinned,
        parameters=parameters,
        model_input=template.model_input(parameters, uploads),
        quoted=template.cost(parameters, prices),
        cost_micro_usd=template.cost_micro_usd(parameters),
        created_at=now,
        queue_until=now + timedelta(seconds=queue_seconds_max),
        expected_seconds=template.expected_seconds,
        wait_seconds=wait_seconds_for(template.expected_seconds),
        seconds_max=template.seconds_max,
        callback_url=callback_url,
        metadata=metadata or {},
    )
