"""What the providers publish for the models of the catalog, and the credits of each tier.

This table is written from the providers' price lists, not from the template files. A change of a
price must be written in both places. The credits are those of a deployment with the default prices:
10 for an image, 50 for a video, and 1.5 for high quality.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

# replicate.com/pricing, 2026-10-07: the dearest GPU, an H100, in USD per second.
H100_USD_PER_SECOND = Decimal("0.001525")


@dataclass(frozen=True)
class Tier:
    """USD and credits of one unit of an output, if the parameters have these values."""

    usd: Decimal
    credits: int
    criteria: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """The tiers of a model: the first one whose criteria match is billed.

    `seconds` and `outputs` are the parameters that count the units.
    """

    tiers: tuple[Tier, ...]
    seconds: str | None = None
    outputs: str | None = None

    def job(self, parameters: Mapping[str, Any]) -> tuple[Decimal, int]:
        """Return USD and credits of a job."""
        tier = next(
            each
            for each in self.tiers
            if all(parameters.get(name) == value for name, value in each.criteria.items())
        )
        units = 1
        for name in filter(None, [self.seconds, self.outputs]):
            units *= parameters[name]
        return tier.usd * units, tier.credits * units


def flat(usd: str, credits_each: int, *, outputs: str | None = None) -> Published:
    return Published((tier(usd, credits_each),), outputs=outputs)


def tier(usd: str, credits_each: int, **criteria: object) -> Tier:
    return Tier(Decimal(usd), credits_each, criteria)


def seconds_of_gpu(expected_seconds: int) -> Decimal:
    """Return the upper bound of a community model: twice the usual time on the dearest GPU."""
    return 2 * expected_seconds * H100_USD_PER_SECOND


def sdxl(parameters: Mapping[str, Any]) -> tuple[Decimal, int]:
    """Return the upper bound of SDXL: 15 seconds for 50 steps at 1024 × 1024, and twice that.

    github.com/replicate/cog-sdxl, predict.py: expert_ensemble_refiner divides the steps between two
    models. base_image_refiner adds 0.3 × refine_steps, which are as many as the steps by default.
    """
    steps = parameters["num_inference_steps"]
    factor = 1 if steps <= 50 else 2 if steps <= 100 else 4 if steps <= 200 else 10
    for side in (parameters["width"], parameters["height"]):
        factor *= 2 if side > 1024 else 1
    if parameters["refine"] == "base_image_refiner":
        factor *= 4 if parameters.get("refine_steps", 0) > 150 else 2
    units = factor * parameters["num_outputs"]
    return seconds_of_gpu(15) * units, 10 * units


def real_esrgan(parameters: Mapping[str, Any]) -> tuple[Decimal, int]:
    return seconds_of_gpu(10), 15 if parameters["scale"] > 2 else 10


def flux_2_pro(parameters: Mapping[str, Any]) -> tuple[Decimal, int]:
    """0.015 USD a run and as much for each megapixel of the output and of the input images.

    Each count is rounded up, and 1024 × 1024 pixels are taken as one. An input image has at most 2
    megapixels. 200 credits are one USD.
    """
    megapixels = {"0.5 MP": 1, "1 MP": 1, "2 MP": 2, "4 MP": 4}[parameters["resolution"]]
    units = 1 + megapixels + 2 * len(parameters.get("input_images", ()))
    return units * Decimal("0.015"), 3 * units


def flux_2_klein(parameters: Mapping[str, Any]) -> tuple[Decimal, int]:
    """0.001 USD for each megapixel of the output and of the input images. 1,000 credits a USD."""
    megapixels = {"0.25": 1, "0.5": 1, "1": 1, "2": 2, "4": 4}[parameters["output_megapixels"]]
    units = megapixels + 2 * len(parameters.get("images", ()))
    return units * Decimal("0.001"), units


def ideogram_4_5(parameters: Mapping[str, Any]) -> tuple[Decimal, int]:
    with_images = {"low": ("0.03", 6), "medium": ("0.06", 12), "high": ("0.22", 44)}
    without = with_images | {"high": ("0.10", 20)}
    usd, credits_each = (with_images if "images" in parameters else without)[parameters["quality"]]
    return Decimal(usd) * parameters["num_images"], credits_each * parameters["num_images"]


# `billingConfig` of the model's page at Replicate, 2026-10-05 to 2026-10-07, unless said otherwise.
PUBLISHED: dict[str, Callable[[Mapping[str, Any]], tuple[Decimal, int]]] = {
    "flux-schnell": Published(
        (tier("0.003", 15, quality="high"), tier("0.003", 10)), outputs="num_outputs"
    ).job,
    "flux-dev": Published(
        (tier("0.025", 15, quality="high"), tier("0.025", 10)), outputs="num_outputs"
    ).job,
    "flux-1.1-pro": flat("0.04", 15).job,
    "flux-kontext-pro": flat("0.04", 15).job,
    "ideogram-v3-turbo": flat("0.03", 10).job,
    "stable-diffusion-3.5-large": flat("0.065", 15).job,
    "gpt-image-2": Published(
        (
            tier("0.012", 3, quality="low"),
            tier("0.047", 10, quality="medium"),
            tier("0.128", 26, quality="high"),
        ),
        outputs="number_of_images",
    ).job,
    "nano-banana-pro": Published((tier("0.30", 60, resolution="4K"), tier("0.15", 30))).job,
    "nano-banana-2": Published(
        (
            tier("0.067", 14, resolution="1K"),
            tier("0.101", 21, resolution="2K"),
            tier("0.151", 31, resolution="4K"),
        )
    ).job,
    "seedream-4.5": flat("0.04", 8).job,
    "flux-2-pro": flux_2_pro,
    "flux-2-klein-4b": flux_2_klein,
    "ideogram-4-5": ideogram_4_5,
    "recraft-v4": flat("0.04", 8).job,
    # An output of up to 24 megapixels.
    "topaz-image-upscale": flat("0.05", 10).job,
    "kling-v2.1": Published(
        (tier("0.09", 18, mode="pro"), tier("0.05", 10, mode="standard")), seconds="duration"
    ).job,
    "kling-v3-video": Published(
        (
            tier("0.168", 34, mode="standard", generate_audio=False),
            tier("0.252", 51, mode="standard", generate_audio=True),
            tier("0.224", 45, mode="pro", generate_audio=False),
            tier("0.336", 68, mode="pro", generate_audio=True),
        ),
        seconds="duration",
    ).job,
    "seedance-2.0-fast": Published(
        (tier("0.07", 14, resolution="480p"), tier("0.15", 30, resolution="720p")),
        seconds="duration",
    ).job,
    # 2026-04-06.
    "hailuo-2.3": Published(
        (
            tier("0.28", 56, resolution="768p", duration=6),
            tier("0.56", 112, resolution="768p", duration=10),
            tier("0.49", 98, resolution="1080p", duration=6),
        )
    ).job,
    "hailuo-2.3-fast": Published(
        (
            tier("0.19", 38, resolution="768p", duration=6),
            tier("0.32", 64, resolution="768p", duration=10),
            tier("0.33", 66, resolution="1080p", duration=6),
        )
    ).job,
    "veo-3.1": Published(
        (tier("0.40", 40, generate_audio=True), tier("0.20", 20, generate_audio=False)),
        seconds="duration",
    ).job,
    "veo-3.1-fast": Published(
        (tier("0.15", 15, generate_audio=True), tier("0.10", 10, generate_audio=False)),
        seconds="duration",
    ).job,
    # 1.3 for the interpolation: 110 × 1.3 = 143 credits.
    "wan-2.2-i2v-fast": Published(
        (
            tier("0.05", 50, resolution="480p", interpolate_output=False),
            tier("0.065", 65, resolution="480p", interpolate_output=True),
            tier("0.11", 110, resolution="720p", interpolate_output=False),
            tier("0.145", 143, resolution="720p", interpolate_output=True),
        )
    ).job,
    # Published: 0.05 and 0.10. With interpolation: the prices above, as an upper bound.
    "wan-2.2-t2v-fast": Published(
        (
            tier("0.05", 39, resolution="480p", interpolate_output=False),
            tier("0.065", 50, resolution="480p", interpolate_output=True),
            tier("0.10", 78, resolution="720p", interpolate_output=False),
            tier("0.145", 100, resolution="720p", interpolate_output=True),
        )
    ).job,
    # The prices of the successor hailuo-2.3, 2026-04-06, as an upper bound.
    "hailuo-02": Published(
        (
            tier("0.49", 75, resolution="1080p", duration=6),
            tier("0.28", 50, duration=6),
            tier("0.56", 100, resolution="768p", duration=10),
        )
    ).job,
    # 12 and 5 of Runway's credits per second, at 0.01 USD each (github.com/runwayml/skills,
    # 2026-04-21).
    "runway-gen4.5": Published((tier("0.12", 15),), seconds="duration").job,
    "runway-gen4-turbo": Published((tier("0.05", 10),), seconds="duration").job,
    # Community models bill hardware seconds.
    "background-remover": lambda _: (seconds_of_gpu(6), 10),
    "idm-vton": lambda _: (seconds_of_gpu(25), 10),
    "real-esrgan": real_esrgan,
    "sdxl": sdxl,
    # The operator's own GPU.
    "sd-webui": flat("0", 10, outputs="num_outputs").job,
    "sd-webui-img2img": flat("0", 10, outputs="num_outputs").job,
}
# The parameters by which the providers bill, for the combinations.
BILLED_BY = (
    "duration",
    "generate_audio",
    "images",
    "input_images",
    "interpolate_output",
    "mode",
    "num_images",
    "num_outputs",
    "number_of_images",
    "output_megapixels",
    "quality",
    "resolution",
)
