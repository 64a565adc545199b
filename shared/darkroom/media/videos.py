"""Videos: what a file really is, and an image of it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import IO, Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image, ImageStat

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.outputs import OutputFile

# By their first bytes: the container's name to FFmpeg, the media type, the extension. No other demuxer ever sees a file: some open what
# a file names, be it on this machine or elsewhere.
_MP4 = ("mp4", "video/mp4", "mp4")
_WEBM = ("webm", "video/webm", "webm")
WEBM_MARK = b"\x1a\x45\xdf\xa3"
_POSTER_AT = Fraction(1, 10)
_POSTER_FRAMES_MAX = 24
_BLACK_LEVEL_MAX = 20


def probe(file: IO[bytes], *, pixels_max: int) -> OutputFile:
    """Tell what video this is: its size as it is shown, and its length in seconds. Raises GenerationFailed when it is none."""
    name, content_type, extension = _container(file)
    try:
        with av.open(file, "r", format=name) as container:
            stream = _stream(container, pixels_max)
            frame = next(container.decode(stream))
            width, height = (
                (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)
            )
            return OutputFile(content_type, extension, width, height, _seconds(container, stream))
    except Exception as error:
        # FFmpeg raises nearly anything for a file that was made to break it.
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED)) from error
    finally:
        file.seek(0)


def poster(file: IO[bytes], *, pixels_max: int) -> Image.Image:
    """Take a frame from near the beginning that is not black, if there is one soon. Raises whatever FFmpeg does when there is none at all."""
    name, _, _ = _container(file)
    try:
        with av.open(file, "r", format=name) as container:
            stream = _stream(container, pixels_max)
            if container.duration:
                container.seek(int(container.duration * _POSTER_AT))
            return _first_bright_frame(islice(container.decode(stream), _POSTER_FRAMES_MAX))
    finally:
        file.seek(0)


def _first_bright_frame(frames: Iterator[Any]) -> Image.Image:
    darkest: Image.Image | None = None
    for frame in frames:
        image: Image.Image = frame.to_image()
        turned = image.rotate(frame.rotation, expand=True) if frame.rotation else image
        if ImageStat.Stat(turned.convert("L").reduce(4)).mean[0] > _BLACK_LEVEL_MAX:
            return turned
        darkest = darkest or turned
    if darkest is None:
        raise ValueError("no frame")
    return darkest


def _stream(container: InputContainer, pixels_max: int) -> VideoStream:
    stream = container.streams.video[0]
    if not 0 < stream.width * stream.height <= pixels_max:
        raise ValueError(f"{stream.width} × {stream.height} pixels")
    # One thread: the others would hold frames of their own.
    stream.codec_context.thread_count = 1
    return stream


def _seconds(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return round(float(stream.duration * stream.time_base), 2)
    return round(container.duration / av.time_base, 2) if container.duration else None


def _container(file: IO[bytes]) -> tuple[str, str, str]:
    is_webm = file.read(len(WEBM_MARK)) == WEBM_MARK
    file.seek(0)
    return _WEBM if is_webm else _MP4
