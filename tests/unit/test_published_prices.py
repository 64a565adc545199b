"""Prices and costs of every combination of parameters, by the published price lists."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import pytest

from darkroom import catalog
from darkroom.domain.costs import MICRO_USD_PER_USD
from tests.unit.price_combinations import PRICES, Priced, combinations, priced, spread, underpriced
from tests.unit.published_prices import BILLED_BY, PUBLISHED

SPREAD_MAX = 2
OWN_GPU = {code for code in catalog.codes() if code.startswith("sd-webui")}


@cache
def priced_once(code: str, version: int | None = None) -> list[Priced]:
    return priced(catalog.template(code, version))


def test_the_price_lists_have_every_template_and_no_other() -> None:
    assert set(PUBLISHED) == set(catalog.codes())


@pytest.mark.parametrize("code", catalog.codes())
def test_each_combination_has_the_published_cost_and_the_listed_price(code: str) -> None:
    template = catalog.template(code)
    wrong = []
    for parameters in combinations(template, more=BILLED_BY):
        usd, credits_due = PUBLISHED[code](parameters)
        due = (int(usd * MICRO_USD_PER_USD), credits_due)
        found = (template.cost_micro_usd(parameters), template.cost(parameters, PRICES))
        if found != due:
            wrong.append(f"{parameters}: {found}, but published {due}")

    assert not wrong, "\n".join(wrong[:5])


@pytest.mark.parametrize("code", sorted(set(catalog.codes()) - OWN_GPU))
def test_credits_per_usd_differ_at_most_by_a_factor_of_two(code: str) -> None:
    assert spread(priced_once(code)) <= SPREAD_MAX


@pytest.mark.parametrize("code", sorted(set(catalog.codes()) - OWN_GPU))
def test_each_value_that_costs_the_operator_more_has_a_higher_price(code: str) -> None:
    assert underpriced(catalog.template(code), priced_once(code)) == []


@pytest.mark.parametrize("code", sorted(OWN_GPU))
def test_the_operators_own_gpu_costs_nothing_with_any_parameters(code: str) -> None:
    assert {each.micro_usd for each in priced_once(code)} == {0}


@pytest.mark.parametrize(
    ("code", "largest"),
    [("seedance-1-lite", Decimal("2.66")), ("sdxl", Decimal(10))],
)
def test_a_template_with_a_larger_spread_is_found(code: str, largest: Decimal) -> None:
    assert spread(priced_once(code, 1)) > largest > SPREAD_MAX


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("veo-3.1", ["generate_audio=True"]),
        ("wan-2.2-i2v-fast", ["interpolate_output=True"]),
        ("seedance-1-lite", ["resolution=720p"]),
    ],
)
def test_a_value_without_a_multiplier_is_found(code: str, values: list[str]) -> None:
    assert underpriced(catalog.template(code, 1), priced_once(code, 1)) == values
