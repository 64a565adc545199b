"""What a provider bills for a job, by the catalog and by templates of the test."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from darkroom import catalog
from darkroom.catalog.parsing import BrokenTemplate, parse_template
from darkroom.domain.costs import Cost, Tier, micro_usd_of, usd_of
from darkroom.domain.pricing import Addition, Multiplier
from tests.unit.catalog_samples import UPLOAD, check, checked_sample, sample_parameters
from tests.unit.test_templates import DOCUMENT

COST = {"per_output": 0.01, "source": "A price list.", "checked_on": "2026-11-29"}
PUBLISHED = Cost(source="A price list.", checked_on=date(2026, 11, 29))


@pytest.mark.parametrize(
    ("code", "given", "micro_usd"),
    [
        ("flux-schnell", {}, 3_000),
        ("flux-schnell", {"num_outputs": 4}, 12_000),
        ("kling-v2.1", {}, 250_000),
        ("kling-v2.1", {"mode": "pro", "duration": 10}, 900_000),
        ("seedance-2.0-fast", {"duration": 4, "resolution": "480p"}, 280_000),
        ("seedance-2.0-fast", {"duration": 15}, 2_250_000),
        ("flux-2-pro", {}, 30_000),
        ("flux-2-pro", {"resolution": "4 MP", "input_images": [UPLOAD] * 3}, 165_000),
        ("gpt-image-2", {"quality": "high", "number_of_images": 4}, 512_000),
        ("veo-3.1", {}, 3_200_000),
        ("veo-3.1", {"generate_audio": False}, 1_600_000),
        ("hailuo-02", {}, 490_000),
        ("hailuo-02", {"resolution": "768p", "duration": 10}, 560_000),
        ("wan-2.2-i2v-fast", {"resolution": "720p", "interpolate_output": True}, 145_000),
        ("sd-webui", {"num_outputs": 4}, 0),
        ("sd-webui-img2img", {}, 0),
    ],
)
def test_a_job_of_the_catalog_costs(code: str, given: dict[str, Any], micro_usd: int) -> None:
    assert catalog.template(code).cost_micro_usd(checked_sample(code, **given)) == micro_usd


def test_each_cost_of_the_catalog_has_a_date_and_a_source() -> None:
    templates = [*catalog.templates().values(), *catalog.past_templates().values()]

    for template in templates:
        assert date(2026, 1, 1) < template.cost_usd.checked_on, template.code
        assert len(template.cost_usd.source) > 20, template.code
        is_bound = "upper bound" in template.cost_usd.source
        assert template.cost_usd.estimated == is_bound, template.code
        is_free = template.cost_micro_usd(check(template, sample_parameters(template))) == 0
        assert is_free == (template.provider == "stable_diffusion"), template.code


def test_the_multipliers_apply_together_and_are_rounded_up_once() -> None:
    multipliers = (
        Multiplier({"size": {"const": "l"}}, Decimal("1.5")),
        Multiplier({"n": {"minimum": 2}}, Decimal("1.1")),
    )
    cost = Cost(
        source=PUBLISHED.source,
        checked_on=PUBLISHED.checked_on,
        per_output=Decimal("0.0000011"),
        multipliers=multipliers,
    )

    assert cost.micro_usd({"size": "s", "n": 1}, outputs_count=1) == 2
    assert cost.micro_usd({"size": "l", "n": 2}, outputs_count=2) == 4
    assert cost.micro_usd({}, outputs_count=10) == 11


def test_the_first_tier_that_matches_is_the_unit_of_the_multipliers() -> None:
    tiers = (
        Tier({"size": {"const": "l"}, "n": {"const": 2}}, Decimal("0.05")),
        Tier({"size": {"const": "l"}}, Decimal("0.03")),
        Tier({"size": {"const": "free"}}, Decimal(0)),
    )
    cost = Cost(
        source=PUBLISHED.source,
        checked_on=PUBLISHED.checked_on,
        per_second=Decimal("0.01"),
        seconds_parameter="seconds",
        tiers=tiers,
        multipliers=(Multiplier({"n": {"const": 2}}, Decimal("1.5")),),
    )

    def micro_usd(**parameters: object) -> int:
        return cost.micro_usd({"seconds": 2, **parameters}, outputs_count=1)

    assert micro_usd() == 20_000
    assert micro_usd(size="l") == 60_000
    assert micro_usd(size="l", n=2) == 150_000
    assert micro_usd(n=2) == 30_000
    assert micro_usd(size="free") == 0


def test_an_addition_is_billed_once_and_for_each_item_of_a_list() -> None:
    cost = Cost(
        source=PUBLISHED.source,
        checked_on=PUBLISHED.checked_on,
        per_output=Decimal("0.015"),
        additions=(Addition(Decimal("0.01")), Addition(Decimal("0.002"), per_item_of="images")),
    )

    assert cost.micro_usd({}, outputs_count=1) == 25_000
    assert cost.micro_usd({"images": ["a", "b"]}, outputs_count=2) == 44_000


def test_usd_and_micro_usd_are_the_same_amount() -> None:
    assert usd_of(1_500_000) == 1.5
    assert micro_usd_of(Decimal("1.5")) == 1_500_000
    assert micro_usd_of(Decimal("0.0000019")) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"per_output": None}, "cost_usd: must have either"),
        ({"per_second": 0.1, "seconds_parameter": "n"}, "cost_usd: must have either"),
        ({"per_output": -0.01}, "cost_usd.per_output: "),
        ({"per_output": "cheap"}, "cost_usd.per_output: "),
        ({"per_output": None, "per_second": 0.1}, "cost_usd: per_second and"),
        ({"seconds_parameter": "n"}, "cost_usd: per_second and"),
        (
            {"per_output": None, "per_second": 0.1, "seconds_parameter": "strength"},
            "cost_usd.seconds_parameter: strength needs a default",
        ),
        (
            {"per_output": None, "per_second": 0.1, "seconds_parameter": "wings"},
            "parameters: wings is used",
        ),
        ({"source": " "}, "cost_usd.source: "),
        ({"checked_on": "yesterday"}, "cost_usd.checked_on: "),
        ({"estimated": "yes"}, "cost_usd.estimated: "),
        ({"colour": "red"}, "cost_usd.colour: "),
        ({"multipliers": [{"when": {}, "multiplier": 2}]}, "cost_usd.multipliers: "),
        (
            {"multipliers": [{"when": {"n": {"const": 2}}, "multiplier": 0}]},
            "cost_usd.multipliers: ",
        ),
        (
            {"multipliers": [{"when": {"n": {"minimum": "two"}}, "multiplier": 2}]},
            "cost_usd.multipliers: ",
        ),
        ({"tiers": [{"when": {}, "usd": 0.1}]}, "cost_usd.tiers: "),
        ({"tiers": [{"when": {"n": {"const": 2}}, "usd": -0.1}]}, "cost_usd.tiers: "),
        ({"tiers": [{"when": {"n": {"minimum": "two"}}, "usd": 0.1}]}, "cost_usd.tiers: "),
        ({"tiers": [{"when": {"n": {"const": 2}}}]}, "cost_usd.tiers.0.usd: "),
        ({"tiers": [{"when": {"wings": {}}, "usd": 0.1}]}, "parameters: wings is used"),
        ({"additions": [{"amount": 0}]}, "cost_usd.additions: each needs"),
        ({"additions": [{"amount": 1, "per_item_of": "n"}]}, "cost_usd.additions: n must be"),
        ({"additions": [{"amount": 1, "per_item_of": "wings"}]}, "parameters: wings is used"),
        ({"additions": [{"amount": 1, "when": {"n": {"type": "x"}}}]}, "cost_usd.additions: "),
        ({"additions": [{"when": {"n": {}}}]}, "cost_usd.additions.0.amount: "),
    ],
)
def test_a_wrong_cost_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BrokenTemplate) as refused:
        parse_template(DOCUMENT | {"cost_usd": COST | change})

    assert str(refused.value).startswith(field)


def test_a_cost_of_zero_and_a_cost_per_second_are_accepted() -> None:
    free = parse_template(DOCUMENT | {"cost_usd": COST | {"per_output": 0}})
    changed = {"per_output": None, "per_second": 0.1, "seconds_parameter": "n"}
    timed = parse_template(DOCUMENT | {"cost_usd": COST | changed})

    assert free.cost_micro_usd({"n": 4}) == 0
    assert timed.cost_micro_usd({"n": 4}) == 400_000
