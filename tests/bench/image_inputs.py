"""The images for the comparison with sharp: each kind of file that models or cameras make."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from random import Random
from typing import Any

import pyvips
from PIL import Image, ImageDraw

PHOTO_SIZE = (1_600, 1_067)


def inputs() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each image."""
    photo = scene(*PHOTO_SIZE)
    yield from _formats(photo)
    yield from _modes(photo)
    yield from _profiles(photo)
    yield from _orientations(photo)
    yield from _sizes()


def scene(width: int, height: int, *, seed: int = 1) -> Image.Image:
    """Draw soft shapes, hard edges, thin lines and some grain."""
    random = Random(seed)
    small = Image.frombytes("RGB", (24, 16), random.randbytes(24 * 16 * 3))
    image = small.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        x, y = random.randrange(width), random.randrange(height)
        size = random.randrange(1, max(2, min(width, height) // 6))
        color = tuple(random.randbytes(3))
        draw.ellipse((x, y, x + size, y + size), fill=color)
        draw.line((x, y, random.randrange(width), random.randrange(height)), fill=color)
    grain = Image.effect_noise((width, height), 24).convert("RGB")
    return Image.blend(image, grain, 0.08)


def _formats(photo: Image.Image) -> Iterator[tuple[str, bytes]]:
    yield "png", _encoded(photo, "PNG")
    yield "jpeg", _encoded(photo, "JPEG", quality=92)
    yield "jpeg-444", _encoded(photo, "JPEG", quality=95, subsampling=0)
    yield "jpeg-progressive", _encoded(photo, "JPEG", progressive=True)
    yield "jpeg-bad-exif", _encoded(photo, "JPEG", exif=b"Exif\0\0LoremIpsum")
    yield "webp", _encoded(photo, "WEBP", quality=85)
    yield "webp-lossless", _encoded(photo, "WEBP", lossless=True, method=0)
    yield "avif", _encoded(photo, "AVIF", quality=80, speed=10)
    yield "gif", _encoded(photo, "GIF")
    yield "mpo", _encoded(photo, "MPO", save_all=True, append_images=[scene(64, 64)])
    yield "gif-animated", _encoded(photo, "GIF", save_all=True, append_images=[scene(*PHOTO_SIZE)])


def _modes(photo: Image.Image) -> Iterator[tuple[str, bytes]]:
    grey = photo.convert("L")
    deep = grey.convert("I").point(lambda value: value * 257).convert("I;16")
    alpha = Image.linear_gradient("L").resize(photo.size)
    transparent = photo.copy()
    transparent.putalpha(alpha)
    yield "png-grey", _encoded(grey, "PNG")
    yield "png-16-bit-grey", _encoded(deep, "PNG")
    yield "png-alpha", _encoded(transparent, "PNG")
    yield "png-grey-alpha", _encoded(transparent.convert("LA"), "PNG")
    yield "png-palette", _encoded(photo.quantize(64), "PNG")
    yield "png-palette-transparent", _encoded(photo.quantize(64), "PNG", transparency=7)
    yield "png-1-bit", _encoded(photo.convert("1"), "PNG")
    yield "webp-alpha", _encoded(transparent, "WEBP", quality=85)
    yield "avif-alpha", _encoded(transparent, "AVIF", quality=80, speed=10)
    yield "jpeg-grey", _encoded(grey, "JPEG")
    yield "jpeg-cmyk", _encoded(photo.convert("CMYK"), "JPEG", quality=92)


def _profiles(photo: Image.Image) -> Iterator[tuple[str, bytes]]:
    p3 = pyvips.Operation.call("profile_load", "p3")
    for file_format in ("PNG", "JPEG", "WEBP"):
        yield f"{file_format.lower()}-p3", _encoded(photo, file_format, icc_profile=p3)
    yield "jpeg-bad-profile", _encoded(photo, "JPEG", icc_profile=b"no profile" * 20)


def _orientations(photo: Image.Image) -> Iterator[tuple[str, bytes]]:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        yield f"jpeg-orientation-{orientation}", _encoded(photo, "JPEG", quality=92, exif=exif)


def _sizes() -> Iterator[tuple[str, bytes]]:
    sizes = (
        *((1, 1), (7, 5), (16, 16), (63, 200), (199, 201), (512, 512), (513, 511), (1_023, 700)),
        *((1_025, 700), (300, 2_000), (2_000, 300), (2_751, 1_999), (4_096, 3_072)),
    )
    for width, height in sizes:
        image = scene(width, height)
        yield f"size-{width}x{height}", _encoded(image, "JPEG", quality=92)
        yield f"size-{width}x{height}-png", _encoded(image, "PNG", compress_level=1)


def _encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
