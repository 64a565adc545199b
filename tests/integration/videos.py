"""Small videos for tests, with and without images."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import av
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
AV1 = "libsvtav1"


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How `encode` writes a video."""

    codec: str = "libx264"
    extension: str = "mp4"
    rate: int = 12
    rotation: int = 0
    """Degrees counterclockwise, as in FFmpeg's display.h."""
    is_mirrored: bool = False
    pixel_aspect: tuple[int, int] = (1, 1)
    pixel_format: str = "yuv420p"
    keyframe_every: int = 0
    """Frames from a keyframe to the next, or 0 for the encoder's default."""
    colorspace: int = 2
    """A value of AVColorSpace. 2 is unspecified."""
    color_range: int = 0
    """A value of AVColorRange. 0 is unspecified."""
    options: dict[str, str] = field(default_factory=dict)
    """Of the encoder."""
    mux_options: dict[str, str] = field(default_factory=dict)
    """Of the writer of the container."""


def video(
    size: tuple[int, int] = (64, 48),
    *,
    colours: Sequence[str] = ("teal",) * 24,
    **encoding: Any,
) -> bytes:
    """Return a video with one frame for each colour, at 12 frames a second.

    The upper left quarter of each frame is white, except in black frames. `encoding` has the fields
    of Encoding.
    """
    how = Encoding(**encoding)
    if how.codec == AV1:
        return _encoded_by_child(json.dumps({"size": size, "colours": colours, **asdict(how)}))
    return encode((_frame(size, colour) for colour in colours), how)


def encode(frames: Iterable[av.VideoFrame], how: Encoding) -> bytes:
    """Return a video of frames. All have the size of the first."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"video.{how.extension}"
        with av.open(path, "w", options=how.mux_options) as container:
            stream: Any = None
            for number, frame in enumerate(frames):
                stream = stream or _stream(container, frame, how)
                # PyAV keeps the threads of a conversion. A process that forks later would hang.
                converted = frame.reformat(format=how.pixel_format, threads=1)
                converted.pts = number
                container.mux(stream.encode(converted))
            container.mux(stream.encode(None))
        return path.read_bytes()


def _stream(container: Any, frame: av.VideoFrame, how: Encoding) -> Any:
    options = {"threads": "1"} if how.codec == "libx264" else {}
    if how.codec == "libx265":
        options = {"x265-params": "pools=1:log-level=none"}
    stream = container.add_stream(how.codec, rate=how.rate, options={**options, **how.options})
    stream.width, stream.height = frame.width, frame.height
    stream.pix_fmt = how.pixel_format
    stream.codec_context.sample_aspect_ratio = Fraction(*how.pixel_aspect)
    stream.codec_context.colorspace = how.colorspace
    stream.codec_context.color_range = how.color_range
    if how.keyframe_every:
        stream.codec_context.gop_size = how.keyframe_every
    if how.rotation or how.is_mirrored:
        stream.set_display_rotation(how.rotation, hflip=how.is_mirrored)
    return stream


def _frame(size: tuple[int, int], colour: str) -> av.VideoFrame:
    image = Image.new("RGB", size, colour)
    if colour != "black":
        image.paste("white", (0, 0, size[0] // 2, size[1] // 2))
    frame: av.VideoFrame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
    return frame


def textured(count: int = 24, size: tuple[int, int] = (160, 120)) -> list[av.VideoFrame]:
    """Return frames of an image that moves, with details that an encoder must keep."""
    width, height = size
    noise = Image.frombytes("RGB", (40, 30), Random(1).randbytes(40 * 30 * 3))
    scene = noise.resize((2 * width, 2 * height), Image.Resampling.BICUBIC)
    return [
        av.VideoFrame.from_image(scene.crop((3 * n, 2 * n, 3 * n + width, 2 * n + height)))  # type: ignore[no-untyped-call]
        for n in range(count)
    ]


def planes(y: int, u: int, v: int, size: tuple[int, int] = (64, 48)) -> av.VideoFrame:
    """Return a frame of one colour, as its values in YUV."""
    frame = av.VideoFrame(*size, "yuv420p")
    for plane, value in zip(frame.planes, (y, u, v), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


@cache
def _encoded_by_child(request: str) -> bytes:
    """Encode AV1 in a process of its own. The encoder's threads do not end with the encoding."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "encoded"
        subprocess.run(
            [sys.executable, "-m", "tests.integration.videos", request, str(path)],
            cwd=ROOT,
            check=True,
            capture_output=True,
            timeout=60,
        )
        return path.read_bytes()


def _main() -> None:
    request = json.loads(sys.argv[1])
    size, colours = request.pop("size"), request.pop("colours")
    body = encode((_frame(tuple(size), colour) for colour in colours), Encoding(**request))
    Path(sys.argv[2]).write_bytes(body)


def animated_avif(*, count: int, alpha: int) -> bytes:
    """Return an animated AVIF image with transparency."""
    frames = [Image.new("RGBA", (64, 48), (40 * n, 0, 0, alpha)) for n in range(count)]
    file = BytesIO()
    frames[0].save(file, "AVIF", save_all=True, append_images=frames[1:], duration=200)
    return file.getvalue()


def sound_alone(*, with_cover: bool = False, extension: str = "mp4") -> bytes:
    """Return a file with sound, and without images but for a cover."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"sound.{extension}"
        with av.open(path, "w") as container:
            stream = container.add_stream("aac", rate=44_100, layout="stereo")
            cover: Any = container.add_stream("mjpeg", rate=1) if with_cover else None
            if cover:
                cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
                cover.disposition = 1 << 10  # attached_pic
                frame = _frame((64, 48), "teal").reformat(format="yuvj420p", threads=1)
                for packet in [*cover.encode(frame), *cover.encode(None)]:
                    container.mux(packet)
            for number in range(8):
                samples = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
                samples.sample_rate, samples.pts = 44_100, number * 1024
                for plane in samples.planes:
                    plane.update(bytes(plane.buffer_size))
                container.mux(stream.encode(samples))
        return path.read_bytes()


if __name__ == "__main__":
    _main()
