"""What Replicate says about a model: `GET /models/{owner}/{name}`, or one of its versions.

Source: replicate.com/docs/reference/http. A version has an OpenAPI document, which Cog writes
(github.com/replicate/cog): the schema `Input` has the inputs, and each enum is a schema of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import httpx
import replicate

from darkroom.domain.conditions import Schema
from darkroom.domain.model_descriptions import ModelDescription
from darkroom.domain.provider_errors import ProviderUnavailable
from darkroom.providers.replicate.errors import is_no_model

TIMEOUT = httpx.Timeout(4.0, connect=2.0)
"""Seconds for a call that checks the account or a model."""
_KEYWORDS = {
    "type", "enum", "default", "items", "minimum", "maximum", "minItems", "maxItems", "minLength",
    "maxLength", "multipleOf",
}  # fmt: skip


def read_description(
    model: str, read: Callable[[Callable[[replicate.Client], Any]], Mapping[str, Any]]
) -> ModelDescription:
    """Describe a model, `owner/name`, or its version, `owner/name:version`.

    `read` makes a call and returns the object in its raw response. Raises the errors of `read`,
    unless they say that the model does not exist.
    """
    full_name, _, version_id = model.partition(":")
    owner, _, name = full_name.partition("/")
    names: dict[str, Any] = {"model_owner": owner, "model_name": name, "timeout": TIMEOUT}
    try:
        if not version_id:
            return description_of_model(
                read(lambda client: client.models.with_raw_response.get(**names))
            )
        names["version_id"] = version_id
        return description_of_version(
            read(lambda client: client.models.versions.with_raw_response.get(**names))
        )
    except ProviderUnavailable as error:
        cause = error.__cause__
        if isinstance(cause, replicate.APIStatusError) and is_no_model(cause.status_code):
            return _gone(model, cause.status_code)
        raise


def _gone(model: str, status: int) -> ModelDescription:
    """Return the description of a model, or of a version, that Replicate does not have.

    A redirect means that the model was renamed.
    """
    kind = "version" if ":" in model else "model"
    if status < HTTPStatus.BAD_REQUEST:
        return ModelDescription(gone=f"The model has another name now (status {status}).")
    return ModelDescription(gone=f"Replicate has no such {kind} any more (status {status}).")


def description_of_model(document: Mapping[str, Any]) -> ModelDescription:
    """Return the description in the document of a model, which runs in its latest version.

    Only an official model runs without the id of a version.
    """
    if document.get("is_official") is False:
        return ModelDescription(
            gone="The model is not official any more, so it does not run without a version."
        )
    version = document.get("latest_version")
    return description_of_version(version if isinstance(version, Mapping) else {})


def description_of_version(document: Mapping[str, Any]) -> ModelDescription:
    """Return the description in the document of a version."""
    facts = {"version": str(document.get("id", "unknown"))}
    schemas = _member(document, "openapi_schema", "components", "schemas")
    given = _member(schemas, "Input")
    inputs = {
        str(name): _input(schema, schemas)
        for name, schema in _member(given, "properties").items()
        if isinstance(schema, Mapping)
    }
    if not inputs:
        return ModelDescription(facts=facts | {"inputs": "not published"})
    required = given.get("required")
    return ModelDescription(
        inputs=inputs,
        required=tuple(map(str, required)) if isinstance(required, list) else (),
        is_complete=True,
        facts=facts,
    )


def _input(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Schema:
    """Return the JSON Schema of an input, with the enum that it refers to.

    An input that may be null has `anyOf` with two schemas in documents of newer versions of Cog.
    """
    parts: list[Mapping[str, Any]] = []
    for keyword in ("allOf", "anyOf"):
        listed = schema.get(keyword)
        each_not_null = [
            each
            for each in (listed if isinstance(listed, list) else ())
            if isinstance(each, Mapping) and each.get("type") != "null"
        ]
        if keyword == "allOf" or len(each_not_null) == 1:
            parts += [_resolved(each, schemas) for each in each_not_null]
    merged = {
        key: value for part in (*parts, _resolved(schema, schemas)) for key, value in part.items()
    }
    found = {key: value for key, value in merged.items() if key in _KEYWORDS}
    # These defaults mean that the model does without the input.
    return {
        key: value for key, value in found.items() if key != "default" or value not in (None, [])
    }


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    return {**_member(schemas, reference.rpartition("/")[2]), **schema}


def _member(document: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Return the object at the end of the names, or {} if there is none."""
    for name in names:
        found = document.get(name)
        if not isinstance(found, Mapping):
            return {}
        document = found
    return document
