"""The rules and presets of the catalog refuse or complete parameters as the models require."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from darkroom import catalog
from darkroom.domain.errors import InvalidRequest
from darkroom.domain.templates import Template
from tests.unit.catalog_samples import (
    PROMPT_CHARACTERS_MAX,
    UPLOAD,
    URL,
    check,
    checked_sample,
    image_sample,
    sample_parameters,
)


def refused_fields(code: str, **given: Any) -> list[str]:
    """Return the fields that are refused, or an empty list if the parameters are accepted."""
    try:
        checked_sample(code, **given)
    except InvalidRequest as refused:
        return [error.field.removeprefix("parameters.") for error in refused.errors]
    return []


def optional_names(template: Template) -> list[str]:
    """Return the optional parameters that the template's rules and presets name."""
    names = {name for rule in template.rules for name in rule.names} | {
        name for preset in template.presets for name in (*preset.when, *preset.sets)
    }
    return sorted(names - set(template.required))


def values_for(template: Template, name: str) -> list[Any]:
    """Return an image, or the limits or values of a parameter and the values set by presets."""
    schema = template.parameters[name]
    if name in template.image_parameters:
        image = image_sample(template, name)
        return [[image] if schema["type"] == "array" else image]
    set_by_presets = [preset.sets[name] for preset in template.presets if name in preset.sets]
    if schema["type"] == "boolean":
        return [True, False, *set_by_presets]
    return [*(schema.get("enum") or [schema["minimum"], schema["maximum"]]), *set_by_presets]


@pytest.mark.parametrize(
    ("code", "given", "fields"),
    [
        ("hailuo-02", {"duration": 10}, ["duration"]),
        ("hailuo-02", {"duration": 10, "resolution": "1080p"}, ["duration"]),
        ("hailuo-02", {"duration": 10, "resolution": "512p"}, ["duration"]),
        ("hailuo-02", {"duration": 7}, ["duration"]),
        ("veo-3.1", {"reference_images": [URL], "aspect_ratio": "9:16"}, ["reference_images"]),
        ("veo-3.1", {"reference_images": [URL], "duration": 6}, ["reference_images"]),
        ("veo-3.1", {"reference_images": []}, ["reference_images"]),
        ("veo-3.1", {"reference_images": [URL] * 4}, ["reference_images"]),
        ("veo-3.1", {"last_frame": URL}, ["last_frame"]),
        ("veo-3.1-fast", {"reference_images": [URL]}, ["reference_images"]),
        ("kling-v2.1", {"end_image": URL}, ["end_image"]),
        ("kling-v2.1", {"start_image": None}, ["start_image"]),
        (
            "seedance-2.0-fast",
            {"reference_images": [UPLOAD], "image": UPLOAD},
            ["reference_images"],
        ),
        (
            "seedance-2.0-fast",
            {"reference_images": [UPLOAD], "image": UPLOAD, "last_frame_image": UPLOAD},
            ["reference_images"],
        ),
        ("seedance-2.0-fast", {"reference_images": [UPLOAD] * 10}, ["reference_images"]),
        ("seedance-2.0-fast", {"reference_images": [UPLOAD, URL]}, ["reference_images.1"]),
        ("seedance-2.0-fast", {"last_frame_image": UPLOAD}, ["last_frame_image"]),
        ("seedance-2.0-fast", {"duration": -1}, ["duration"]),
        ("seedance-2.0-fast", {"duration": 3}, ["duration"]),
        ("seedance-2.0-fast", {"reference_videos": [URL]}, ["reference_videos"]),
        ("gpt-image-2", {"quality": "auto"}, ["quality"]),
        ("gpt-image-2", {"aspect_ratio": "3840x2160"}, ["aspect_ratio"]),
        ("gpt-image-2", {"background": "transparent"}, ["background"]),
        ("gpt-image-2", {"moderation": "low"}, ["moderation"]),
        ("gpt-image-2", {"openai_api_key": "sk-x"}, ["openai_api_key"]),
        ("gpt-image-2", {"number_of_images": 5}, ["number_of_images"]),
        ("gpt-image-2", {"input_images": [URL] * 17}, ["input_images"]),
        ("nano-banana-pro", {"allow_fallback_model": True}, ["allow_fallback_model"]),
        ("nano-banana-pro", {"image_input": [URL] * 15}, ["image_input"]),
        ("nano-banana-2", {"image_search": True}, ["image_search"]),
        ("seedream-4.5", {"width": 1024}, ["size"]),
        ("seedream-4.5", {"size": "4K", "height": 4096}, ["size"]),
        ("seedream-4.5", {"size": "custom", "aspect_ratio": "1:1"}, ["size"]),
        ("seedream-4.5", {"max_images": 2}, ["max_images"]),
        ("seedream-4.5", {"image_input": [URL] * 15}, ["image_input"]),
        ("flux-2-pro", {"aspect_ratio": "custom"}, ["aspect_ratio"]),
        ("flux-2-pro", {"aspect_ratio": "match_input_image"}, ["aspect_ratio"]),
        ("flux-2-pro", {"resolution": "match_input_image"}, ["resolution"]),
        ("flux-2-pro", {"input_images": [UPLOAD] * 4}, ["input_images"]),
        ("flux-2-pro", {"input_images": [URL]}, ["input_images.0"]),
        ("flux-2-klein-4b", {"images": [UPLOAD] * 6}, ["images"]),
        ("flux-2-klein-4b", {"aspect_ratio": "match_input_image"}, ["aspect_ratio"]),
        ("flux-2-klein-4b", {"output_megapixels": 2}, ["output_megapixels"]),
        ("ideogram-4-5", {"mask": URL}, ["mask"]),
        ("ideogram-4-5", {"size": "source"}, ["size"]),
        ("ideogram-4-5", {"quality": "very_low", "images": [URL]}, ["quality"]),
        ("ideogram-4-5", {"images": [URL] * 6}, ["images"]),
        ("recraft-v4", {"aspect_ratio": "4:5", "size": "1536x768"}, ["aspect_ratio"]),
        ("kling-v3-video", {"end_image": URL}, ["end_image"]),
        ("kling-v3-video", {"mode": "4k"}, ["mode"]),
        ("kling-v3-video", {"multi_prompt": "[]"}, ["multi_prompt"]),
        ("hailuo-2.3", {"resolution": "1080p", "duration": 10}, ["resolution"]),
        ("hailuo-2.3-fast", {"resolution": "1080p", "duration": 10}, ["resolution"]),
        ("topaz-image-upscale", {"upscale_factor": "6x"}, ["upscale_factor"]),
        ("topaz-image-upscale", {"upscale_factor": "None"}, ["upscale_factor"]),
        ("topaz-image-upscale", {"image": URL}, ["image"]),
        ("flux-kontext-pro", {"safety_tolerance": 3}, ["safety_tolerance"]),
        ("flux-1.1-pro", {"aspect_ratio": "custom"}, ["aspect_ratio"]),
        ("flux-1.1-pro", {"aspect_ratio": "custom", "width": 512}, ["aspect_ratio"]),
        ("flux-1.1-pro", {"width": 512, "height": 512}, ["height", "width"]),
        ("flux-1.1-pro", {"aspect_ratio": "custom", "width": 500, "height": 512}, ["width"]),
        ("sdxl", {"mask": URL}, ["mask"]),
        ("ideogram-v3-turbo", {"mask": URL}, ["mask"]),
        ("ideogram-v3-turbo", {"image": URL}, ["image"]),
        ("flux-dev", {"quality": "high", "num_inference_steps": 10}, ["num_inference_steps"]),
        ("real-esrgan", {"resolution": "2k", "scale": 4}, ["scale"]),
        ("idm-vton", {"category": "dresses", "force_dc": False}, ["force_dc"]),
        ("sd-webui", {"prompt": "a <sd_cpp_extra_args>{}"}, ["prompt"]),
        ("sd-webui", {"negative_prompt": "<sd_cpp_extra_args>"}, ["negative_prompt"]),
        ("sd-webui-img2img", {"image": URL}, ["image"]),
    ],
)
def test_parameters_that_the_model_refuses_or_ignores_are_refused(
    code: str, given: dict[str, Any], fields: list[str]
) -> None:
    assert refused_fields(code, **given) == fields


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("hailuo-02", {"duration": 10, "resolution": "768p"}),
        ("hailuo-02", {"duration": 6, "resolution": "512p"}),
        ("veo-3.1", {"reference_images": [URL, UPLOAD, URL]}),
        ("veo-3.1", {"last_frame": URL, "image": URL}),
        ("kling-v2.1", {"end_image": URL, "mode": "pro"}),
        ("seedance-2.0-fast", {"reference_images": [UPLOAD] * 9}),
        ("seedance-2.0-fast", {"image": UPLOAD, "last_frame_image": UPLOAD}),
        ("gpt-image-2", {"input_images": [URL, *[UPLOAD] * 15], "number_of_images": 4}),
        ("nano-banana-pro", {"image_input": [URL] * 14, "allow_fallback_model": False}),
        ("seedream-4.5", {"size": "custom", "width": 4096, "height": 1024}),
        ("seedream-4.5", {"size": "4K", "aspect_ratio": "21:9", "width": 2048}),
        ("flux-2-pro", {"input_images": [UPLOAD] * 3, "aspect_ratio": "match_input_image"}),
        ("flux-2-klein-4b", {"images": [UPLOAD] * 5, "aspect_ratio": "match_input_image"}),
        ("ideogram-4-5", {"images": [URL] * 5, "mask": UPLOAD, "size": "source"}),
        ("recraft-v4", {"aspect_ratio": "Not set", "size": "1536x768"}),
        ("recraft-v4", {"aspect_ratio": "4:5"}),
        ("kling-v3-video", {"end_image": URL, "start_image": UPLOAD, "duration": 3}),
        ("hailuo-2.3", {"duration": 10}),
        ("hailuo-2.3", {"resolution": "1080p"}),
        ("topaz-image-upscale", {"upscale_factor": "2x"}),
        ("flux-kontext-pro", {"safety_tolerance": 0}),
        ("flux-1.1-pro", {"aspect_ratio": "custom", "width": 256, "height": 1440}),
        ("sdxl", {"mask": URL, "image": UPLOAD}),
        ("flux-dev", {"quality": "high", "num_inference_steps": 50}),
        ("real-esrgan", {"resolution": "4k", "scale": 4}),
        ("sd-webui", {"prompt": "a <lora:detail:1> sd_cpp_extra_args"}),
        ("sd-webui-img2img", {"image": UPLOAD}),
    ],
)
def test_parameters_that_the_model_accepts_are_accepted(code: str, given: dict[str, Any]) -> None:
    assert checked_sample(code, **given).items() >= given.items()


@pytest.mark.parametrize(
    "image",
    [
        "",
        "image.png",
        "http://example.com/a.png",
        "https://",
        # secretlint-disable-next-line -- no real password
        "https://ann:secret@example.com/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "uploads/web#bob/x.jpg",
        "s3://bucket/key",
        UPLOAD.upper(),
        f"{UPLOAD} ",
        7,
        ["x"],
        {},
    ],
)
def test_an_image_is_an_upload_id_or_an_https_url(image: object) -> None:
    assert refused_fields("flux-dev", image=image) == ["image"]


def test_a_blank_prompt_is_refused_by_every_template() -> None:
    """Regex engines disagree about white space, and forms may use an engine other than Python's."""
    prompts = ["", " ", "\t\n", "\x1e", "\x85", "\u3000", "\ufeff"]

    accepted = [
        f"{template.code} accepts {prompt!r}"
        for template in catalog.templates().values()
        if "prompt" in template.parameters
        for prompt in prompts
        if refused_fields(template.code, prompt=prompt) != ["prompt"]
    ]

    assert not accepted, "\n".join(accepted)


@pytest.mark.parametrize(
    "template",
    [template for template in catalog.templates().values() if optional_names(template)],
    ids=lambda template: template.code,
)
@given(data=st.data())
def test_the_published_schema_agrees_with_rules_and_presets(
    template: Template, data: st.DataObject
) -> None:
    names = st.lists(st.sampled_from(optional_names(template)), unique=True)
    parameters = sample_parameters(template)
    for name in data.draw(names):
        parameters[name] = data.draw(st.sampled_from(values_for(template, name)))

    schema = template.schema(prompt_characters_max=PROMPT_CHARACTERS_MAX)
    is_valid = Draft202012Validator(schema).is_valid(parameters)

    try:
        check(template, parameters)
    except InvalidRequest:
        assert not is_valid
    else:
        assert is_valid


@pytest.mark.parametrize(
    ("code", "given", "expected"),
    [
        ("flux-schnell", {}, {"go_fast": True, "output_quality": 80}),
        ("flux-schnell", {"quality": "high"}, {"go_fast": False, "output_quality": 100}),
        ("flux-dev", {"quality": "high"}, {"num_inference_steps": 50, "go_fast": False}),
        ("flux-dev", {"quality": "standard"}, {"num_inference_steps": 28, "go_fast": True}),
        (
            "sdxl",
            {"quality": "high"},
            {"num_inference_steps": 80, "refine": "expert_ensemble_refiner"},
        ),
        ("real-esrgan", {"resolution": "2k"}, {"scale": 2}),
        ("real-esrgan", {"resolution": "4k"}, {"scale": 4}),
        ("idm-vton", {"category": "dresses"}, {"force_dc": True}),
    ],
)
def test_presets_set_the_parameters_of_the_model(
    code: str, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    parameters = checked_sample(code, **given)
    sent = catalog.template(code).model_input(parameters).input

    assert sent.items() >= expected.items()
    assert parameters.items() >= expected.items()
    assert not set(catalog.template(code).own_parameters) & sent.keys()
