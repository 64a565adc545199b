"""Measures the time and the peak memory of the variants of a file, beside those of sharp.

    python -m tests.bench.sharp_costs [FILE …]

Without a file it uses generated images. Darkroom and sharp run in pairs, one after the other, and
each in a process of its own. Each makes the variants of a tiny image first, so the time is that of
a warm process. The seconds are those of the processor. The memory is the peak of the process, with
Python or Node.js. `make bench` runs this.

sharp decodes a file once for each variant. Its thumbnail alone is measured, too, and compared with
the whole work of Darkroom.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tests.conftest  # noqa: F401 (sets the environment before another import reads it)
from tools import node_tools

SHARP = Path(__file__).with_name("sharp")
DECODE_SECONDS = 60
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
TINY = "size-16x16-png"
# The turned images cost the same, and tiny ones cost next to nothing.
_NOT_MEASURED = ("jpeg-orientation", "size-")
_MEASURED = ("jpeg-orientation-6", TINY, "size-513x511", "size-2751x1999", "size-4096x3072")


@dataclass(frozen=True, slots=True)
class Cost:
    """What the variants of a file need. The memory is the peak of the process."""

    seconds: float
    megabytes: float


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of one file: of Darkroom, of sharp, and of sharp's thumbnail alone."""

    name: str
    darkroom: Cost
    sharp: Cost
    sharp_thumbnail: Cost


def costs_of(name: str, path: Path, tiny: Path) -> Costs | str:
    """Measure a file, after a tiny one. Returns the reason if one of the two makes no variants."""
    try:
        return Costs(
            name,
            _by_darkroom(path, tiny),
            _by_sharp(path, tiny),
            _by_sharp(path, tiny, "thumbnail"),
        )
    except _NotMade as error:
        return f"{name}: {error}"


class _NotMade(Exception):
    """One of the two makes no variants of this file. The message is its error."""


def _by_darkroom(path: Path, tiny: Path) -> Cost:
    """Run `measure` in a process of its own."""
    return _cost("Darkroom", json.loads(_in_child("--measure", str(tiny), str(path))))


def _by_sharp(path: Path, tiny: Path, *variants: str) -> Cost:
    node = shutil.which("node")
    if node is None:
        raise node_tools.NodeMissing("node is not installed")
    listed = [{"name": each.name, "path": str(each)} for each in (tiny, path)]
    with tempfile.TemporaryDirectory() as folder:
        modules = str(node_tools.installed(SHARP))
        completed = subprocess.run(
            [node, str(SHARP / "variants.mjs"), modules, folder, *variants],
            input=json.dumps(listed),
            capture_output=True,
            text=True,
            check=True,
        )
    return _cost("sharp", json.loads(completed.stdout)[path.name])


def _cost(who: str, result: dict[str, float | str]) -> Cost:
    if "error" in result:
        raise _NotMade(f"{who}: {result['error']}".splitlines()[0])
    return Cost(
        float(result["cpu_milliseconds"]) / 1_000,
        float(result["peak_kilobytes"]) * 1_024 / 1_000_000,
    )


def measure(*paths: Path) -> dict[str, float | str]:
    """Make the variants of each file. Returns what the last one needed, or its error."""
    # The parent process does not load these: its memory would count in its child processes.
    from darkroom.domain.outputs import CorruptOutput, DecodeBudgetExceeded  # noqa: PLC0415
    from darkroom.media.outputs import images, inspect  # noqa: PLC0415
    from darkroom.media.outputs.variants import make_variants  # noqa: PLC0415

    started = 0.0
    for path in paths:
        started = time.process_time()
        give_up_at = time.monotonic() + DECODE_SECONDS
        with path.open("rb") as file:
            try:
                _, image = images.decode(file, inspect.identify(file), give_up_at=give_up_at)
            except (CorruptOutput, DecodeBudgetExceeded) as error:
                return {"error": str(error)}
        make_variants(image, xmp=XMP)
    return {
        "cpu_milliseconds": (time.process_time() - started) * 1_000,
        "peak_kilobytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def make_inputs(folder: Path) -> None:
    """Write the generated images."""
    from tests.bench.image_inputs import inputs  # noqa: PLC0415 (as in `measure`)

    for name, body in inputs():
        if not name.startswith(_NOT_MEASURED) or name.startswith(_MEASURED):
            (folder / name).write_bytes(body)


def _in_child(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.bench.sharp_costs", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def report(found: list[Costs]) -> Iterator[str]:
    """Yield the lines of a table: the ratios of Darkroom to sharp, and the largest ones."""
    yield "Darkroom / sharp                  median  95 % below  highest"
    for name, ratio in RATIOS.items():
        ratios = sorted(ratio(each) for each in found)
        yield (
            f"{name:32} {statistics.median(ratios):7.2f}  "
            f"{ratios[-len(ratios) // 20 - 1]:10.2f}  {ratios[-1]:7.2f}"
        )
    yield "file                             seconds  sharp  thumbnail  peak MB  sharp  thumbnail"
    for each in sorted(found, key=lambda each: -each.darkroom.seconds / each.sharp.seconds):
        yield (
            f"{each.name[:31]:31} {each.darkroom.seconds:8.3f} {each.sharp.seconds:6.3f} "
            f"{each.sharp_thumbnail.seconds:10.3f} {each.darkroom.megabytes:8.0f} "
            f"{each.sharp.megabytes:6.0f} {each.sharp_thumbnail.megabytes:10.0f}"
        )


RATIOS: dict[str, Callable[[Costs], float]] = {
    "seconds": lambda each: each.darkroom.seconds / each.sharp.seconds,
    "seconds, sharp: thumbnail only": lambda each: (
        each.darkroom.seconds / each.sharp_thumbnail.seconds
    ),
    "peak memory": lambda each: each.darkroom.megabytes / each.sharp.megabytes,
    "peak memory, sharp: thumbnail only": lambda each: (
        each.darkroom.megabytes / each.sharp_thumbnail.megabytes
    ),
}


def main() -> int:
    """Run the command. Returns the exit status: 1 if Darkroom needs more than sharp."""
    match sys.argv[1:]:
        case ["--measure", *files]:
            print(json.dumps(measure(*map(Path, files))))  # noqa: T201
            return 0
        case ["--make", target]:
            make_inputs(Path(target))
            return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _in_child("--make", name)
        paths = [Path(each) for each in sys.argv[1:]] or sorted(
            set(folder.iterdir()) - {folder / TINY}
        )
        results = [costs_of(path.name, path, folder / TINY) for path in paths]
    print(*(reason for reason in results if isinstance(reason, str)), sep="\n")  # noqa: T201
    found = [each for each in results if isinstance(each, Costs)]
    for line in report(found):
        print(line)  # noqa: T201
    return 0 if all(_median(name, found) <= RATIO_MAX for name in DEMANDED) else 1


# The medians of these ratios must not be above this.
DEMANDED = ("seconds", "peak memory")
RATIO_MAX = 1.1


def _median(name: str, found: list[Costs]) -> float:
    return statistics.median(map(RATIOS[name], found))


if __name__ == "__main__":
    sys.exit(main())
