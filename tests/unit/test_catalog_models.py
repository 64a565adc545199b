"""The catalog agrees with the models of Replicate: parameters, types, limits and defaults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from darkroom import catalog
from darkroom.domain.templates import Template
from local.simulators.replicate.model import Model
from local.simulators.replicate.model_table import find_by_version
from tests.unit.catalog_samples import UPLOAD, URL, check, sample_parameters

# Only the operator may switch off a safety checker or load weights from a URL.
NEVER_OFFERED = {
    "disable_safety_checker",
    "lora_scale",
    "lora_scale_transformer",
    "lora_scale_transformer_2",
    "lora_weights_transformer",
    "lora_weights_transformer_2",
    "openai_api_key",
    "replicate_weights",
    "user_id",
}
# Inputs by which a model judges less, or is replaced by another model.
SAFETY_WORDS = ("safety", "moderation", "fallback")
# Limits that are narrower than the model's: every output can be stored, and has a known price.
NARROWER = {
    ("gpt-image-2", "number_of_images"),
    ("ideogram-4-5", "num_images"),
    ("real-esrgan", "scale"),
    ("seedance-2.0-fast", "duration"),
}
# Values that are left out. The comments of the templates say why.
FEWER_VALUES = {
    ("flux-2-pro", "aspect_ratio"),
    ("flux-2-pro", "resolution"),
    ("gpt-image-2", "aspect_ratio"),
    ("gpt-image-2", "background"),
    ("gpt-image-2", "quality"),
    ("ideogram-4-5", "quality"),
    ("kling-v3-video", "mode"),
    ("topaz-image-upscale", "upscale_factor"),
}
# The model's own default is a value that is left out, or breaks a rule of the model.
OTHER_DEFAULT = {("gpt-image-2", "quality"), ("ideogram-4-5", "size")}


def templates_and_models() -> Iterator[tuple[Template, Model]]:
    for template in catalog.templates().values():
        if template.provider == "replicate":
            model = find_by_version(template.model)
            assert model, f"{template.code}: there is no model {template.model}"
            yield template, model


def wrong_names(template: Template, model: Model) -> Iterator[str]:
    """Yield what is wrong with the names of a template's parameters.

    A template may leave out an input of its model, and may require an input that the model does
    not require.
    """
    sent = template.parameters.keys() - set(template.own_parameters)
    if never_offered := (NEVER_OFFERED & template.parameters.keys()) - template.fixed.keys():
        yield f"must not be offered: {never_offered}"
    if unknown := sent - model.inputs.keys():
        yield f"unknown to the model: {unknown}"
    if missing := set(model.required) - set(template.required):
        yield f"required by the model only: {missing}"


def wrong_schemas(template: Template, model: Model) -> Iterator[str]:
    """Yield the differences between the schemas of a template's and its model's parameters."""
    common = (model.inputs.keys() & template.parameters.keys()) - set(template.own_parameters)
    for name in common - template.fixed.keys():
        ours, theirs = dict(template.parameters[name]), dict(model.inputs[name])
        if ours["type"] != theirs["type"]:
            yield f"{name}: type"
        has_fewer = set(values_in(ours)) < set(values_in(theirs))
        is_expected = (template.code, name) in FEWER_VALUES
        has_more = "enum" in theirs and not set(values_in(ours)) <= set(values_in(theirs))
        if has_fewer != is_expected or has_more:
            yield f"{name}: values"
        # An empty list is a missing list.
        has_default = theirs.get("default") if theirs.get("default") != [] else None
        has_other = name not in template.required and ours.get("default") != has_default
        if has_other != ((template.code, name) in OTHER_DEFAULT):
            yield f"{name}: default"
        for limit in ("minimum", "maximum", "minItems", "maxItems"):
            if limit not in theirs or ours.get(limit) == theirs[limit]:
                continue
            if (template.code, name) not in NARROWER or not is_narrower(limit, ours, theirs):
                yield f"{name}: {limit}"
        is_uri = "uri" in (theirs.get("format"), theirs.get("items", {}).get("format"))
        if (name in template.image_parameters) != is_uri:
            yield f"{name}: image"


def wrong_fixed_values(template: Template, model: Model) -> Iterator[str]:
    """Yield the fixed parameters whose value the model refuses. It need not be the default."""
    for name, value in template.fixed.items():
        if not Draft202012Validator(model.inputs[name]).is_valid(value):
            yield f"{name}: value"


def is_narrower(limit: str, ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    smaller, larger = sorted((ours[limit], theirs[limit]))
    return bool(ours[limit] == (larger if limit.startswith("min") else smaller))


def values_in(schema: dict[str, Any]) -> list[str]:
    return sorted(map(str, schema.get("enum", [])))


def test_templates_name_their_parameters_as_their_models_do() -> None:
    wrong = [
        f"{template.code}: {difference}"
        for template, model in templates_and_models()
        for difference in wrong_names(template, model)
    ]

    assert not wrong, "\n".join(wrong)


def test_templates_have_the_types_values_defaults_and_limits_of_their_models() -> None:
    wrong = [
        f"{template.code}: {difference}"
        for template, model in templates_and_models()
        for difference in (*wrong_schemas(template, model), *wrong_fixed_values(template, model))
    ]

    assert not wrong, "\n".join(wrong)


def test_each_safety_switch_of_a_model_is_fixed_limited_or_known_by_its_default() -> None:
    left = []
    for template, model in templates_and_models():
        limited = {each.parameter for each in template.moderation}
        known = {*template.fixed, *template.model_defaults, *limited}
        left += [
            f"{template.code}: {name}"
            for name in model.inputs.keys() - known
            if any(word in name for word in SAFETY_WORDS)
        ]

    assert left == []


def test_the_input_that_a_template_sends_is_valid_for_its_model() -> None:
    wrong = []
    for template, model in templates_and_models():
        model_input = template.model_input(
            check(template, sample_parameters(template)), {UPLOAD: URL}
        )
        required_images = tuple(
            name for name in template.image_parameters if name in template.required
        )
        validator = Draft202012Validator(model.input_schema)
        wrong += [
            f"{template.code}: {error.message}"
            for error in validator.iter_errors(dict(model_input.input))
        ]
        if not model_input.input.keys() <= model.inputs.keys():
            wrong.append(f"{template.code}: sends {model_input.input.keys() - model.inputs.keys()}")
        if model_input.images != required_images:
            wrong.append(f"{template.code}: images {model_input.images}")
        wrong += [
            f"{template.code}: {name} is not the link of the upload"
            for name in model_input.images
            if model_input.input[name] != URL
        ]

    assert not wrong, "\n".join(wrong)
