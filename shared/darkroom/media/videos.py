"""Videos: detects the type, size and length of a file, and extracts a poster frame."""

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

# FFmpeg's format name, the media type, and the file extension. FFmpeg must not detect the format:
# some of its demuxers open other files or URLs that a file names.
_MP4 = ("mp4", "video/mp4", "mp4")
_WEBM = ("webm", "video/webm", "webm")
WEBM_MARK = b"\x1a\x45\xdf\xa3"
_POSTER_AT = Fraction(1, 10)
_POSTER_FRAMES_MAX = 24
_BLACK_LEVEL_MAX = 20


def probe(file: IO[bytes], *, pixels_max: int) -> OutputFile:
    """Return the type, the size after rotation, and the length in seconds of a video.

    Decodes the first frame. Raises GenerationFailed if the file is not a video that can be decoded,
    or if a frame has more than `pixels_max` pixels.
    """
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
        # FFmpeg can raise almost any exception for a malicious file.
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED)) from error
    finally:
        file.seek(0)


def poster(file: IO[bytes], *, pixels_max: int) -> Image.Image:
    """Return a frame from about a tenth of the video's length that is not black.

    If the 24 frames from there are all dark, the first one is returned. Raises ValueError if there
    is no frame, and FFmpeg's exceptions if the video cannot be decoded.
    """
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
    first: Image.Image | None = None
    for frame in frames:
        image: Image.Image = frame.to_image()
        upright = image.rotate(frame.rotation, expand=True) if frame.rotation else image
        if ImageStat.Stat(upright.convert("L").reduce(4)).mean[0] > _BLACK_LEVEL_MAX:
            return upright
        first = first or upright
    if first is None:
        raise ValueError("no frame")
    return first


def _stream(container: InputContainer, pixels_max: int) -> VideoStream:
    stream = container.streams.video[0]
    if not 0 < stream.width * stream.height <= pixels_max:
        raise ValueError(f"{stream.width} × {stream.height} pixels")
    # More threads would hold more frames in memory.
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
