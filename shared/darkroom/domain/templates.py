"""Generation templates: what a user may ask for, checked before anything is paid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import FieldError, InvalidRequest
from darkroom.domain.jobs import Job, TemplateVersion, Work, lap_seconds
from darkroom.domain.pricing import Prices, cost_in_credits

CATEGORIES = ("image", "video")
_KEYS = {
    "code": str, "name": str, "description": str, "version": int, "category": str, "provider": str, "model": str,
    "expected_seconds": int, "seconds_max": int, "required": list, "parameters": dict,
}  # fmt: skip
_OPTIONAL_KEYS = {"outputs_parameter": str, "credits": int}


class BrokenTemplate(ValueError):
    """A template file that cannot be sold; the message names the file's key and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Template:
    """One product on the shelf. `parameters` is in JSON Schema's words; `credits` overrides the category's price."""

    code: str
    name: str
    description: str
    version: int
    category: str
    provider: str
    model: str
    expected_seconds: int
    seconds_max: int
    required: tuple[str, ...]
    parameters: Mapping[str, Mapping[str, Any]]
    outputs_parameter: str | None = None
    credits: int | None = None

    @property
    def pinned(self) -> TemplateVersion:
        """What a job remembers of its template."""
        return TemplateVersion(self.code, self.version, self.name, self.category)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of the parameters, as clients draw forms from it."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": self.parameters,
            "required": list(self.required),
            "additionalProperties": False,
        }

    def outputs_count(self, parameters: Mapping[str, Any]) -> int:
        """Tell how many outputs these parameters ask for."""
        return int(parameters[self.outputs_parameter]) if self.outputs_parameter else 1

    def work(self, parameters: Mapping[str, Any]) -> Work:
        """Turn checked parameters into what the provider is asked for."""
        return Work(self.provider, self.model, dict(parameters), self.outputs_count(parameters))

    def cost(self, parameters: Mapping[str, Any], prices: Prices) -> int:
        """Price checked parameters, in credits."""
        base = self.credits or (prices.image if self.category == "image" else prices.video)
        return cost_in_credits(base, parameters, outputs_count=self.outputs_count(parameters), prices=prices)


def parse_template(document: Mapping[str, Any]) -> Template:
    """Read one template file. Raises BrokenTemplate, so that a broken one fails the tests and the build, not a user."""
    for key in document.keys() - _KEYS.keys() - _OPTIONAL_KEYS.keys():
        raise BrokenTemplate(f"{key}: unknown key")
    for key, kind in (_KEYS | _OPTIONAL_KEYS).items():
        if key not in document and key in _OPTIONAL_KEYS:
            continue
        if not isinstance(document.get(key), kind) or isinstance(document.get(key), bool):
            raise BrokenTemplate(f"{key}: must be given, as {kind.__name__}")
        if isinstance(document[key], int) and document[key] < 1:
            raise BrokenTemplate(f"{key}: must be at least 1")
    if document["category"] not in CATEGORIES:
        raise BrokenTemplate(f"category: must be one of {', '.join(CATEGORIES)}")
    template = Template(**{**document, "required": tuple(document["required"])})
    _check_parameters_table(template)
    return template


def _check_parameters_table(template: Template) -> None:
    try:
        Draft202012Validator.check_schema(template.schema)
    except SchemaError as error:
        raise BrokenTemplate(f"parameters: {error.message}") from error
    for name in (*template.required, *filter(None, [template.outputs_parameter])):
        if name not in template.parameters:
            raise BrokenTemplate(f"parameters: {name} is named elsewhere but not described")
    for name, schema in template.parameters.items():
        if "default" in schema and not Draft202012Validator(schema).is_valid(schema["default"]):
            raise BrokenTemplate(f"parameters.{name}: its default is not valid")


def checked_parameters(template: Template, given: Mapping[str, Any], *, prompt_characters_max: int) -> dict[str, Any]:
    """Check a user's parameters and fill in the defaults.

    Raises InvalidRequest naming every field that is wrong. Unknown ones are refused, because Replicate ignores them silently and bills anyway.
    """
    found = [*_value_errors(given, prompt_characters_max), *_schema_errors(template, given)]
    # One message for each field: the first, and a wrong type comes before whatever follows from it.
    errors = {error.field: error for error in reversed(found)}
    if errors:
        raise InvalidRequest(sorted(errors.values(), key=lambda error: error.field))
    defaults = {name: schema["default"] for name, schema in template.parameters.items() if "default" in schema}
    return {name: _whole(template.parameters[name], value) for name, value in (defaults | dict(given)).items()}


def _schema_errors(template: Template, given: Mapping[str, Any]) -> Iterator[FieldError]:
    errors = Draft202012Validator(template.schema).iter_errors(given)
    for error in sorted(errors, key=lambda error: error.validator != "type"):
        yield from _field_errors(template, given, error)


def _field_errors(template: Template, given: Mapping[str, Any], error: ValidationError) -> Iterator[FieldError]:
    match error.validator:
        case "additionalProperties":
            known = ", ".join(template.parameters)
            for name in sorted(given.keys() - template.parameters.keys()):
                yield FieldError(f"parameters.{name}", f"This template has no such parameter. It has: {known}.")
        case "required":
            missing = [name for name in template.required if name not in given]
            # jsonschema reports each missing name in an error of its own, and says which only in its message.
            yield from (FieldError(f"parameters.{name}", "This parameter is required.") for name in missing if repr(name) in error.message)
        case _:
            path = ".".join(["parameters", *(str(step) for step in error.absolute_path)])
            yield FieldError(path, _sentence(error))


def _sentence(error: ValidationError) -> str:
    match error.validator:
        case "enum":
            return f"Must be one of {', '.join(map(str, error.validator_value))}."
        case "minimum" | "maximum":
            return f"The {error.validator} is {error.validator_value}."
        case "type":
            return f"Must be of type {error.validator_value}."
        case "minLength" | "pattern":
            return "Must not be empty."
        case _:
            return f"{error.message[:200]}."


def _value_errors(given: Mapping[str, Any], prompt_characters_max: int) -> Iterator[FieldError]:
    for name, value in given.items():
        if isinstance(value, str) and len(value) > prompt_characters_max:
            yield FieldError(f"parameters.{name}", f"The maximum is {prompt_characters_max} characters.")
        if isinstance(value, float) and not math.isfinite(value):
            yield FieldError(f"parameters.{name}", "Must be a finite number.")


def _whole(schema: Mapping[str, Any], value: object) -> object:
    # JSON Schema takes 2.0 for an integer; the provider's own check does not.
    return int(value) if schema.get("type") == "integer" and isinstance(value, float) else value


def new_job(
    template: Template,
    parameters: Mapping[str, Any],
    *,
    account: AccountId,
    job_id: str,
    prices: Prices,
    now: datetime,
    callback_url: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Job:
    """Make a job of checked parameters. What it costs, what is asked for, and by when it must be over are fixed from here on."""
    return Job(
        account=account,
        job_id=job_id,
        template=template.pinned,
        parameters=parameters,
        work=template.work(parameters),
        quoted=template.cost(parameters, prices),
        created_at=now,
        deadline_at=now + timedelta(seconds=template.seconds_max),
        wait_seconds=lap_seconds(template.expected_seconds),
        callback_url=callback_url,
        metadata=metadata or {},
    )
