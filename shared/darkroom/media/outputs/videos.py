"""Videos and animated AVIF images: the header, whether the file is whole, and one frame of it."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import av
import pyvips
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from darkroom.domain import file_types
from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.file_types import FileType
from darkroom.domain.outputs import CorruptOutput, DecodeBudgetExceeded, OutputFile
from darkroom.media.memory_limit import memory_limited
from darkroom.media.outputs.completeness import check_end
from darkroom.media.outputs.video_frames import display_of
from darkroom.media.outputs.video_packets import Packets, decode_keyframes, read_packets
from darkroom.media.outputs.video_poster import find_poster
from darkroom.settings import settings

# H.264 keeps up to 16 frames, and a frame of 16 million pixels has 24 MB. A video that needs more
# gets an earlier frame as its poster.
_MEMORY_BYTES_MAX = 400 * 2**20
_HEADER_SECONDS_MAX = 5
# FFmpeg must not detect the format: some demuxers open other files or URLs that a file names.
_MATROSKA, _MOV = "matroska", "mov"
_DEPTH = b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth"
_CHUNK_BYTES = 1 << 20
# Each thread of a decoder holds frames of its own.
_OPTIONS = {"threads": "1"}


def read_header(file: IO[bytes], file_type: FileType) -> OutputFile:
    """Return the type, the size as shown, and the length of a video, from its header.

    Raises CorruptOutput if the header cannot be read in five seconds, and GenerationFailed if the
    file has no images.
    """
    try:
        with _opened(file, file_type, time.monotonic() + _HEADER_SECONDS_MAX) as container:
            return _describe(container, _stream(container, file_type), file_type)
    except DecodeBudgetExceeded as error:
        raise CorruptOutput(f"the header: {error}") from error


def decode(
    file: IO[bytes], file_type: FileType, *, give_up_at: float
) -> tuple[OutputFile, pyvips.Image]:
    """Read all packets, decode the first and the last keyframe, and return an image of the video.

    The image is a frame that is not black, as a player shows it, and at most 1,024 pixels long. Of
    an animated AVIF image, it is the first frame.

    `give_up_at` is a time of `time.monotonic()`. Raises CorruptOutput if the file is not whole, and
    GenerationFailed if it has no images. Raises DecodeBudgetExceeded if a frame has more than
    `video_pixels_max` pixels, or if the time or the memory ends before the file is known to be
    whole.
    """
    pixels_max = settings().video_pixels_max
    with _opened(file, file_type, give_up_at) as container:
        stream = _stream(container, file_type)
        packets = read_packets(container, stream)
        found = _describe(container, stream, file_type, packets)
        if stream.width * stream.height > pixels_max:
            raise DecodeBudgetExceeded(f"{stream.width} × {stream.height} pixels")
        # A later frame may be larger than the header says.
        stream.codec_context.options = {"max_pixels": str(2 * pixels_max)}
        stream.codec_context.thread_count = 1
        frame = decode_keyframes(container, stream, packets)
        alpha = _alpha_frame(container, stream) if found.frames else None
        if file_type != file_types.AVIF:
            frame = find_poster(container, stream, packets, frame, give_up_at)
        display = display_of(stream, frame)
    # The container is closed, so the decoder's other frames need no memory any more.
    image = display.image(frame)
    has_same_size = alpha and (alpha.width, alpha.height) == (frame.width, frame.height)
    if alpha and has_same_size and not _has_depth(file):
        image = image.bandjoin(display.image(alpha)[0])
    return found, image


@contextmanager
def _opened(file: IO[bytes], file_type: FileType, give_up_at: float) -> Iterator[InputContainer]:
    """Open a video file in bounded memory, and translate FFmpeg's exceptions."""
    reader = _Reader(file, give_up_at)
    try:
        with memory_limited(_MEMORY_BYTES_MAX):
            check_end(reader, file_type)
            with av.open(
                reader,
                "r",
                format=_MATROSKA if file_type == file_types.WEBM else _MOV,
                options=_OPTIONS,
            ) as container:
                yield container
    except (CorruptOutput, DecodeBudgetExceeded, GenerationFailed):
        raise
    except MemoryError as error:
        raise DecodeBudgetExceeded("memory") from error
    except (av.FFmpegError, ValueError, LookupError, ArithmeticError, AssertionError) as error:
        # PyAV raises more than its own exceptions for a hostile file.
        raise CorruptOutput(f"{type(error).__name__}: {error}") from error
    finally:
        file.seek(0)


class _Reader:
    """Reads a file until a time. FFmpeg's loops over a hostile file have no bound of their own."""

    def __init__(self, file: IO[bytes], give_up_at: float) -> None:
        self._file, self._give_up_at = file, give_up_at
        self._has_ended = False

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes. Raises DecodeBudgetExceeded once, then reads nothing.

        PyAV keeps an exception until FFmpeg returns. It prints a second one to stderr.
        """
        if self._has_ended:
            return b""
        if time.monotonic() > self._give_up_at:
            self._has_ended = True
            raise DecodeBudgetExceeded("time")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _stream(container: InputContainer, file_type: FileType) -> VideoStream:
    """Return the stream that a player shows. The cover of a song is a stream too, but no video.

    FFmpeg prefers the stream with the most frames. In an animated AVIF image, this is the track,
    and not the still image before it.
    """
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise _rejected(f"{_file_name(file_type)} without images")
    best = container.streams.best("video")
    stream = best if best in streams else streams[0]
    if stream.codec_context is None:
        raise _rejected(f"{_file_name(file_type)} of an unknown codec")
    return stream


def _alpha_frame(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """Return the transparency of the first frame of an animated AVIF image, if it has any.

    It is the luma of another track with as many frames: an auxiliary track of
    aomediacodec.github.io/av1-avif, 4. A depth map is such a track too. FFmpeg does not report
    which of them a track is.
    """
    for other in container.streams.video:
        is_auxiliary = other.frames == stream.frames and other.index != stream.index
        # A stream of an unknown codec has no context.
        if is_auxiliary and other.codec_context is not None:
            other.codec_context.options = dict(stream.codec_context.options)
            other.codec_context.thread_count = 1
            container.seek(other.start_time or 0, stream=other)
            return next(container.decode(other), None)
    return None


def _has_depth(file: IO[bytes]) -> bool:
    """Return whether a file names an auxiliary track of depth (ISO/IEC 23091-2)."""
    file.seek(0)
    last = b""
    while chunk := file.read(_CHUNK_BYTES):
        if _DEPTH in last + chunk:
            break
        last = chunk[-len(_DEPTH) :]
    file.seek(0)
    return bool(chunk)


def _file_name(file_type: FileType) -> str:
    return file_type.name.replace("video", "file")


def _rejected(what: str) -> GenerationFailed:
    message = (
        f"The model's output is {what}. Darkroom delivers images and videos. "
        "Nothing was charged. Choose another template or other parameters."
    )
    return GenerationFailed(failure(FailureCode.OUTPUT_REJECTED, message))


def _describe(
    container: InputContainer,
    stream: VideoStream,
    file_type: FileType,
    packets: Packets | None = None,
) -> OutputFile:
    if stream.width <= 0 or stream.height <= 0:
        raise CorruptOutput("the header states no size")
    width, height = display_of(stream).size(stream.width, stream.height)
    is_video = file_type != file_types.AVIF
    is_animated = not is_video and stream.frames > 1
    return OutputFile(
        content_type=file_type.content_type,
        extension=file_type.extension,
        width=width,
        height=height,
        seconds=_seconds(container, stream, packets) if is_video or is_animated else None,
        frames=stream.frames if is_animated else None,
    )


def _seconds(
    container: InputContainer, stream: VideoStream, packets: Packets | None
) -> float | None:
    """Return the length. A live stream states no length, so it is computed from the packets."""
    if stream.duration:
        return round(float(stream.duration * stream.time_base), 2)
    if container.duration:
        return round(container.duration / av.time_base, 2)
    return round(float(packets.length * stream.time_base), 2) or None if packets else None
