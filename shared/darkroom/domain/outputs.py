"""The properties of an output file, and the small images that Darkroom makes of it."""

from __future__ import annotations

from dataclasses import dataclass


class CorruptOutput(Exception):
    """The file is not whole, or its decoder refuses it. The message says what is wrong.

    The message is for the log. Another download may bring the whole file.
    """


class DecodeBudgetExceeded(Exception):
    """The file has too many pixels, or decoding takes too long. The message says which."""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """The type and size of an image or a video.

    `width` and `height` are in pixels, as the file is shown: after its orientation and with square
    pixels. `seconds` is the length of a video or of an animation, `frames` the number of images in
    an animation. They are None if there is none, or if the header does not say.
    """

    content_type: str
    extension: str
    width: int
    height: int
    seconds: float | None = None
    frames: int | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """A WebP image that fits a square, never larger than its original. Sizes are in pixels."""

    body: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Variants:
    """The small images of an output.

    `thumbnail` is a JPEG image of 200 × 200 pixels. `previews` begin with the smallest.
    `placeholder` is a data URL of a few pixels in the output's shape, to show while others load.
    """

    thumbnail: bytes
    previews: tuple[Preview, ...]
    placeholder: str
