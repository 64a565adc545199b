"""Measures the peak memory and the seconds that the largest allowed images need.

    python -m tests.bench.decoding [CASE …]

Each image has 100 megapixels, the default of `output_pixels_max`. An AVIF image has 40. The
decoding runs in a process of its own, with all variants. The memory is the peak of that process,
with Python and libvips. The seconds are those of the processor. `make bench` runs this.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyvips

import tests.conftest  # noqa: F401 (sets the environment before another import reads it)
from darkroom.domain.file_types import HEAD_BYTES, identify
from darkroom.domain.outputs import DecodeBudgetExceeded
from darkroom.media.outputs import images
from darkroom.media.outputs.variants import make_variants

# Of StoreOutputFunction in template.yaml. The peak must leave room for the download.
FUNCTION_MEGABYTES = 2_048
SIDE = 10_000
DECODE_SECONDS = 60
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


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


def measure(path: Path) -> dict[str, float | str]:
    """Decode a file and make its variants. Returns seconds, megabytes, and what happened."""
    give_up_at, started = time.monotonic() + DECODE_SECONDS, time.process_time()
    with path.open("rb") as file:
        file_type = identify(file.read(HEAD_BYTES))
        try:
            _, image = images.decode(file, file_type, give_up_at=give_up_at)
            make_variants(image, xmp=XMP)
            result = "decoded"
        except DecodeBudgetExceeded as error:
            result = str(error)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": time.process_time() - started,
        "megabytes": kilobytes * 1_024 / 1_000_000,
        "bytes": path.stat().st_size,
        "result": result,
    }


def _in_child(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.bench.decoding", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    """Run the command. Returns the exit status: 1 if a case needs more than the function has."""
    match sys.argv[1:]:
        case ["--make", case, path]:
            make(case, Path(path))
            return 0
        case ["--measure", path]:
            print(json.dumps(measure(Path(path))))  # noqa: T201
            return 0
    good = True
    print("case                             file MB  seconds  peak MB  result")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        for case in sys.argv[1:] or CASES:
            path = f"{folder}/{case}"
            _in_child("--make", case, path)
            found = json.loads(_in_child("--measure", path))
            Path(path).unlink()
            good &= found["megabytes"] < FUNCTION_MEGABYTES
            print(  # noqa: T201
                f"{case:31} {found['bytes'] / 1_000_000:8.1f} {found['seconds']:8.1f} "
                f"{found['megabytes']:8.0f}  {found['result']}",
                flush=True,
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
