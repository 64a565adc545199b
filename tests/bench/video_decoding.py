"""Measures the peak memory and the seconds that large videos need.

    python -m tests.bench.video_decoding [CASE …]

`make bench` runs this.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av

from tests.bench.decoding_costs import run
from tests.bench.image_inputs import scene
from tests.integration.videos import Encoding, encode

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


def make(name: str, path: Path) -> None:
    """Encode the video of a case: an image that moves by eight pixels in each frame."""
    case = CASES[name]
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


if __name__ == "__main__":
    sys.exit(run("tests.bench.video_decoding", CASES, make))
