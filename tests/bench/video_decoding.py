"""Measures the peak memory and the seconds that large videos need.

    python -m tests.bench.video_decoding [CASE …]

Each case is encoded in a process of its own, and decoded in another one, with all variants. The
memory is the peak of the process, with Python and FFmpeg. The seconds are those of the processor.
`make bench` runs this.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av

import tests.conftest  # noqa: F401 (sets the environment before another import reads it)
from darkroom.domain.outputs import DecodeBudgetExceeded
from darkroom.media.outputs import inspect
from darkroom.media.outputs.variants import make_variants
from tests.bench.image_inputs import scene
from tests.integration.videos import Encoding, encode

# Of StoreOutputFunction in template.yaml. The peak must leave room for the download.
FUNCTION_MEGABYTES = 2_048
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
_FRAMES_A_SECOND = 30
_STEP_PIXELS = 8


@dataclass(frozen=True, slots=True)
class Case:
    """A video to encode: its codec with options, and its size in pixels."""

    codec: str
    width: int
    height: int
    frames: int
    extension: str = "mp4"
    options: dict[str, str] = field(default_factory=dict)


_4K = (3_840, 2_160)
_REFERENCES = {"preset": "ultrafast", "x264-params": "ref=16:keyint=300"}
CASES = {
    "h264-full-hd": Case("libx264", 1_920, 1_080, 150, options={"preset": "ultrafast"}),
    "h264-4k": Case("libx264", *_4K, 60, options={"preset": "ultrafast"}),
    "hevc-4k": Case("libx265", *_4K, 20, options={"preset": "ultrafast"}),
    "av1-4k": Case("libsvtav1", *_4K, 20, options={"preset": "12"}),
    "vp9-4k": Case(
        "libvpx-vp9", *_4K, 20, "webm", {"deadline": "realtime", "cpu-used": "8", "b": "8M"}
    ),
    "h264-16-megapixels-16-references": Case("libx264", 5_328, 3_000, 30, options=_REFERENCES),
    "h264-8k-16-references": Case("libx264", 7_680, 4_320, 20, options=_REFERENCES),
}


def make(case: Case, path: Path) -> None:
    """Encode the video of a case: an image that moves by eight pixels in each frame."""
    image = scene(case.width + _STEP_PIXELS * case.frames, case.height)
    frame_of: Any = av.VideoFrame.from_image  # PyAV states no types for it
    frames = (
        frame_of(image.crop((left, 0, left + case.width, case.height)))
        for left in range(0, _STEP_PIXELS * case.frames, _STEP_PIXELS)
    )
    how = Encoding(
        codec=case.codec, extension=case.extension, rate=_FRAMES_A_SECOND, options=case.options
    )
    path.write_bytes(encode(frames, how))


def measure(path: Path) -> dict[str, float | str]:
    """Decode a file and make its variants. Returns seconds, megabytes, and what happened."""
    started = time.process_time()
    with path.open("rb") as file:
        try:
            _, image = inspect.decode(file, inspect.identify(file))
            make_variants(image, xmp=XMP)
            result = "decoded"
        except DecodeBudgetExceeded as error:
            result = f"no variants: {error}"
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": time.process_time() - started,
        "megabytes": kilobytes * 1_024 / 1_000_000,
        "bytes": path.stat().st_size,
        "result": result,
    }


def _in_child(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.bench.video_decoding", *arguments]
    # The encoder of AV1 writes its settings to stderr, unless it shall write errors only.
    environment = os.environ | {"SVT_LOG": "1"}
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment
    ).stdout


def main() -> int:
    """Run the command. Returns the exit status: 1 if a case needs more than the function has."""
    match sys.argv[1:]:
        case ["--make", name, path]:
            make(CASES[name], Path(path))
            return 0
        case ["--measure", path]:
            print(json.dumps(measure(Path(path))))  # noqa: T201
            return 0
    good = True
    print("case                                file MB  seconds  peak MB  result")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or CASES:
            path = f"{folder}/{name}"
            _in_child("--make", name, path)
            found = json.loads(_in_child("--measure", path))
            Path(path).unlink()
            good &= found["megabytes"] < FUNCTION_MEGABYTES
            print(  # noqa: T201
                f"{name:34} {found['bytes'] / 1_000_000:8.1f} {found['seconds']:8.1f} "
                f"{found['megabytes']:8.0f}  {found['result']}",
                flush=True,
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
