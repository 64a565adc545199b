"""Variants: the thumbnail, the previews and the placeholder of an output."""

from __future__ import annotations

import base64
from io import BytesIO

from PIL import Image, ImageOps

from darkroom.domain.outputs import Preview, Variants

_THUMBNAIL_SIZE = (200, 200)
_QUALITY = 80
_SIDES = (512, 1_024)
_PLACEHOLDER_SIDE = 16


def make_variants(image: Image.Image, *, xmp: bytes) -> Variants:
    """Make the variants of a decoded, upright image."""
    whole = image.convert("RGBA" if image.has_transparency_data else "RGB")
    white = _on_white(whole)
    thumbnail = ImageOps.fit(white, _THUMBNAIL_SIZE, Image.Resampling.LANCZOS)
    previews = {preview.size: preview for preview in (_fit(whole, side) for side in _SIDES)}
    placeholder = _encode(_fit(white, _PLACEHOLDER_SIDE), "WEBP", 50)
    return Variants(
        _encode(thumbnail, "JPEG", _QUALITY, xmp=xmp),
        tuple(
            Preview(_encode(preview, "WEBP", _QUALITY, xmp=xmp), *size)
            for size, preview in previews.items()
        ),
        "data:image/webp;base64," + base64.b64encode(placeholder).decode(),
    )


def _fit(image: Image.Image, side: int) -> Image.Image:
    fitted = image.copy()
    fitted.thumbnail((side, side), Image.Resampling.LANCZOS)
    return fitted


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _encode(image: Image.Image, file_format: str, quality: int, **save: bytes) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, quality=quality, **save)
    return buffer.getvalue()
