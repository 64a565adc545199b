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
    # Replicate publishes no price any more. This is an upper bound.
    "imagen-4-fast": flat("0.04", 10).job,
    "kling-v2.1": Published(
        (tier("0.09", 18, mode="pro"), tier("0.05", 10, mode="standard")), seconds="duration"
    ).job,
    "seedance-1-lite": Published(
        (
            tier("0.018", 3, resolution="480p"),
            tier("0.036", 6, resolution="720p"),
            tier("0.072", 12, resolution="1080p"),
        ),
        seconds="duration",
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
    # Runway's price of gen4.5, 2026-10-07. For gen4-turbo it is an upper bound.
    "runway-gen4.5": Published((tier("0.12", 15),), seconds="duration").job,
    "runway-gen4-turbo": Published((tier("0.12", 10),), seconds="duration").job,
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
    "interpolate_output",
    "mode",
    "num_outputs",
    "quality",
    "resolution",
)
