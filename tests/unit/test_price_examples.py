"""Templates of other models: each has the shape of a published price list."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.catalog.parsing import parse_template
from darkroom.domain.templates import Template
from tests.unit.catalog_samples import URL, check
from tests.unit.price_combinations import PRICES, combinations, priced, spread, underpriced
from tests.unit.test_templates import DOCUMENT

SOURCE = {"source": "The price on the model's page.", "checked_on": "2026-10-07"}
PROMPT = DOCUMENT["parameters"]["prompt"]


def template_of(
    price: dict[str, Any], cost: dict[str, Any], parameters: dict[str, Any], **keys: Any
) -> Template:
    return parse_template(
        DOCUMENT
        | {"price": price, "cost_usd": SOURCE | cost, "parameters": {"prompt": PROMPT} | parameters}
        | keys
    )


def when(**values: object) -> dict[str, Any]:
    return {name: {"const": value} for name, value in values.items()}


# One price for each quality. Replicate, openai/gpt-image-2, 2026-10-05.
GPT_IMAGE = template_of(
    {
        "credits": 3,
        "multipliers": [
            {"when": when(quality="medium"), "multiplier": 3.3},
            {"when": when(quality="high"), "multiplier": 8.6},
        ],
    },
    {
        "per_output": 0.012,
        "tiers": [
            {"when": when(quality="medium"), "usd": 0.047},
            {"when": when(quality="high"), "usd": 0.128},
        ],
    },
    {
        "quality": {"type": "string", "enum": ["low", "medium", "high"], "default": "medium"},
        "number_of_images": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
    },
    outputs_parameter="number_of_images",
)
# One price for each resolution, by the second. Replicate, bytedance/seedance-2.0, 2026-10-05.
SEEDANCE = template_of(
    {
        "credits_per_second": 36,
        "seconds_parameter": "duration",
        "multipliers": [
            {"when": when(resolution="480p"), "multiplier": 0.45},
            {"when": when(resolution="1080p"), "multiplier": 2.5},
            {"when": when(resolution="4k"), "multiplier": 5.56},
        ],
    },
    {
        "per_second": 0.18,
        "seconds_parameter": "duration",
        "tiers": [
            {"when": when(resolution="480p"), "usd": 0.08},
            {"when": when(resolution="1080p"), "usd": 0.45},
            {"when": when(resolution="4k"), "usd": 1.00},
        ],
    },
    {
        "duration": {"type": "integer", "minimum": 4, "maximum": 15, "default": 5},
        "resolution": {
            "type": "string",
            "enum": ["480p", "720p", "1080p", "4k"],
            "default": "720p",
        },
    },
    category="video",
)
# A fee, the pixels of the output, and the pixels of each input, at most 2 megapixels.
# Replicate, black-forest-labs/flux-2-pro, 2026-09-16.
FLUX = template_of(
    {
        "credits": 3,
        "multipliers": [
            {"when": when(resolution="2 MP"), "multiplier": 2},
            {"when": when(resolution="4 MP"), "multiplier": 4},
        ],
        "additions": [{"amount": 3}, {"amount": 6, "per_item_of": "input_images"}],
    },
    {
        "per_output": 0.015,
        "tiers": [
            {"when": when(resolution="2 MP"), "usd": 0.03},
            {"when": when(resolution="4 MP"), "usd": 0.06},
        ],
        "additions": [{"amount": 0.015}, {"amount": 0.03, "per_item_of": "input_images"}],
    },
    {
        "resolution": {
            "type": "string",
            "enum": ["0.5 MP", "1 MP", "2 MP", "4 MP"],
            "default": "1 MP",
        },
        "input_images": {
            "type": "array",
            "items": {"type": "string", "format": "image"},
            "minItems": 1,
            "maxItems": 3,
        },
    },
)


@pytest.mark.parametrize(
    ("template", "given", "credits_due", "micro_usd"),
    [
        (GPT_IMAGE, {"quality": "low"}, 3, 12_000),
        (GPT_IMAGE, {}, 10, 47_000),
        (GPT_IMAGE, {"quality": "high"}, 26, 128_000),
        (GPT_IMAGE, {"quality": "high", "number_of_images": 10}, 260, 1_280_000),
        (SEEDANCE, {}, 180, 900_000),
        (SEEDANCE, {"resolution": "480p"}, 81, 400_000),
        (SEEDANCE, {"resolution": "4k"}, 1_001, 5_000_000),
        (FLUX, {}, 6, 30_000),
        (FLUX, {"resolution": "4 MP"}, 15, 75_000),
        (FLUX, {"input_images": [URL]}, 12, 60_000),
        (FLUX, {"resolution": "2 MP", "input_images": [URL] * 3}, 27, 135_000),
    ],
)
def test_price_and_cost_are_those_of_the_list(
    template: Template, given: dict[str, Any], credits_due: int, micro_usd: int
) -> None:
    parameters = check(template, {"prompt": "a lighthouse", **given})

    assert template.cost(parameters, PRICES) == credits_due
    assert template.cost_micro_usd(parameters) == micro_usd


@pytest.mark.parametrize(
    ("template", "count"), [(GPT_IMAGE, 3 * 2), (SEEDANCE, 2 * 4), (FLUX, 4 * 4)]
)
def test_the_combinations_have_nearly_equal_credits_per_usd(template: Template, count: int) -> None:
    found = priced(template)

    assert len(combinations(template)) == len(found) == count
    assert spread(found) < 1.25
    assert underpriced(template, found) == []


def test_a_sum_is_exact_where_factors_are_only_near() -> None:
    assert spread(priced(FLUX)) == 1
