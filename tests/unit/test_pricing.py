from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.pricing import Multiplier, Price, Prices, cost_in_credits

SEEDS = Prices(image=10, video=50, high_quality_multiplier=Decimal("1.5"))
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
def test_more_never_costs_less_and_a_price_is_whole(
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
def test_several_outputs_cost_exactly_so_many_times_one(
    base: int, parameters: dict[str, Any], outputs_count: int
) -> None:
    assert cost(base, outputs_count=outputs_count, **parameters) == outputs_count * cost(
        base, **parameters
    )


class TestPricesOfATemplate:
    def test_credits_of_its_own_take_the_place_of_the_deployments(self) -> None:
        assert priced({}, credits=15) == 15
        assert priced({"quality": "high"}, credits=15) == 23

    @pytest.mark.parametrize(("seconds", "expected"), [(1, 15), (8, 120), (2.5, 38)])
    def test_a_video_may_be_priced_by_the_second(self, seconds: float, expected: int) -> None:
        assert (
            priced({"duration": seconds}, credits_per_second=15, seconds_parameter="duration")
            == expected
        )

    def test_each_of_several_videos_is_rounded_up(self) -> None:
        price = Price(credits_per_second=15, seconds_parameter="duration")

        assert (
            cost_in_credits(50, {"duration": 2.5}, outputs_count=2, prices=SEEDS, price=price) == 76
        )

    def test_what_is_high_quality_in_the_models_own_words_counts_once(self) -> None:
        when = {"mode": {"const": "pro"}}

        assert priced({"mode": "pro"}, high_quality_when=when) == 15
        assert priced({"mode": "pro", "quality": "high"}, high_quality_when=when) == 15
        assert priced({"mode": "standard"}, high_quality_when=when) == 10
        assert priced({}, high_quality_when=when) == 10

    def test_what_is_4k_in_the_models_own_words_counts_once(self) -> None:
        when = {"scale": {"exclusiveMinimum": 2}}

        assert priced({"scale": 4}, resolution_4k_when=when) == 15
        assert priced({"scale": 4, "resolution": "4k"}, resolution_4k_when=when) == 15
        assert priced({"scale": 2}, resolution_4k_when=when) == 10

    def test_multipliers_of_its_own_come_last_and_each_rounds_up(self) -> None:
        multipliers = (
            Multiplier({"duration": {"const": 10}}, Decimal("1.1")),
            Multiplier({"sound": {"const": True}}, Decimal("1.1")),
        )

        assert priced({"duration": 10}, multipliers=multipliers) == 11
        assert priced({"duration": 10, "sound": True}, multipliers=multipliers) == 13
        assert priced({"duration": 6, "sound": False}, multipliers=multipliers) == 10


def priced(parameters: dict[str, object], **price: Any) -> int:
    return cost_in_credits(10, parameters, outputs_count=1, prices=SEEDS, price=Price(**price))
