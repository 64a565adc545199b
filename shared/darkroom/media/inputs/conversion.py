"""Converts a user's image to model inputs: upright, scaled down, in sRGB, without metadata."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

from PIL import Image, ImageChops, ImageCms

from darkroom.domain.file_types import FileType
from darkroom.domain.uploads import SIDES, FittedImage, UnusableImage, sides_of
from darkroom.media.inputs import child_process
from darkroom.media.inputs.decoding import DecodedImage, decode, identify_input
from darkroom.observability import logger
from darkroom.settings import settings

_MASK_COLORS_MAX = 2
_WARNINGS_MAX = 5
# The larger images go to models that make large images and videos.
_SMALL_JPEG: dict[str, Any] = {"quality": 85, "subsampling": "4:2:0"}
_LARGE_JPEG: dict[str, Any] = {"quality": 92, "subsampling": "4:4:4"}


@dataclass(frozen=True, slots=True)
class InputFile:
    """An image that models accept, and its bytes."""

    image: FittedImage
    body: bytes


@dataclass(frozen=True, slots=True)
class Conversion:
    """The images of one file, smaller first, and the first warnings about the file for the log.

    `original_size` is the width and height of the upright original.
    """

    files: tuple[InputFile, ...]
    original_size: tuple[int, int]
    warnings: tuple[str, ...] = ()


def fit(body: bytes) -> Conversion:
    """Convert an image file within limits of time and memory.

    The work is done by a child process, because a decoder cannot be interrupted and can crash.
    Raises UnusableImage.
    """
    seconds_max = settings().input_seconds_max
    try:
        conversion = child_process.run(
            partial(convert, body, identify_input(body)),
            seconds_max=seconds_max,
            memory_bytes_max=settings().input_memory_bytes_max,
        )
    except child_process.ChildTimeout:
        raise UnusableImage(
            f"The image takes more than {seconds_max:g} seconds to decode. "
            "Save the image as an ordinary JPEG or PNG."
        ) from None
    except child_process.ChildCrash as error:
        logger.warning("image decoder crashed", exit_code=str(error))
        raise UnusableImage(
            "The image cannot be decoded. Save the image as an ordinary JPEG or PNG."
        ) from None
    if conversion.warnings:
        logger.info("image with damaged metadata", warnings=conversion.warnings)
    return conversion


def convert(body: bytes, file_type: FileType) -> Conversion:
    """Rotate an image upright, scale it down, convert its colors and remove its metadata.

    There is one image for each side of `sides_of`. Of several frames, the first is used. Images
    with transparent pixels and lossless gray images (such as masks) become PNG. All other images
    become JPEG. Raises UnusableImage.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decoded = decode(body, file_type)
        files = tuple(_input_files(decoded))
    messages = dict.fromkeys(str(warning.message) for warning in caught)
    return Conversion(files, decoded.upright_size, tuple(messages)[:_WARNINGS_MAX])


def _input_files(decoded: DecodedImage) -> Iterator[InputFile]:
    pixels = decoded.pixels
    if decoded.is_lossless and pixels.mode == "RGB" and _is_gray(pixels):
        pixels = pixels.convert("L")
    if not decoded.is_lossless and pixels.mode == "L":
        pixels = pixels.convert("RGB")
    # A mask of two values must not get values between them.
    is_mask = pixels.mode == "L" and pixels.getcolors(_MASK_COLORS_MAX) is not None
    resampling = Image.Resampling.NEAREST if is_mask else Image.Resampling.LANCZOS
    sides = sides_of(decoded.width, decoded.height)
    if not is_mask:
        # The smaller images are made from the largest, which has far fewer pixels than the file.
        pixels = _resized(pixels, decoded.size_within(sides[-1]), resampling)
    for side in sides:
        small = _resized(pixels, decoded.size_within(side), resampling)
        small = _in_srgb(small, decoded.profile)
        if decoded.transposition is not None:
            small = small.transpose(decoded.transposition)
        yield _encode(small, side)


def _resized(
    image: Image.Image, size: tuple[int, int], resampling: Image.Resampling
) -> Image.Image:
    return image if image.size == size else image.resize(size, resampling)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode == "L":
        return image
    if image.mode != "RGBA":
        return _to_srgb(image, profile)
    plain = _to_srgb(image.convert("RGB"), profile)
    plain.putalpha(image.getchannel("A"))
    return plain


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            # The profile is broken or describes other channels, so it is ignored.
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _is_gray(image: Image.Image) -> bool:
    red, green, blue = image.split()
    return not (
        ImageChops.difference(red, green).getbbox() or ImageChops.difference(green, blue).getbbox()
    )


def _encode(image: Image.Image, side: int) -> InputFile:
    # Pillow would write this metadata to the new file.
    image.info = {}
    file = BytesIO()
    if image.mode == "RGB":
        options = _SMALL_JPEG if side == SIDES[0] else _LARGE_JPEG
        image.save(file, "JPEG", optimize=True, **options)
        content_type = "image/jpeg"
    else:
        image.save(file, "PNG")
        content_type = "image/png"
    body = file.getvalue()
    return InputFile(FittedImage(content_type, *image.size, len(body)), body)
