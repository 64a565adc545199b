"""The price list of the catalog."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from darkroom import catalog
from darkroom.domain.prices import Prices
from tests.unit.catalog_samples import checked_sample

PRICES = Prices(image=10, video=50, high_quality_multiplier=Decimal("1.5"))


@pytest.mark.parametrize(
    ("code", "given", "expected"),
    [
        ("flux-schnell", {}, 10),
        ("flux-schnell", {"num_outputs": 4}, 40),
        ("flux-schnell", {"quality": "high"}, 15),
        ("flux-schnell", {"quality": "high", "num_outputs": 4}, 60),
        ("flux-dev", {}, 10),
        ("flux-dev", {"quality": "high", "num_outputs": 3}, 45),
        ("flux-1.1-pro", {}, 15),
        ("flux-kontext-pro", {}, 15),
        ("sdxl", {}, 10),
        ("sdxl", {"quality": "high", "num_outputs": 2}, 40),
        ("stable-diffusion-3.5-large", {}, 15),
        ("imagen-4-fast", {}, 10),
        ("ideogram-v3-turbo", {}, 10),
        ("real-esrgan", {"resolution": "2k"}, 10),
        ("real-esrgan", {"resolution": "4k"}, 15),
        ("real-esrgan", {}, 15),
        ("real-esrgan", {"scale": 2}, 10),
        ("real-esrgan", {"scale": 2.5}, 15),
        ("background-remover", {}, 10),
        ("idm-vton", {}, 10),
        ("sd-webui", {}, 10),
        ("sd-webui-img2img", {"num_outputs": 3}, 30),
        ("runway-gen4-turbo", {}, 50),
        ("runway-gen4-turbo", {"duration": 10}, 100),
        ("runway-gen4.5", {}, 75),
        ("runway-gen4.5", {"duration": 2}, 30),
        ("hailuo-02", {}, 75),
        ("hailuo-02", {"resolution": "768p"}, 50),
        ("hailuo-02", {"resolution": "768p", "duration": 10}, 100),
        ("wan-2.2-t2v-fast", {}, 50),
        ("wan-2.2-t2v-fast", {"resolution": "720p"}, 100),
        ("wan-2.2-i2v-fast", {"resolution": "720p"}, 110),
        ("veo-3.1-fast", {}, 120),
        ("veo-3.1-fast", {"duration": 4}, 60),
        ("veo-3.1", {"duration": 6}, 240),
        ("veo-3.1", {"duration": 6, "generate_audio": False}, 120),
        ("kling-v2.1", {}, 50),
        ("kling-v2.1", {"mode": "pro"}, 90),
        ("kling-v2.1", {"mode": "pro", "duration": 10}, 180),
        ("seedance-1-lite", {}, 30),
        ("seedance-1-lite", {"duration": 2, "resolution": "480p"}, 6),
        ("seedance-1-lite", {"duration": 11, "resolution": "1080p"}, 132),
    ],
)
def test_the_price_list(code: str, given: dict[str, Any], expected: int) -> None:
    parameters = checked_sample(code, **given)

    assert catalog.template(code).cost(parameters, PRICES) == expected


def test_a_template_without_its_own_price_has_the_price_of_the_deployment() -> None:
    prices = Prices(image=7, video=31, high_quality_multiplier=Decimal(2))

    def price(code: str, **given: Any) -> int:
        return catalog.template(code).cost(checked_sample(code, **given), prices)

    assert price("flux-schnell", num_outputs=2) == 14
    assert price("flux-schnell", quality="high") == 14
    assert price("wan-2.2-t2v-fast", resolution="720p") == 62
    assert price("real-esrgan", resolution="4k") == 11
    assert price("flux-1.1-pro") == 15
