"""The price list of the catalog."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from darkroom import catalog
from darkroom.domain.prices import Prices
from tests.unit.catalog_samples import UPLOAD, URL, checked_sample

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
        ("flux-2-klein-4b", {}, 1),
        ("flux-2-klein-4b", {"output_megapixels": "4", "images": [UPLOAD] * 5}, 14),
        ("flux-2-pro", {}, 6),
        ("flux-2-pro", {"resolution": "4 MP", "input_images": [UPLOAD] * 3}, 33),
        ("gpt-image-2", {}, 10),
        ("gpt-image-2", {"quality": "low"}, 3),
        ("gpt-image-2", {"quality": "high"}, 26),
        ("ideogram-4-5", {}, 12),
        ("ideogram-4-5", {"quality": "high", "num_images": 4}, 80),
        ("ideogram-4-5", {"quality": "high", "images": [URL]}, 44),
        ("nano-banana-2", {"resolution": "4K"}, 31),
        ("nano-banana-pro", {}, 30),
        ("nano-banana-pro", {"resolution": "4K"}, 60),
        ("recraft-v4", {}, 8),
        ("seedream-4.5", {"size": "4K"}, 8),
        ("topaz-image-upscale", {"upscale_factor": "4x"}, 10),
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
        ("hailuo-2.3", {}, 56),
        ("hailuo-2.3", {"resolution": "1080p"}, 98),
        ("hailuo-2.3-fast", {"duration": 10}, 64),
        ("kling-v3-video", {}, 225),
        ("kling-v3-video", {"duration": 3, "mode": "standard"}, 102),
        ("kling-v3-video", {"duration": 15, "generate_audio": True}, 1_020),
        ("seedance-2.0-fast", {}, 150),
        ("seedance-2.0-fast", {"duration": 4, "resolution": "480p"}, 56),
        ("seedance-2.0-fast", {"duration": 15}, 450),
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
