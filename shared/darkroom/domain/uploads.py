"""Uploads: images that users send as inputs.

A user announces an upload, sends the file directly to the bucket, and completes the upload.
Darkroom then writes copies that every model accepts as an input: see SIDES.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from darkroom.domain.accounts import AccountId

SIDES = (1_024, 1_448, 2_048)
"""Pixels of the longer side of an upload's images, smaller first. No image is ever enlarged.

A square of 1,448 pixels is the largest that fits models of two megapixels. `sides_of` says which
of the images an upload has.
"""
UPLOADS_PREFIX = "uploads/"
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png"}


class UnusableImage(Exception):
    """The file of an upload cannot be an input image. The message is for the user."""


@dataclass(frozen=True, slots=True)
class FittedImage:
    """The type and size, in pixels, of an image that models accept.

    The type is a key of EXTENSIONS. `bytes` is None for images that release 0.1.0 made.
    """

    content_type: str
    width: int
    height: int
    bytes: int | None = None

    @property
    def extension(self) -> str:
        """The extension of the object's name. Some models derive the image's type from it."""
        return EXTENSIONS[self.content_type]


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload.

    `bytes_max` is the size that the user announced. `images` is empty until completion, then it has
    one to three images, smaller first. `original_size` is the width and height of the upright
    original, or None for images that an earlier release made. `rejection` is the message for the
    user if the file was not usable. An upload never has both.
    """

    account: AccountId
    upload_id: str
    bytes_max: int
    expires_at: datetime
    images: tuple[FittedImage, ...] = ()
    original_size: tuple[int, int] | None = None
    rejection: str | None = None

    @property
    def is_decided(self) -> bool:
        """Whether the file was completed or rejected."""
        return bool(self.images) or self.rejection is not None

    @property
    def original_key(self) -> str:
        """The key of the file that the user sends.

        The input has a different key: a file that is sent again does not change the checked input.
        """
        return f"{UPLOADS_PREFIX}{self.account}/{self.upload_id}.original"

    def key(self, image: FittedImage) -> str:
        """Return the key of an image of this upload, which can become a job's input.

        Raises ValueError if the upload does not have the image.
        """
        position = self.images.index(image)
        is_last = position == len(self.images) - 1
        size = f".{SIDES[-1] if is_last else SIDES[position]}" if position else ""
        return f"{UPLOADS_PREFIX}{self.account}/{self.upload_id}{size}.{image.extension}"


def sides_of(width: int, height: int) -> list[int]:
    """Return the SIDES of the images that are made from an original of this size.

    There is always an image of the smallest side. A larger original also has one of the largest
    side, and one of each side between that it exceeds.
    """
    longest, smallest, largest = max(width, height), SIDES[0], SIDES[-1]
    return [
        side
        for side in SIDES
        if side == smallest or longest > (smallest if side == largest else side)
    ]


def size_within(width: int, height: int, side: int) -> tuple[int, int]:
    """Return the largest size of the same shape whose sides have at most `side` pixels.

    The size depends on the original size only. So a photo and its mask of equal size stay equal.
    """
    longest = max(width, height)
    if longest <= side:
        return width, height
    return _scaled(width, side, longest), _scaled(height, side, longest)


def _scaled(pixels: int, numerator: int, denominator: int) -> int:
    """Return `pixels * numerator / denominator`, rounded to the nearest integer, at least 1."""
    return max(1, (2 * pixels * numerator + denominator) // (2 * denominator))
