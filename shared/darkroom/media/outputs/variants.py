"""The small images that Darkroom makes of an output: a thumbnail, previews and a placeholder."""

from __future__ import annotations

import base64

import pyvips

from darkroom.domain.outputs import Preview, Variants

THUMBNAIL_SIDE_PIXELS = 200
PREVIEW_SIDES_PIXELS = (512, 1_024)
_PLACEHOLDER_SIDE_PIXELS = 16
_MARGIN_PIXELS = 8
_QUALITY = 80
_PLACEHOLDER_QUALITY = 50
_WHITE = [255.0, 255.0, 255.0]


def make_variants(image: pyvips.Image, *, xmp: bytes) -> Variants:
    """Make the variants of a decoded image. It is upright sRGB with 8 bits, and may have alpha.

    The thumbnail and the previews have `xmp` as their only metadata. A preview is never larger
    than the image, and no size occurs twice. The thumbnail and the placeholder are on white.
    """
    on_white = image.flatten(background=_WHITE) if image.hasalpha() else image
    return Variants(
        _thumbnail(on_white, xmp),
        tuple(_preview(image, side, xmp) for side in _sides(image)),
        _placeholder(on_white),
    )


def _sides(image: pyvips.Image) -> list[int]:
    """Return the longest sides of the previews, smallest first."""
    return sorted({min(side, max(image.width, image.height)) for side in PREVIEW_SIDES_PIXELS})


def _thumbnail(image: pyvips.Image, xmp: bytes) -> bytes:
    """Cover a square with the middle of the image. A smaller image is enlarged."""
    side = THUMBNAIL_SIDE_PIXELS
    middle = _without_ends(image)
    covering = middle.resize(side / min(middle.width, middle.height))
    # sharp rounds an odd number of pixels beside the square in the same way.
    left, top = (covering.width - side + 1) // 2, (covering.height - side + 1) // 2
    small = covering.crop(left, top, side, side)
    return bytes(_with_xmp(small, xmp).jpegsave_buffer(Q=_QUALITY, keep="xmp"))


def _without_ends(image: pyvips.Image) -> pyvips.Image:
    """Cut the same number of pixels from both ends of a long image that must be enlarged.

    libvips enlarges the whole image before it crops the image. The margin is for the
    interpolation at the edges of the square.
    """
    shorter = min(image.width, image.height)
    if shorter >= THUMBNAIL_SIDE_PIXELS:
        return image
    left, top = (
        max(0, (length - shorter) // 2 - _MARGIN_PIXELS) for length in (image.width, image.height)
    )
    return image.crop(left, top, image.width - 2 * left, image.height - 2 * top)


def _preview(image: pyvips.Image, side: int, xmp: bytes) -> Preview:
    small = image.thumbnail_image(side, height=side, size="down")
    body = _with_xmp(small, xmp).webpsave_buffer(Q=_QUALITY, keep="xmp")
    return Preview(bytes(body), small.width, small.height)


def _placeholder(image: pyvips.Image) -> str:
    side = _PLACEHOLDER_SIDE_PIXELS
    body = image.thumbnail_image(side, height=side).webpsave_buffer(
        Q=_PLACEHOLDER_QUALITY, keep="none"
    )
    return "data:image/webp;base64," + base64.b64encode(body).decode()


def _with_xmp(image: pyvips.Image, xmp: bytes) -> pyvips.Image:
    copied = image.copy()
    copied.set_type(pyvips.GValue.blob_type, "xmp-data", xmp)
    return copied
