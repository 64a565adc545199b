"""Videos: detects the type, size and length of a file, and extracts a poster frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from typing import IO, Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image, ImageStat

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.file_types import WEBM, FileType
from darkroom.domain.outputs import CorruptOutput, DecodeBudgetExceeded, OutputFile
from darkroom.settings import settings

_POSTER_AT = Fraction(1, 10)
_POSTER_FRAMES_MAX = 24
_BLACK_LEVEL_MAX = 20


def read_header(file: IO[bytes], file_type: FileType) -> OutputFile:
    """Return the type, the coded size and the length of a video. Raises CorruptOutput."""
    try:
        with av.open(file, "r", format=_format(file_type)) as container:
            stream = container.streams.video[0]
            return OutputFile(
                file_type.content_type,
                file_type.extension,
                stream.width,
                stream.height,
                _seconds(container, stream),
            )
    except IndexError as error:
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED)) from error
    except Exception as error:
        raise CorruptOutput(f"{type(error).__name__}: {error}") from error
    finally:
        file.seek(0)


def decode(
    file: IO[bytes],
    file_type: FileType,
    *,
    give_up_at: float,  # noqa: ARG001
) -> tuple[OutputFile, Image.Image]:
    """Return the type, the size after rotation, the length, and a frame that is not black.

    Raises CorruptOutput and DecodeBudgetExceeded.
    """
    found = read_header(file, file_type)
    if found.width * found.height > settings().video_pixels_max:
        raise DecodeBudgetExceeded(f"{found.width} × {found.height} pixels")
    try:
        with av.open(file, "r", format=_format(file_type)) as container:
            stream = _stream(container)
            frame = next(container.decode(stream))
            width, height = (
                (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)
            )
            if container.duration:
                container.seek(int(container.duration * _POSTER_AT))
            poster = _first_bright_frame(islice(container.decode(stream), _POSTER_FRAMES_MAX))
            return replace(found, width=width, height=height), poster
    except Exception as error:
        # FFmpeg can raise almost any exception for a malicious file.
        raise CorruptOutput(f"{type(error).__name__}: {error}") from error
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


def _stream(container: InputContainer) -> VideoStream:
    stream = container.streams.video[0]
    # More threads would hold more frames in memory.
    stream.codec_context.thread_count = 1
    return stream


def _seconds(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return round(float(stream.duration * stream.time_base), 2)
    return round(container.duration / av.time_base, 2) if container.duration else None


def _format(file_type: FileType) -> str:
    return "webm" if file_type is WEBM else "mp4"
