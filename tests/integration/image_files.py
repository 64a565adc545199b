"""Image files for tests: whole, damaged, and unusual ones. All are made by Pillow."""

from __future__ import annotations

import zlib
from io import BytesIO
from random import Random
from typing import Any

from PIL import Image

QUADRANTS = ("red", "lime", "blue", "white")
"""The colors of `quadrants`: top left, top right, bottom left, bottom right."""

# The operation that undoes each EXIF orientation, from CIPA DC-008 (Exif 2.32), 4.6.4.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_ORIENTATION = 274


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def photo(width: int = 320, height: int = 240, *, seed: int = 1) -> Image.Image:
    """Make an image with soft shapes in many colors, which no format compresses to nothing."""
    small = (max(2, width // 8), max(2, height // 8))
    noise = Random(seed).randbytes(small[0] * small[1] * 3)
    image = Image.frombytes("RGB", small, noise)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def quadrants(width: int = 80, height: int = 40) -> Image.Image:
    image = Image.new("RGB", (width, height))
    half = (width // 2, height // 2)
    for number, color in enumerate(QUADRANTS):
        image.paste(Image.new("RGB", half, color), (number % 2 * half[0], number // 2 * half[1]))
    return image


def oriented(orientation: int, file_format: str) -> bytes:
    """Store `quadrants` turned or mirrored, so that viewers turn it back."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    upright = quadrants()
    stored = upright.transpose(_STORED[orientation]) if orientation in _STORED else upright
    return encoded(stored, file_format, exif=exif)


def animated(file_format: str, durations_ms: list[int], **options: Any) -> bytes:
    """Make an animation with one frame per duration. No frame equals another one."""
    first, *others = (photo(120, 80, seed=seed) for seed in range(len(durations_ms)))
    return encoded(
        first, file_format, save_all=True, append_images=others, duration=durations_ms, **options
    )


def with_hole(data: bytes, *, at: float = 0.5, size: int = 200, byte: bytes = b"\0") -> bytes:
    """Overwrite a part of the file. `at` is a fraction of its length."""
    start = int(len(data) * at)
    return data[:start] + byte * size + data[start + size :]


def png_with(kind: bytes, data: bytes, *, crc: int | None = None) -> bytes:
    """Put a chunk after the header of a PNG image."""
    png = encoded(photo(), "PNG")
    checksum = zlib.crc32(kind + data) if crc is None else crc
    chunk = len(data).to_bytes(4) + kind + data + checksum.to_bytes(4)
    after_header = 33
    return png[:after_header] + chunk + png[after_header:]


def jpeg_with(data: bytes) -> bytes:
    """Put bytes after the first segment (JFIF) of a JPEG image."""
    jpeg = encoded(photo(), "JPEG")
    end = 4 + int.from_bytes(jpeg[4:6])
    return jpeg[:end] + data + jpeg[end:]
