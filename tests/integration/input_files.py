"""Small image files, as users send them, and the images that are made from them."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import pillow_heif
from PIL import Image

from darkroom.domain.uploads import FittedImage
from darkroom.media.inputs import conversion
from darkroom.media.inputs.decoding import identify_input

RED, GREEN, BLUE, WHITE = (220, 30, 20), (20, 200, 40), (30, 40, 210), (250, 250, 250)
COLORS = ["red", "green", "blue", "white"]
# https://exiftool.org/TagNames/EXIF.html
ORIENTATION_TAG = 0x0112
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF")


def quarters(size: tuple[int, int] = (64, 48), mode: str = "RGB") -> Image.Image:
    """Return an image with four colours, which show its orientation: red, green, blue, white."""
    image = Image.new("RGB", size)
    width, height = size[0] // 2, size[1] // 2
    for colour, place in zip(
        (RED, GREEN, BLUE, WHITE), ((0, 0), (width, 0), (0, height), (width, height)), strict=True
    ):
        image.paste(colour, (*place, size[0], size[1]))
    return image.convert(mode)


def encoded(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    if file_format == "HEIF":
        pillow_heif.from_pillow(image).save(file, **options)
    else:
        image.save(file, file_format, **options)
    return file.getvalue()


def fit(body: bytes) -> tuple[FittedImage, bytes]:
    """Return the smallest image that is made from a file, in this process."""
    smallest = convert(body).files[0]
    return smallest.image, smallest.body


def convert(body: bytes) -> conversion.Conversion:
    return conversion.convert(body, identify_input(body))


def opened(body: bytes) -> Image.Image:
    image = Image.open(BytesIO(body))
    image.load()
    return image


def corners(image: Image.Image) -> list[str]:
    """Return the names of the colours in the corners. A JPEG may change them slightly."""
    names = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    plain = image.convert("RGB")
    width, height = plain.size
    places = ((2, 2), (width - 3, 2), (2, height - 3), (width - 3, height - 3))

    def nearest(pixel: Any) -> str:
        return min(
            names,
            key=lambda name: sum((a - b) ** 2 for a, b in zip(names[name], pixel, strict=True)),
        )

    return [nearest(plain.getpixel(place)) for place in places]


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, bits: int = 8, color_type: int = 2) -> bytes:
    """Return a PNG file with these chunks. Color type 2 is RGB, 0 is gray."""
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + b"".join(chunks)
        + png_chunk(b"IEND", b"")
    )


def with_scans(progressive: bytes, scans: int) -> bytes:
    """Repeat the last scan of a progressive JPEG file until it has this number of scans."""
    count, at = 0, 0
    while (found := progressive.find(b"\xff\xda", at)) >= 0:
        count, at, last = count + 1, found + 2, found
    return progressive[:-2] + progressive[last:-2] * (scans - count) + progressive[-2:]
