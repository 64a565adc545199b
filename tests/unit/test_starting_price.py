"""The price of the defaults, which the list of templates shows."""

from __future__ import annotations

import pytest

from darkroom import catalog
from darkroom.catalog.parsing import parse_template
from darkroom.domain.starting_price import starting_price
from tests.unit.catalog_samples import checked_sample
from tests.unit.price_combinations import PRICES
from tests.unit.test_templates import DOCUMENT


@pytest.mark.parametrize("code", sorted(set(catalog.codes()) - {"topaz-image-upscale"}))
def test_the_starting_price_is_that_of_a_job_with_the_defaults(code: str) -> None:
    template = catalog.template(code)

    assert starting_price(template, PRICES) == template.cost(checked_sample(code), PRICES)


def test_a_required_choice_counts_with_its_cheapest_value() -> None:
    template = catalog.template("topaz-image-upscale")
    costs = [
        template.cost(checked_sample(template.code, upscale_factor=factor), PRICES)
        for factor in ("2x", "4x")
    ]

    assert starting_price(template, PRICES) == min(costs)


def test_required_images_count_with_their_minimum() -> None:
    image = {"type": "string", "format": "image"}
    template = parse_template(
        DOCUMENT
        | {
            "required": ["images"],
            "parameters": {
                "images": {"type": "array", "items": image, "minItems": 2, "maxItems": 4},
            },
            "price": {"credits": 30, "additions": [{"amount": 5, "per_item_of": "images"}]},
        }
    )

    assert starting_price(template, PRICES) == 30 + 2 * 5
