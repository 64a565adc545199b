"""The images of the catalog: no template asks or makes more than Darkroom and providers accept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from darkroom import catalog
from darkroom.domain.templates import Template
from darkroom.domain.uploads import SIDES
from darkroom.providers import load_provider
from local.simulators.replicate.model_table import find_by_version
from local.simulators.runway import assets, issues
from tests.unit.largest_outputs import largest_output
from tests.unit.number_sources import setting

TEMPLATES = list(catalog.templates().values())


def too_large(template: Template) -> list[str]:
    """Return the limits that the largest output of a template exceeds."""
    output = largest_output(template)
    pixels_max = setting(
        "output_pixels_max" if template.category == "image" else "video_pixels_max"
    )
    return [
        f"{template.code}: {actual:.0f} is more than {limit}"
        for actual, limit in (
            (output.pixels, pixels_max),
            (output.bytes, setting("output_bytes_max")),
        )
        if actual > limit.value
    ]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.code)
def test_the_largest_output_of_a_template_can_be_stored(template: Template) -> None:
    assert not too_large(template)


@pytest.mark.parametrize(
    ("code", "name", "schema"),
    [
        ("real-esrgan", "scale", {"maximum": 10}),
        ("real-esrgan", "image", {"x-image": {"max_side": 2048}}),
        ("sdxl", "width", {"maximum": 20_000}),
        ("kling-v3-video", "duration", {"maximum": 20}),
    ],
)
def test_a_template_with_larger_outputs_is_found(code: str, name: str, schema: Any) -> None:
    template = catalog.template(code)
    larger = {**template.parameters, name: {**template.parameters[name], **schema}}

    assert too_large(replace(template, parameters=larger))


def test_a_template_whose_outputs_have_no_stated_size_is_found() -> None:
    with pytest.raises(LookupError, match="new-model"):
        largest_output(replace(catalog.template("recraft-v4"), code="new-model"))


def test_an_image_inside_the_request_has_at_most_the_bytes_of_its_provider() -> None:
    unlimited = [
        f"{template.code}.{name}"
        for template in TEMPLATES
        if (bytes_max := load_provider(template.provider).INLINE_INPUT_BYTES_MAX)
        for name, rules in template.image_rules.items()
        if rules.bytes_max is None or rules.bytes_max > bytes_max
    ]

    assert not unlimited


def test_runway_accepts_every_image_that_its_template_accepts() -> None:
    rules = catalog.template("runway-gen4-turbo").image_rules["image"]
    assert rules.bytes_max is not None
    data_url_characters = len("data:image/jpeg;base64,") + -(-rules.bytes_max // 3) * 4

    # docs.dev.runwayml.com/assets/inputs says 5 MB: it may count 1,000 or 1,024 bytes as a kB.
    assert data_url_characters <= 5_000_000 <= issues.DATA_URI_CHARACTERS_MAX
    assert rules.aspect_ratio_max == assets.RATIO_MAX == 1 / assets.RATIO_MIN
    assert rules.max_side <= assets.SIDE_PIXELS_MAX


def test_real_esrgan_receives_at_most_the_pixels_that_the_model_accepts() -> None:
    template = catalog.template("real-esrgan")
    model = find_by_version(template.model)

    assert model
    assert template.image_rules["image"].pixels_max == model.pixels_max


def test_the_public_schema_shows_the_rules_of_each_image() -> None:
    for template in TEMPLATES:
        properties = template.schema(prompt_characters_max=100)["properties"]
        for name, rules in template.image_rules.items():
            schema = properties[name].get("items", properties[name])
            assert schema["x-image"] == rules.public()
            assert schema["x-image"]["max_side"] in SIDES


def test_images_inside_a_request_fit_into_the_webhook_that_repeats_them() -> None:
    webhook_bytes_max = setting("webhook_body_bytes_max").value
    inline = {t.code: t.inline_inputs_bytes_max for t in TEMPLATES if t.inline_inputs_bytes_max}

    # Base64 has 4 characters for 3 bytes. The rest is for the prompt and the links.
    too_large = [
        code for code, found in inline.items() if found * 4 / 3 + 200_000 > webhook_bytes_max
    ]

    assert list(inline) == ["seedance-2.0-fast"]
    assert not too_large
