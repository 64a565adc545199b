"""The rules of docs/prices.md: its example of a sum, and its table of implied multipliers."""

from __future__ import annotations

import json
import re
import tomllib
from decimal import Decimal
from typing import Any

import pytest

from darkroom.catalog.parsing import parse_template
from darkroom.domain.pricing import Multiplier, Price, cost_in_credits
from tests.aws import ROOT
from tests.unit.catalog_samples import URL, check
from tests.unit.price_combinations import PRICES
from tests.unit.test_docs import rows_of
from tests.unit.test_templates import DOCUMENT

PAGE = (ROOT / "docs/prices.md").read_text(encoding="utf-8")


def test_the_example_of_a_sum_has_the_credits_and_usd_of_its_table() -> None:
    (example,) = re.findall(r"```toml sum\n(.*?)```", PAGE, re.DOTALL)
    # The parser reads JSON, which has no dates.
    keys = json.loads(json.dumps(tomllib.loads(example), default=str))
    parameters = {"prompt": DOCUMENT["parameters"]["prompt"]} | keys.pop("parameters")
    template = parse_template(DOCUMENT | keys | {"parameters": parameters})

    for resolution, images, credits_due, usd in rows_of("prices.md", "resolution"):
        given: dict[str, Any] = {"prompt": "a", "resolution": resolution}
        if int(images):
            given["input_images"] = [URL] * int(images)
        checked = check(template, given)

        assert template.cost(checked, PRICES) == int(credits_due)
        assert template.cost_micro_usd(checked) == Decimal(usd) * 1_000_000


def high_quality_with(condition: dict[str, Any] | None, multiplier: str, **given: object) -> int:
    multipliers = (Multiplier(condition, Decimal(multiplier)),) if condition else ()
    return cost_in_credits(
        10,
        {"quality": "high", **given},
        outputs_count=1,
        prices=PRICES,
        price=Price(multipliers=multipliers),
    )


def test_the_table_of_implied_multipliers_has_the_factors_of_the_code() -> None:
    for template, factor in rows_of("prices.md", "the template"):
        found = re.search(r"`({.*})`.* multiplier ([\d.]+)", template)
        condition = tomllib.loads(f"when = {found[1]}")["when"] if found else None
        multiplier = found[2] if found else "1"

        with_images, _, without = factor.partition(" with images, ")
        expected = Decimal(with_images.replace("`HighQualityMultiplier`", "1.5")) * 10

        assert high_quality_with(condition, multiplier, images=[URL]) == expected, template
        if without:
            factor_without = Decimal(without.removesuffix(" without"))
            assert high_quality_with(condition, multiplier) == factor_without * 10


@pytest.mark.parametrize("key", ["tiers", "additions", "multipliers", "successor"])
def test_the_page_about_templates_has_the_key(key: str) -> None:
    page = (ROOT / "docs/adding-a-template.md").read_text(encoding="utf-8")

    assert re.search(rf"^\| `{key}` \|", page, re.MULTILINE)
