"""The rules of a model for an input image, and the choice of the image that the model receives.

An upload has images of several sizes: see SIDES. A template says, with the key
`x-image` of an image parameter, which of them its model wants, and what the model refuses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from darkroom.domain.errors import FieldError, InvalidRequest
from darkroom.domain.uploads import SIDES, FittedImage

_BYTES_PER_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class ImageRules:
    """What a model accepts as the image of one parameter. None: the model states no limit.

    `max_side` is one of SIDES: the model gains nothing from a longer side. `min_side` is the
    minimum of both sides, `pixels_max` the maximum of width × height. The longer side is at most
    `aspect_ratio_max` times the shorter one.
    """

    max_side: int = SIDES[0]
    min_side: int | None = None
    aspect_ratio_max: float | None = None
    pixels_max: int | None = None
    bytes_max: int | None = None

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (for Pydantic, not a field)

    def public(self) -> dict[str, Any]:
        """Return the rules as JSON, without those that the model does not have."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def refusal(self, image: FittedImage) -> str | None:
        """Return why the model refuses an image, in words for the user. None: it does not."""
        width, height = image.width, image.height
        shorter, longer = sorted((width, height))
        if self.aspect_ratio_max is not None and longer > self.aspect_ratio_max * shorter:
            longer_name, shorter_name = ("wide", "high") if width > height else ("high", "wide")
            ratio = math.ceil(100 * longer / shorter) / 100
            return (
                f"The image is {ratio:.2f} times as {longer_name} as it is "
                f"{shorter_name}. This model accepts at most {self.aspect_ratio_max:g} times. "
                "Crop the image."
            )
        if self.min_side is not None and shorter < self.min_side:
            advice = "Crop it to a less long shape" if longer in SIDES else "Use a larger image"
            return (
                f"The image has {width} × {height} pixels when it is sent to this model, which "
                f"needs at least {self.min_side} on each side. {advice}."
            )
        if self.pixels_max is not None and width * height > self.pixels_max:
            return (
                f"The image has {width} × {height} pixels. This model accepts at most "
                f"{self.pixels_max:,} in all. Use a smaller image."
            )
        if self.bytes_max is not None and image.bytes is not None and image.bytes > self.bytes_max:
            return (
                f"The image has {image.bytes / _BYTES_PER_MB:.1f} MB after Darkroom has prepared "
                f"it. This model accepts at most {self.bytes_max / _BYTES_PER_MB:.1f} MB. "
                "Use a smaller image, or a JPEG."
            )
        return None


@dataclass(frozen=True, slots=True)
class Candidates:
    """The images of one upload, smaller first, and the rules of the parameter that it is for."""

    rules: ImageRules
    images: Sequence[FittedImage]

    def within(self, side: int) -> FittedImage:
        """Return the largest image whose sides have at most `side` pixels, else the smallest."""
        fitting = [image for image in self.images if max(image.width, image.height) <= side]
        return fitting[-1] if fitting else self.images[0]


def choose(
    candidates: Mapping[str, Candidates], *, total_bytes_max: int | None = None
) -> dict[str, FittedImage]:
    """Return the image that the model receives, for each field of a job.

    All images of a job are of the same one of SIDES, so a photo and its mask of equal size stay
    equal. It is the largest that every parameter wants and accepts, and at which all images
    together have at most `total_bytes_max` bytes. Raises InvalidRequest, with the reason for each
    image that the model refuses.
    """
    side_max = min((each.rules.max_side for each in candidates.values()), default=SIDES[0])
    refusals: list[FieldError] = []
    for side in sorted((side for side in SIDES if side <= side_max), reverse=True):
        chosen = {field: each.within(side) for field, each in candidates.items()}
        refusals = [
            FieldError(field, message)
            for field, image in chosen.items()
            if (message := candidates[field].rules.refusal(image)) is not None
        ] or _refusals_of_total(chosen, total_bytes_max)
        if not refusals:
            return chosen
    raise InvalidRequest(refusals)


def _refusals_of_total(
    chosen: Mapping[str, FittedImage], bytes_max: int | None
) -> list[FieldError]:
    total = sum(image.bytes or 0 for image in chosen.values())
    if bytes_max is None or total <= bytes_max:
        return []
    largest = max(chosen, key=lambda field: chosen[field].bytes or 0)
    return [
        FieldError(
            largest,
            f"The images have {total / _BYTES_PER_MB:.1f} MB together after Darkroom has prepared "
            f"them. This model accepts at most {bytes_max / _BYTES_PER_MB:.1f} MB. "
            "Use fewer or smaller images, or JPEGs. This image is the largest.",
        )
    ]


def scale_of(value: object) -> float:
    """Return the factor of a scale parameter: a number, or a text such as `2x`."""
    return float(str(value).removesuffix("x"))


def check_enlargement(
    sent: FittedImage, original: tuple[int, int], *, scale: float, scale_max: float, field: str
) -> None:
    """Raise InvalidRequest if a larger factor is needed for more pixels than the original has.

    A model receives a smaller image of a large upload. `scale` is the factor for its width and
    height, at most `scale_max`, and `field` is the parameter that sets the factor. With the largest
    factor, the model cannot do better, so the job is accepted.
    """
    side, original_side = max(sent.width, sent.height), max(original)
    if scale < scale_max and side < original_side and side * scale <= original_side:
        raise InvalidRequest(
            [
                FieldError(
                    field,
                    f"The model receives this image with {sent.width} × {sent.height} pixels. The "
                    f"result would have {sent.width * scale:.0f} × {sent.height * scale:.0f}, no "
                    f"more than your image has ({original[0]} × {original[1]}). "
                    "Choose a larger factor.",
                )
            ]
        )
