"""Compares the variants of images with those that sharp makes of the same files.

    python -m tests.bench.compare_with_sharp [FOLDER …]

Without a folder it uses generated images. sharp is the npm library that made the thumbnails of
Darkroom's ancestors and of many products. Both use libvips. `make bench` runs this.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyvips

import tests.conftest  # noqa: F401 (sets the environment before another import reads it)
from darkroom.domain.file_types import HEAD_BYTES, identify
from darkroom.domain.outputs import CorruptOutput, DecodeBudgetExceeded, Variants
from darkroom.media.outputs import images
from darkroom.media.outputs.variants import make_variants
from tests.bench.image_inputs import inputs
from tools import node_tools

SHARP = Path(__file__).with_name("sharp")
SIMILARITY_MEDIAN_MIN = 0.98
SIMILARITY_LOW_MIN = 0.93
SECONDS_MAX = 60
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
# Of the images of Wang et al., "Image quality assessment" (2004): the window, and the constants
# for 8 bits.
_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclass(frozen=True)
class Comparison:
    """One variant of one file: its similarity (SSIM), and the largest channel's mean difference."""

    name: str
    variant: str
    similarity: float
    levels: float
    size_differs: bool


def compare(files: dict[str, Path], folder: Path) -> tuple[list[Comparison], list[str]]:
    """Compare each file's variants. Returns the comparisons, and lines about the other files."""
    start = time.perf_counter()
    made = {name: _variants(path) for name, path in files.items()}
    seconds = time.perf_counter() - start
    theirs = _by_sharp(files, folder)
    lines, found = [], []
    shared_milliseconds = 0.0
    for name, ours in made.items():
        result = theirs[name]
        if isinstance(ours, str) or "error" in result:
            if not (isinstance(ours, str) and "error" in result):
                mine = ours if isinstance(ours, str) else "made"
                lines.append(f"{name}: Darkroom: {mine}, sharp: {result.get('error', 'made')}")
            continue
        shared_milliseconds += result["milliseconds"]
        found += [
            _compared(name, variant, body, folder / f"{name}.{variant}")
            for variant, body in _bodies(ours)
        ]
    lines.append(
        f"{len(files)} files: Darkroom {seconds:.1f} s, sharp {shared_milliseconds / 1_000:.1f} s"
    )
    return found, lines


def _variants(path: Path) -> Variants | str:
    """Make the variants of a file. Returns the reason if that is impossible."""
    with path.open("rb") as file:
        file_type = identify(file.read(HEAD_BYTES))
        try:
            _, image = images.decode(file, file_type, give_up_at=time.monotonic() + SECONDS_MAX)
        except (CorruptOutput, DecodeBudgetExceeded, KeyError) as error:
            return f"{type(error).__name__}: {error}".splitlines()[0]
        return make_variants(image, xmp=XMP)


def _by_sharp(files: dict[str, Path], folder: Path) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        raise node_tools.NodeMissing("node is not installed")
    listed = [{"name": name, "path": str(path)} for name, path in files.items()]
    completed = subprocess.run(
        [node, str(SHARP / "variants.mjs"), str(node_tools.installed(SHARP)), str(folder)],
        input=json.dumps(listed),
        capture_output=True,
        text=True,
        check=True,
    )
    results: dict[str, Any] = json.loads(completed.stdout)
    return results


def _bodies(variants: Variants) -> Iterator[tuple[str, bytes]]:
    """Yield sharp's name for each variant, and the variant. A small image has one preview."""
    yield "thumbnail", variants.thumbnail
    yield "512", variants.previews[0].body
    yield "1024", variants.previews[-1].body


def _compared(name: str, variant: str, body: bytes, path: Path) -> Comparison:
    ours = _on_white(pyvips.Image.new_from_buffer(body, ""))
    theirs = _on_white(pyvips.Image.new_from_file(str(path)))
    size_differs = (ours.width, ours.height) != (theirs.width, theirs.height)
    if size_differs:
        ours = ours.thumbnail_image(theirs.width, height=theirs.height, size="force")
    difference = (ours - theirs).bandsplit()
    return Comparison(
        name,
        variant,
        _similarity(ours.colourspace("b-w"), theirs.colourspace("b-w")),
        max(abs(band.avg()) for band in difference),
        size_differs,
    )


def _on_white(image: pyvips.Image) -> pyvips.Image:
    flat = image.flatten(background=[255.0] * 3) if image.hasalpha() else image
    return flat.colourspace("srgb")


def _similarity(first: pyvips.Image, second: pyvips.Image) -> float:
    """Return the mean structural similarity (SSIM) of two grey images. 1 means equal."""
    x, y = first.cast("float"), second.cast("float")

    def mean(image: pyvips.Image) -> pyvips.Image:
        return image.gaussblur(_SIGMA, precision="float", min_ampl=0.01)

    mean_x, mean_y = mean(x), mean(y)
    variance_x = mean(x * x) - mean_x * mean_x
    variance_y = mean(y * y) - mean_y * mean_y
    covariance = mean(x * y) - mean_x * mean_y
    above = (mean_x * mean_y * 2 + _C1) * (covariance * 2 + _C2)
    below = (mean_x * mean_x + mean_y * mean_y + _C1) * (variance_x + variance_y + _C2)
    return float((above / below).avg())


def report(found: list[Comparison]) -> bool:
    """Print the comparisons. Returns whether they are as similar as the limits demand."""
    print("variant    median SSIM  5 % below  lowest  median levels  95 % below")  # noqa: T201
    good = True
    for variant in ("thumbnail", "512", "1024"):
        rows = [each for each in found if each.variant == variant]
        similar = sorted(each.similarity for each in rows)
        levels = sorted(each.levels for each in rows)
        median, low = statistics.median(similar), similar[len(similar) // 20]
        good &= median >= SIMILARITY_MEDIAN_MIN and low >= SIMILARITY_LOW_MIN
        print(  # noqa: T201
            f"{variant:10} {median:11.4f}  {low:9.4f}  {similar[0]:6.3f}  "
            f"{statistics.median(levels):13.2f}  {levels[-len(levels) // 20 - 1]:10.2f}"
        )
    for each in sorted(found, key=lambda each: each.similarity)[:OUTLIERS_COUNT]:
        if each.similarity < SIMILARITY_LOW_MIN or each.levels > OUTLIER_LEVELS:
            size = ", another size" if each.size_differs else ""
            print(  # noqa: T201
                f"  {each.name} {each.variant}: SSIM {each.similarity:.3f}, "
                f"{each.levels:.1f} levels{size}"
            )
    return good


OUTLIERS_COUNT = 60
OUTLIER_LEVELS = 3


def main() -> int:
    """Run the command. Returns the exit status: 1 if the variants are not similar enough."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {}
        if folders := sys.argv[1:]:
            paths = sorted(path for each in folders for path in Path(each).rglob("*"))
            files = {f"{number}-{path.name}": path for number, path in enumerate(paths)}
            files = {name: path for name, path in files.items() if path.is_file()}
        else:
            for input_name, body in inputs():
                files[input_name] = folder / f"input-{input_name}"
                files[input_name].write_bytes(body)
        found, lines = compare(files, folder)
    for line in lines:
        print(line)  # noqa: T201
    return 0 if report(found) else 1


if __name__ == "__main__":
    sys.exit(main())
