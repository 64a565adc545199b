"""Measures the peak memory and the seconds that the largest allowed images need.

    python -m tests.bench.decoding [CASE …]

Each image has 100 megapixels, the default of `output_pixels_max`. An AVIF image has 40.
`make bench` runs this.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyvips

from tests.bench.decoding_costs import run

SIDE = 10_000


def pattern(bands: int, *, width: int = SIDE, height: int = SIDE, block: int = 8) -> pyvips.Image:
    """Make an image of blocks in many colors, without its pixels in memory."""
    size = math.ceil(width / block), math.ceil(height / block)
    small = pyvips.Image.gaussnoise(*size, mean=128, sigma=60)
    large = small.cast("uchar").zoom(block, block).crop(0, 0, width, height)
    image = large.bandjoin([large.linear(1 - band / 8, band * 9) for band in range(1, bands)])
    return image.cast("uchar").copy(interpretation="srgb" if bands > 2 else "b-w")


def _deep(bands: int, *, width: int = SIDE, height: int = SIDE) -> pyvips.Image:
    return (
        (pattern(bands, width=width, height=height).cast("ushort") * 257)
        .cast("ushort")
        .copy(interpretation="rgb16")
    )


def _animation(width: int, height: int, frames: int) -> pyvips.Image:
    tall = pattern(3, width=width, height=height * frames).copy()
    tall.set_type(pyvips.GValue.gint_type, "page-height", height)
    return tall


CASES: dict[str, tuple[str, Callable[[], pyvips.Image], dict[str, Any]]] = {
    "png-rgba": ("png", lambda: pattern(4), {"compression": 1}),
    "png-rgba-interlaced": ("png", lambda: pattern(4), {"compression": 1, "interlace": True}),
    "png-16-bit-rgba": ("png", lambda: _deep(4), {"compression": 1}),
    "png-16-bit-rgba-interlaced": ("png", lambda: _deep(4), {"compression": 1, "interlace": True}),
    "jpeg": ("jpg", lambda: pattern(3), {"Q": 90, "subsample_mode": "off"}),
    "jpeg-progressive": (
        "jpg",
        lambda: pattern(3),
        {"Q": 90, "subsample_mode": "off", "interlace": True},
    ),
    # libwebp encodes no image of this size with more details.
    "webp-alpha": ("webp", lambda: pattern(4, block=64), {"Q": 80, "effort": 0}),
    "webp-lossless-alpha": ("webp", lambda: pattern(4), {"lossless": True, "effort": 0}),
    "avif-40-megapixels": (
        "avif",
        lambda: pattern(3, width=8_000, height=5_000),
        {"Q": 60, "effort": 0, "subsample_mode": "off"},
    ),
    "avif-12-bit-alpha-40-megapixels": (
        "avif",
        lambda: _deep(4, width=8_000, height=5_000),
        {"Q": 60, "effort": 0, "bitdepth": 12, "subsample_mode": "off"},
    ),
    "gif": ("gif", lambda: pattern(3), {"effort": 1, "dither": 0}),
    "gif-500-frames": ("gif", lambda: _animation(1_024, 1_024, 500), {"effort": 1, "dither": 0}),
    "webp-100-frames": ("webp", lambda: _animation(1_024, 1_024, 100), {"effort": 0}),
}


def make(case: str, path: Path) -> None:
    """Write the file of a case."""
    extension, image, options = CASES[case]
    image().write_to_file(f"{path}.{extension}", **options)
    Path(f"{path}.{extension}").rename(path)


if __name__ == "__main__":
    sys.exit(run("tests.bench.decoding", CASES, make))
