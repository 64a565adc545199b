"""A template drifts if its model changed so that jobs fail or change. A narrower one does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from darkroom import catalog
from darkroom.catalog.parsing import BrokenTemplate, parse_template
from darkroom.domain.drift import differences, other_defaults
from darkroom.domain.model_descriptions import ModelDescription
from darkroom.domain.templates import Template
from local.simulators.replicate.model_table import find_by_version

PROMPT = {"type": "string", "pattern": r"\S", "description": "What the image shows."}
DOCUMENT: dict[str, Any] = {
    "code": "sketch",
    "name": "Sketch",
    "description": "A sketch.",
    "version": 1,
    "category": "image",
    "provider": "replicate",
    "model": "acme/sketch",
    "expected_seconds": 5,
    "seconds_max": 60,
    "required": ["prompt"],
    "own_parameters": ["quality"],
    "model_defaults": {"safety": True, "seed": 42},
    "cost_usd": {"per_output": 0.01, "source": "A list.", "checked_on": "2026-10-07"},
    "parameters": {
        "prompt": PROMPT,
        "quality": {"type": "string", "enum": ["a", "b"], "default": "a", "description": "Q."},
        "ratio": {"type": "string", "enum": ["1:1", "16:9"], "default": "1:1", "description": "R."},
        "steps": {
            "type": "integer", "minimum": 1, "maximum": 50, "default": 20, "description": "S.",
        },
        "guidance": {"type": "number", "minimum": 1, "maximum": 9, "description": "G."},
        "fast": {"type": "boolean", "default": True, "description": "F."},
        "seed": {"type": "integer", "minimum": 0, "maximum": 2147483647, "description": "S."},
        "images": {
            "type": "array", "items": {"type": "string", "format": "image"}, "minItems": 1,
            "maxItems": 3, "description": "I.",
        },
    },
}  # fmt: skip
MODEL: dict[str, dict[str, Any]] = {
    "prompt": {"type": "string"},
    "ratio": {"type": "string", "enum": ["1:1", "16:9", "9:16"], "default": "1:1"},
    "steps": {"type": "integer", "minimum": 1, "maximum": 50, "default": 20},
    "guidance": {"type": "number", "minimum": 0, "maximum": 10, "default": 3.5},
    "fast": {"type": "boolean", "default": True},
    "seed": {"type": "integer", "default": 42},
    "images": {"type": "array", "items": {"type": "string", "format": "uri"}, "maxItems": 3},
    "safety": {"type": "boolean", "default": True},
    "not_offered": {"type": "string", "default": "x"},
}


def template(**changes: Any) -> Template:
    return parse_template(DOCUMENT | changes)


def model(
    changes: Mapping[str, dict[str, Any] | None] | None = None,
    *,
    required: tuple[str, ...] = ("prompt",),
) -> ModelDescription:
    schemas = {**MODEL, **(changes or {})}
    inputs = {name: schema for name, schema in schemas.items() if schema is not None}
    return ModelDescription(inputs=inputs, required=required, is_complete=True)


def found(description: ModelDescription, **changes: Any) -> list[str]:
    return list(differences(template(**changes), description, prompt_characters_max=5_000))


def test_a_template_that_is_narrower_than_its_model_does_not_drift() -> None:
    assert found(model()) == []


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("ratio", {"type": "string", "enum": ["1:1", "16:9", "21:9"], "default": "1:1"}),
        ("ratio", {"type": "string", "enum": ["16:9", "1:1"], "default": "16:9"}),
        ("ratio", {"type": "string", "default": "1:1"}),
        ("steps", {"type": "integer", "minimum": 0, "maximum": 51, "default": 8}),
        ("steps", {"type": "number", "minimum": 1, "maximum": 50}),
        ("guidance", {"type": "number", "minimum": 1, "maximum": 9}),
        ("guidance", {"type": "number", "default": 7}),
        ("prompt", {"type": "string", "minLength": 1, "maxLength": 5_000}),
        ("images", {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 4}),
        ("not_offered", {"type": "integer", "default": 3}),
        ("not_offered", None),
        ("added", {"type": "string", "default": "x"}),
        ("quality", {"type": "integer"}),
    ],
)
def test_a_change_that_breaks_no_job_is_no_drift(name: str, schema: dict[str, Any] | None) -> None:
    assert found(model({name: schema})) == []


@pytest.mark.parametrize(
    ("name", "schema", "difference"),
    [
        ("ratio", None, "the model has no such input."),
        (
            "ratio",
            {"type": "string", "enum": ["1:1", "4:3"]},
            "the model does not accept 16:9. It accepts 1:1, 4:3.",
        ),
        ("ratio", {"type": "integer"}, "the model's type is integer, the template sends string."),
        (
            "steps",
            {"type": "integer", "minimum": 1, "maximum": 49},
            "the model does not accept 50 (minimum 1, maximum 49).",
        ),
        (
            "steps",
            {"type": "integer", "minimum": 2},
            "the model does not accept 1 (minimum 2).",
        ),
        (
            "guidance",
            {"type": "number", "minimum": 1.5},
            "the model's minimum is 1.5, the template's is 1.",
        ),
        (
            "guidance",
            {"type": "number", "maximum": 8.5},
            "the model's maximum is 8.5, the template's is 9.",
        ),
        ("guidance", {"type": "number", "enum": [1, 2]}, "the model accepts only 1, 2."),
        (
            "fast",
            {"type": "boolean", "enum": [True]},
            "the model does not accept False. It accepts True.",
        ),
        (
            "seed",
            {"type": "integer", "maximum": 99, "default": 42},
            "the model's maximum is 99, the template's is 2147483647.",
        ),
        (
            "prompt",
            {"type": "string", "maxLength": 4_999},
            "the model's maxLength is 4999, the template's is 5000.",
        ),
        (
            "prompt",
            {"type": "string", "minLength": 2},
            "the model's minLength is 2, the template's is 1.",
        ),
        (
            "images",
            {"type": "array", "maxItems": 2},
            "the model's maxItems is 2, the template's is 3.",
        ),
        (
            "images",
            {"type": "array", "items": {"type": "object"}},
            "the model's type is object, the template sends string.",
        ),
        (
            "seed",
            {"type": "integer", "multipleOf": 8, "default": 42},
            "the model accepts multiples of 8 only.",
        ),
    ],
)
def test_a_change_that_breaks_jobs_is_drift(
    name: str, schema: dict[str, Any] | None, difference: str
) -> None:
    assert found(model({name: schema})) == [f"{name}: {difference}"]


def test_a_required_input_that_the_template_may_leave_out_is_drift() -> None:
    text = "the model requires this input, the template does not."

    assert found(model(required=("prompt", "ratio"))) == [], "the template always sends its default"
    assert found(model(required=("prompt", "guidance"))) == [f"guidance: {text}"]
    assert found(model(required=("prompt", "style"))) == [f"style: {text}"]


@pytest.mark.parametrize(
    ("name", "schema", "now"),
    [
        ("safety", {"type": "boolean", "default": False}, "False"),
        ("safety", {"type": "boolean"}, "none"),
        ("seed", {"type": "integer", "default": 7}, "7"),
    ],
)
def test_a_changed_default_of_an_input_that_is_not_sent_is_drift(
    name: str, schema: dict[str, Any], now: str
) -> None:
    expected = DOCUMENT["model_defaults"][name]

    assert found(model({name: schema})) == [
        f"{name}: the model's default is {now}, the template relies on {expected!r}."
    ]
    assert found(model({"safety": None})) == [], "without the input there is nothing to rely on"


def test_another_default_of_a_parameter_that_is_sent_is_told_but_is_no_drift() -> None:
    changed = model({"ratio": {"type": "string", "default": "16:9"}})

    assert other_defaults(template(), model()) == {}
    assert other_defaults(template(), changed) == {"ratio": "16:9"}
    assert found(changed) == []


def test_a_model_that_is_gone_has_one_difference() -> None:
    assert found(ModelDescription(gone="No such model.", is_complete=True)) == ["No such model."]


def test_an_incomplete_description_says_nothing_about_other_inputs() -> None:
    samplers = ModelDescription(inputs={"ratio": {"enum": ["1:1"]}}, warnings=("Read this.",))

    assert found(samplers) == [
        "Read this.", "ratio: the model does not accept 16:9. It accepts 1:1.",
    ]  # fmt: skip
    assert found(ModelDescription()) == []


def test_the_prompt_limit_of_the_deployment_bounds_what_is_sent() -> None:
    short = model({"prompt": {"type": "string", "maxLength": 1_000}})

    assert differences(template(), short, prompt_characters_max=1_000) == ()
    assert differences(template(), short, prompt_characters_max=1_001) != ()
    limited = DOCUMENT["parameters"] | {"prompt": {**PROMPT, "x-max-length-utf16": 1_000}}
    assert found(short, parameters=limited) == []


def test_the_default_of_an_input_that_is_always_sent_cannot_be_recorded() -> None:
    with pytest.raises(BrokenTemplate, match=r"model_defaults.ratio: the parameter has a default"):
        template(model_defaults={"ratio": "1:1"})


def described(of: Template) -> ModelDescription:
    public = find_by_version(of.model)
    assert public, of.code
    return ModelDescription(inputs=public.inputs, required=public.required, is_complete=True)


HOSTED = [each for each in catalog.templates().values() if each.provider == "replicate"]
# They have no effect without the weights, which Darkroom never sends.
IGNORED_DEFAULTS = {"lora_scale", "lora_scale_transformer", "lora_scale_transformer_2"}


@pytest.mark.parametrize("code", [each.code for each in HOSTED])
def test_no_template_differs_from_the_public_schema_of_its_model(code: str) -> None:
    of = catalog.template(code)

    assert differences(of, described(of), prompt_characters_max=5_000) == ()


@pytest.mark.parametrize("code", [each.code for each in HOSTED])
def test_a_template_records_each_default_that_it_leaves_to_its_model(code: str) -> None:
    of = catalog.template(code)
    left_to_the_model = {
        name: schema["default"]
        for name, schema in described(of).inputs.items()
        if schema.get("default") not in (None, []) and name not in of.defaults
    }

    assert of.model_defaults == {
        name: default
        for name, default in left_to_the_model.items()
        if name not in IGNORED_DEFAULTS and name not in of.required
    }


def test_a_template_of_the_catalog_drifts_when_its_public_schema_changes() -> None:
    of = catalog.template("kling-v2.1")
    public = described(of)
    shorter = {**public.inputs, "duration": {"type": "integer", "enum": [5], "default": 5}}

    assert differences(of, replace(public, inputs=shorter), prompt_characters_max=5_000) == (
        "duration: the model does not accept 10. It accepts 5.",
    )
