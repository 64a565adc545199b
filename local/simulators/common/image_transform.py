"""The output images that simulated models make from input images and a prompt."""

import math
from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageOps

_SHARE_OF_THE_PROMPT = 0.35
_SIDE_PIXELS_MAX = 8192
_INSETS_PER_SIDE = 4


def open_image(source: bytes) -> Image.Image:
    """Return the image of a file, rotated by its EXIF orientation."""
    with Image.open(BytesIO(source)) as image:
        return ImageOps.exif_transpose(image).convert(
            "RGBA" if image.has_transparency_data else "RGB"
        )


def shaped_like(source: bytes, size: tuple[int, int]) -> tuple[int, int]:
    """Return the size with the same number of pixels and the shape of an image."""
    image = open_image(source)
    factor = math.sqrt(size[0] * size[1] / (image.width * image.height))
    return max(1, round(image.width * factor)), max(1, round(image.height * factor))


def blend(landscape: Image.Image, sources: Sequence[bytes]) -> Image.Image:
    """Blend the prompt's landscape into the first image. Paste the other images into a corner."""
    first = ImageOps.fit(open_image(sources[0]).convert("RGB"), landscape.size)
    image = Image.blend(first, landscape, _SHARE_OF_THE_PROMPT)
    side = min(image.size) // _INSETS_PER_SIDE
    for number, source in enumerate(sources[1:]):
        inset = ImageOps.fit(open_image(source).convert("RGB"), (side, side))
        image.paste(inset, (image.width - (number + 1) * side, image.height - side))
    return image


def enlarge(source: bytes, scale: float) -> Image.Image:
    """Enlarge an image. The longer side has at most `_SIDE_PIXELS_MAX` pixels."""
    image = open_image(source)
    scale = min(scale, _SIDE_PIXELS_MAX / max(image.size))
    return image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))),
        Image.Resampling.BICUBIC,
    )


def cut_out(source: bytes) -> Image.Image:
    """Make an image transparent outside an ellipse with soft edges."""
    image = open_image(source).convert("RGBA")
    mask = Image.new("L", (4 * image.width, 4 * image.height))
    ImageDraw.Draw(mask).ellipse((0, 0, mask.width - 1, mask.height - 1), 255)
    image.putalpha(mask.reduce(4))
    return image
