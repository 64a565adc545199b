"""Images: detects the type and size of a file, and makes thumbnails."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import IO

from PIL import Image, ImageOps

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.outputs import OutputFile, Thumbnail

THUMBNAIL_SIZE = (200, 200)
_THUMBNAIL_QUALITY = 80
_PLACEHOLDER_SIZE = (16, 16)
_FORMATS = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "WEBP": ("image/webp", "webp"),
}


def probe(file: IO[bytes]) -> OutputFile:
    """Read type and size of an image from its header. Raises GenerationFailed for other files."""
    try:
        with Image.open(file, formats=list(_FORMATS)) as image:
            content_type, extension = _FORMATS[image.format or ""]
            return OutputFile(content_type, extension, *image.size)
    except Exception as error:
        # Pillow's decoders can raise almost any exception for a malicious file.
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED)) from error
    finally:
        file.seek(0)


def thumbnail(file: IO[bytes], *, pixels_max: int) -> Thumbnail:
    """Scale and crop an image to a JPEG thumbnail of 200 × 200 pixels, quality 80.

    Raises ValueError if the image has more than `pixels_max` pixels. Pillow can raise almost any
    exception for an image that cannot be decoded.
    """
    try:
        with Image.open(file, formats=list(_FORMATS)) as image:
            if image.width * image.height > pixels_max:
                raise ValueError(f"{image.width} × {image.height} pixels")
            # A JPEG is decoded at about twice the target size, which is several times faster.
            # For other formats `draft` does nothing.
            image.draft("RGB", (2 * THUMBNAIL_SIZE[0], 2 * THUMBNAIL_SIZE[1]))
            return thumbnail_of(ImageOps.exif_transpose(image))
    finally:
        file.seek(0)


def thumbnail_of(image: Image.Image) -> Thumbnail:
    """Make the same thumbnail from a decoded, upright image."""
    small = ImageOps.fit(_on_white(image), THUMBNAIL_SIZE, Image.Resampling.LANCZOS)
    return Thumbnail(_encode(small, "JPEG", _THUMBNAIL_QUALITY), _placeholder(small))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    with_alpha = image.convert("RGBA")
    white = Image.new("RGBA", with_alpha.size, "white")
    return Image.alpha_composite(white, with_alpha).convert("RGB")


def _placeholder(small: Image.Image) -> str:
    tiny = small.resize(_PLACEHOLDER_SIZE, Image.Resampling.BILINEAR)
    return "data:image/webp;base64," + base64.b64encode(_encode(tiny, "WEBP", 50)).decode()


def _encode(image: Image.Image, file_format: str, quality: int) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, quality=quality)
    return buffer.getvalue()
