"""The price of a job, with the deployment's prices and with a template's own price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.prices import Prices
from darkroom.domain.pricing import Addition, Multiplier, Price, cost_in_credits

PRICES = Prices(image=10, video=50, high_quality_multiplier=Decimal("1.5"))
BASES = st.integers(min_value=1, max_value=10_000)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "quality": st.sampled_from(["low", "high"]),
        "resolution": st.sampled_from(["hd", "4k"]),
    },
)
MULTIPLIERS = st.decimals(min_value=1, max_value=10, places=2)


def cost(
    base: int, *, outputs_count: int = 1, multiplier: str = "1.5", **parameters: object
) -> int:
    prices = Prices(image=10, video=50, high_quality_multiplier=Decimal(multiplier))
    return cost_in_credits(base, parameters, outputs_count=outputs_count, prices=prices)


@pytest.mark.parametrize(
    ("base", "parameters", "outputs_count", "multiplier", "expected"),
    [
        (10, {}, 1, "1.5", 10),
        (10, {"quality": "high"}, 1, "1.5", 15),
        (10, {"quality": "low"}, 1, "1.5", 10),
        (50, {}, 1, "1.5", 50),
        (50, {"quality": "high"}, 1, "1.5", 75),
        (10, {"resolution": "4k"}, 1, "1.5", 15),
        (15, {"resolution": "4k"}, 1, "1.5", 23),
        (10, {"quality": "high", "resolution": "4k"}, 1, "1.5", 23),
        (10, {"quality": "high", "resolution": "4k"}, 4, "1.5", 92),
        (50, {"quality": "high", "resolution": "4k"}, 1, "1.5", 113),
        (10, {}, 4, "1.5", 40),
        (10, {"quality": "high"}, 1, "1.25", 13),
        (10, {"quality": "high", "resolution": "4k"}, 1, "1.25", 20),
        (10, {"quality": "high"}, 3, "1.25", 39),
        (10, {"quality": "high"}, 1, "1", 10),
        (10, {"quality": "high"}, 1, "1.1", 11),
        (7, {"quality": "high"}, 1, "1.01", 8),
        (1, {"resolution": "4k"}, 1, "1.5", 2),
        (1, {"quality": True, "resolution": 4}, 1, "1.5", 1),
    ],
)
def test_the_price_list(
    base: int, parameters: dict[str, object], outputs_count: int, multiplier: str, expected: int
) -> None:
    assert cost(base, outputs_count=outputs_count, multiplier=multiplier, **parameters) == expected


@given(BASES, PARAMETERS, st.integers(min_value=1, max_value=10), MULTIPLIERS)
def test_a_price_is_an_integer_and_grows_with_each_input(
    base: int, parameters: dict[str, str], outputs_count: int, multiplier: Decimal
) -> None:
    prices = Prices(image=10, video=50, high_quality_multiplier=multiplier)

    def price(base: int = base, outputs_count: int = outputs_count, **more: str) -> int:
        return cost_in_credits(base, parameters | more, outputs_count=outputs_count, prices=prices)

    assert type(price()) is int
    assert price() >= base * outputs_count > 0
    assert price(base + 1) >= price()
    assert price(outputs_count=outputs_count + 1) > price()
    assert price(quality="high") >= price(quality="low")
    assert price(resolution="4k") > price(resolution="hd")


@given(BASES, PARAMETERS, st.integers(min_value=1, max_value=10))
def test_several_outputs_cost_a_multiple_of_one_output(
    base: int, parameters: dict[str, Any], outputs_count: int
) -> None:
    assert cost(base, outputs_count=outputs_count, **parameters) == outputs_count * cost(
        base, **parameters
    )


class TestPricesOfATemplate:
    def test_the_templates_credits_replace_the_price_of_the_deployment(self) -> None:
        assert priced({}, credits=15) == 15
        assert priced({"quality": "high"}, credits=15) == 23

    @pytest.mark.parametrize(("seconds", "expected"), [(1, 15), (8, 120), (2.5, 38)])
    def test_a_video_may_have_a_price_per_second(self, seconds: float, expected: int) -> None:
        assert (
            priced({"duration": seconds}, credits_per_second=15, seconds_parameter="duration")
            == expected
        )

    def test_the_price_of_each_video_is_rounded_up(self) -> None:
        price = Price(credits_per_second=15, seconds_parameter="duration")

        assert (
            cost_in_credits(50, {"duration": 2.5}, outputs_count=2, prices=PRICES, price=price)
            == 76
        )

    def test_high_quality_by_condition_and_by_name_counts_once(self) -> None:
        when = {"mode": {"const": "pro"}}

        assert priced({"mode": "pro"}, high_quality_when=when) == 15
        assert priced({"mode": "pro", "quality": "high"}, high_quality_when=when) == 15
        assert priced({"mode": "standard"}, high_quality_when=when) == 10
        assert priced({}, high_quality_when=when) == 10

    def test_4k_by_condition_and_by_name_counts_once(self) -> None:
        when = {"scale": {"exclusiveMinimum": 2}}

        assert priced({"scale": 4}, resolution_4k_when=when) == 15
        assert priced({"scale": 4, "resolution": "4k"}, resolution_4k_when=when) == 15
        assert priced({"scale": 2}, resolution_4k_when=when) == 10

    def test_the_templates_multipliers_apply_last_and_round_up(self) -> None:
        multipliers = (
            Multiplier({"duration": {"const": 10}}, Decimal("1.1")),
            Multiplier({"sound": {"const": True}}, Decimal("1.1")),
        )

        assert priced({"duration": 10}, multipliers=multipliers) == 11
        assert priced({"duration": 10, "sound": True}, multipliers=multipliers) == 13
        assert priced({"duration": 6, "sound": False}, multipliers=multipliers) == 10


class TestImpliedMultipliers:
    """High quality and 4k raise the price only where the template names no price for them."""

    @pytest.mark.parametrize(
        ("name", "value", "other"), [("quality", "high", "medium"), ("resolution", "4k", "720p")]
    )
    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (lambda value, _: {"const": value}, 30),
            (lambda value, other: {"enum": [other, value]}, 30),
            (lambda _, other: {"not": {"const": other}}, 30),
            (lambda *_: {}, 30),
            (lambda _, other: {"const": other}, 15),
        ],
    )
    def test_a_multiplier_of_the_value_replaces_the_implied_one(
        self, name: str, value: str, other: str, condition: Any, expected: int
    ) -> None:
        multipliers = (Multiplier({name: condition(value, other)}, Decimal(3)),)

        assert priced({name: value}, multipliers=multipliers) == expected

    def test_a_multiplier_of_1_keeps_the_price(self) -> None:
        multipliers = (Multiplier({"quality": {"const": "high"}}, Decimal(1)),)

        assert priced({"quality": "high"}, multipliers=multipliers) == 10

    def test_a_price_with_a_second_condition_is_a_price_for_the_value(self) -> None:
        when = {"quality": {"const": "high"}, "images": {}}
        multipliers = (Multiplier(when, Decimal(2)),)

        assert priced({"quality": "high", "images": ["a"]}, multipliers=multipliers) == 20
        assert priced({"quality": "high"}, multipliers=multipliers) == 10

    def test_an_addition_for_the_value_replaces_the_implied_multiplier(self) -> None:
        additions = (Addition(Decimal(3), {"resolution": {"const": "4k"}}),)

        assert priced({"resolution": "4k"}, additions=additions) == 13
        assert priced({"quality": "high", "resolution": "4k"}, additions=additions) == 18

    def test_the_two_implied_multipliers_are_independent(self) -> None:
        multipliers = (Multiplier({"quality": {"const": "high"}}, Decimal(2)),)

        assert priced({"quality": "high", "resolution": "4k"}, multipliers=multipliers) == 30

    def test_a_condition_for_high_quality_applies_beside_a_multiplier(self) -> None:
        multipliers = (Multiplier({"quality": {"const": "high"}}, Decimal(2)),)
        when = {"mode": {"const": "pro"}}

        def cost_with(**parameters: object) -> int:
            return priced(parameters, multipliers=multipliers, high_quality_when=when)

        assert cost_with(quality="high") == 20
        assert cost_with(mode="pro") == 15
        assert cost_with(mode="pro", quality="high") == 30


class TestAdditions:
    IMAGES = (Addition(Decimal("2.5"), per_item_of="images"),)

    @pytest.mark.parametrize(("count", "expected"), [(0, 10), (1, 13), (2, 15), (3, 18)])
    def test_an_amount_for_each_item_is_rounded_up_once(self, count: int, expected: int) -> None:
        assert priced({"images": ["a"] * count}, additions=self.IMAGES) == expected

    def test_a_missing_list_adds_nothing(self) -> None:
        assert priced({}, additions=self.IMAGES) == 10

    def test_an_addition_counts_once_for_all_outputs_and_is_not_multiplied(self) -> None:
        price = Price(additions=(Addition(Decimal(3)), *self.IMAGES))
        parameters = {"quality": "high", "images": ["a", "b"]}

        total = cost_in_credits(10, parameters, outputs_count=4, prices=PRICES, price=price)

        assert total == 4 * 15 + 3 + 5

    def test_an_addition_needs_its_condition(self) -> None:
        additions = (Addition(Decimal(3), {"sound": {"const": True}}),)

        assert priced({"sound": True}, additions=additions) == 13
        assert priced({"sound": False}, additions=additions) == 10
        assert priced({}, additions=additions) == 10


def priced(parameters: dict[str, object], **price: Any) -> int:
    return cost_in_credits(10, parameters, outputs_count=1, prices=PRICES, price=Price(**price))
