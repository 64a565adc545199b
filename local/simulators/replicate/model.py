"""A model: its name, its version, its inputs, its output, and its documents in the API."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import BaseModel, Field, ValidationInfo, field_validator

from local.simulators.common.model_files import check_schemas
from local.simulators.replicate.validation import Schema

type Inputs = Mapping[str, Any]


class Rejection(BaseModel, frozen=True, extra="forbid"):
    """Inputs that a model accepts at first, and for which its run fails.

    `when` is a JSON Schema that matches such inputs, with the defaults filled in. `error` is the
    prediction's error.
    """

    when: Schema
    error: str

    @field_validator("when")
    @classmethod
    def _check_schema(cls, when: Schema) -> Schema:
        try:
            Draft202012Validator.check_schema(when)
        except SchemaError as error:
            raise ValueError(error.message) from error
        return when

    def applies(self, inputs: Inputs) -> bool:
        """Return whether the run fails for these inputs."""
        return bool(Draft202012Validator(self.when).is_valid(inputs))


class Model(BaseModel, frozen=True, extra="forbid"):
    """A model, read from its file `models/<owner>/<name>.toml` and from its schema file.

    A run fails if an input image has more than `pixels_max` pixels. With `plain_links_only`, a run
    fails if the link of an input image has a query, or no file extension. `file_format` is the
    format of the output if no input sets it.

    Only an official model can be called without its version. A TOML file of an official model has
    no version. No client needs the real id, so a hash of the model's name replaces it.
    """

    owner: str
    name: str
    description: str
    official: bool
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", validate_default=True)] = ""
    output: Literal["uri", "uri[]"]
    makes: Literal["image", "enlargement", "cutout", "video"] = "image"
    inputs: Mapping[str, Schema]
    required: tuple[str, ...] = ()
    pixels_max: int | None = None
    plain_links_only: bool = False
    file_format: Literal["webp", "png", "jpg"] = "png"
    openapi_schema: Mapping[str, Any] | None = None
    rejections: tuple[Rejection, ...] = ()

    @field_validator("version", mode="before")
    @classmethod
    def _default_version(cls, version: str, others: ValidationInfo) -> str:
        if version or not others.data.get("official"):
            return version
        full_name = f"{others.data['owner']}/{others.data['name']}"
        return hashlib.sha256(full_name.encode()).hexdigest()

    @field_validator("inputs")
    @classmethod
    def _check_inputs(cls, inputs: Mapping[str, Schema]) -> Mapping[str, Schema]:
        return check_schemas(inputs)

    @field_validator("required")
    @classmethod
    def _check_required(cls, required: tuple[str, ...], others: ValidationInfo) -> tuple[str, ...]:
        if unknown := set(required) - others.data.get("inputs", {}).keys():
            raise ValueError(f"no input is named {', '.join(sorted(unknown))}")
        return required

    @property
    def full_name(self) -> str:
        """The owner and the name."""
        return f"{self.owner}/{self.name}"

    @property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema of the inputs. It ignores unknown inputs, as the real API does."""
        return {
            "title": "Input",
            "type": "object",
            "required": list(self.required),
            "properties": dict(self.inputs),
        }

    def with_defaults(self, given: Inputs) -> dict[str, Any]:
        """Return the inputs, with the model's defaults for missing inputs."""
        defaults = {
            name: schema["default"] for name, schema in self.inputs.items() if "default" in schema
        }
        # JSON Schema accepts 2.0 as an integer. Python's range needs an int.
        integers = {
            name: int(value)
            for name, value in given.items()
            if self.inputs.get(name, {}).get("type") == "integer"
        }
        return {**defaults, **given, **integers}


def source_urls(model: Model, inputs: Inputs) -> list[str]:
    """Return the URLs of the input files, in the order of the model's inputs."""
    found: list[str] = []
    for name, schema in model.inputs.items():
        if name in inputs and "uri" in (
            schema.get("format"),
            schema.get("items", {}).get("format"),
        ):
            found += inputs[name] if isinstance(inputs[name], list) else [inputs[name]]
    return found


def model_document(model: Model, base_url: str) -> dict[str, Any]:
    """Return the response of `GET /v1/models/{owner}/{name}`."""
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
    """Return the response of `GET /v1/models/{owner}/{name}/versions/{id}`."""
    return {
        "id": model.version,
        "created_at": "2024-08-01T00:00:00.000000Z",
        "cog_version": "0.9.20",
        "openapi_schema": _openapi_schema(model),
    }


def _openapi_schema(model: Model) -> dict[str, Any]:
    """Return the OpenAPI schema, with a separate schema for each enumeration, as Cog writes it."""
    if model.openapi_schema is not None:
        return dict(model.openapi_schema)
    properties: dict[str, Any] = {}
    enumerations: dict[str, Any] = {}
    for order, (name, schema) in enumerate(model.inputs.items()):
        if "enum" in schema:
            enumerations[name] = {"title": name, "type": schema["type"], "enum": schema["enum"]}
            rest = {key: value for key, value in schema.items() if key not in {"type", "enum"}}
            properties[name] = {
                "allOf": [{"$ref": f"#/components/schemas/{name}"}],
                **rest,
                "x-order": order,
            }
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
