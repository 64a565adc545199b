"""Images of outputs: reads headers, and decodes whole files with libvips.

libvips decodes in strips, so the memory does not grow with the image, except for AVIF, WebP, and
interlaced or progressive files. It runs in this thread alone and keeps no cache.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import UnsupportedOperation
from typing import IO, Any

import pyvips

from darkroom.domain import file_types
from darkroom.domain.file_types import FileType
from darkroom.domain.outputs import CorruptOutput, DecodeBudgetExceeded, OutputFile
from darkroom.media.outputs.completeness import check_end
from darkroom.media.outputs.variants import PREVIEW_SIDES_PIXELS, THUMBNAIL_SIDE_PIXELS
from darkroom.media.outputs.vips_messages import (
    collecting_messages,
    forget_errors,
    is_beyond_limits,
    is_harmless,
)
from darkroom.settings import settings

# A decoded image is at least this much larger than its variants. libvips' own `resize` averages
# blocks of pixels first, and leaves the same reserve for its better filter.
_RESERVE = 2
_LONG_SIDE_PIXELS_MAX = 16_384
# libvips makes one tall image of all frames, of at most this height (VIPS_MAX_COORD).
_TALL_IMAGE_PIXELS_MAX = 10_000_000
# The decoders of AVIF and of animations hold several copies of the image: up to 26 bytes for each
# pixel. This limit follows from the function's memory.
_HELD_PIXELS_MAX = 40_000_000
_SWAPPED_ORIENTATION_MIN = 5  # The EXIF orientations 5 to 8 swap width and height.

_LOADERS = {
    file_types.JPEG: pyvips.Image.jpegload_source,
    file_types.PNG: pyvips.Image.pngload_source,
    file_types.WEBP: pyvips.Image.webpload_source,
    file_types.GIF: pyvips.Image.gifload_source,
    file_types.AVIF: pyvips.Image.heifload_source,
}
_LIMITED = (file_types.JPEG, file_types.PNG, file_types.AVIF)
_ANIMATED = (file_types.GIF, file_types.WEBP)
# These decoders read while they decode. The others map the whole file first.
_READ_IN_PIECES = (file_types.JPEG, file_types.PNG)

pyvips.cache_set_max(0)
pyvips.concurrency_set(1)


def read_header(file: IO[bytes], file_type: FileType) -> OutputFile:
    """Read the type and size of an image from its header. Decodes no pixels.

    Raises CorruptOutput if the header cannot be read.
    """
    # Without the loader's limits: the size of an image is known even if it is too large to decode.
    options = {"unlimited": True} if file_type in _LIMITED else {}
    with (
        _translated_errors(file),
        _opened(file, file_type, _Deadline(math.inf), **options) as image,
    ):
        return _describe(image, file_type)


def decode(
    file: IO[bytes], file_type: FileType, *, give_up_at: float
) -> tuple[OutputFile, pyvips.Image]:
    """Decode every pixel of an image, and of each frame if it is animated.

    Returns the image's type and size, and the image or its first frame: upright, sRGB with 8 bits,
    with alpha if the file has it. A large image is scaled down, to a longer side of 2,048 to 4,096
    pixels. The returned image is in memory and does not need the file.

    `give_up_at` is a time of `time.monotonic`. Raises DecodeBudgetExceeded after that time, or if a
    frame has more than `output_pixels_max` pixels (AVIF and animations: at most 40 million). Raises
    CorruptOutput if the file is not whole.
    """
    deadline = _Deadline(give_up_at)
    found = read_header(file, file_type)
    if found.width * found.height > _pixels_max(file_type, found):
        raise DecodeBudgetExceeded(f"{found.width} × {found.height} pixels")
    with _translated_errors(file, deadline):
        # A decoder does not need the end of a PNG, a GIF or some JPEG files, and reads one image of
        # an AVIF file only.
        check_end(file, file_type)
        image = _decode_strictly(file, file_type, found, deadline)
        if found.frames:
            _decode_frames(file, file_type, found, deadline)
    if deadline.has_passed:
        raise DecodeBudgetExceeded("time")
    return found, image


def _pixels_max(file_type: FileType, found: OutputFile) -> int:
    """Return the largest allowed image, or frame of an animation."""
    limit = settings().output_pixels_max
    is_held = file_type is file_types.AVIF or found.frames
    return min(limit, _HELD_PIXELS_MAX) if is_held else limit


class _Deadline:
    """Ends a decoding in libvips after a time of `time.monotonic`."""

    def __init__(self, at: float) -> None:
        self._at = at

    @property
    def has_passed(self) -> bool:
        return time.monotonic() >= self._at

    def watch(self, image: pyvips.Image) -> None:
        """End the evaluation of this image, and of images made from it, after the deadline."""
        image.set_progress(True)
        image.signal_connect("eval", self._on_progress)

    def _on_progress(self, image: pyvips.Image, _progress: object) -> None:
        if self.has_passed:
            image.set_kill(True)

    def source(self, file: IO[bytes]) -> pyvips.Source:
        """Return a source that ends after the deadline.

        libvips reads all scans of a progressive JPEG, and an interlaced PNG, before it reports
        progress.
        """

        def read(size: int) -> bytes | None:
            return None if self.has_passed else file.read(size)

        source = pyvips.SourceCustom()
        source.on_read(read)
        source.on_seek(file.seek)
        return source


@contextmanager
def _translated_errors(file: IO[bytes], deadline: _Deadline | None = None) -> Iterator[None]:
    """Raise libvips' errors as CorruptOutput, and rewind the file.

    With a deadline, an error after it, or by a limit of a decoder, is a DecodeBudgetExceeded.
    """
    file.seek(0)
    forget_errors()
    try:
        yield
    except pyvips.Error as error:
        if deadline and deadline.has_passed:
            raise DecodeBudgetExceeded("time") from error
        if deadline and is_beyond_limits(str(error)):
            raise DecodeBudgetExceeded(str(error)) from error
        raise CorruptOutput(str(error)) from error
    finally:
        file.seek(0)


@contextmanager
def _opened(
    file: IO[bytes],
    file_type: FileType,
    deadline: _Deadline,
    **options: Any,  # noqa: ANN401 (of a loader)
) -> Iterator[pyvips.Image]:
    """Open an image with the loader of its type, and watch its decoding.

    libvips decodes later, from top to bottom. It calls the source and the watch of these objects,
    so the objects must live until the pixels are decoded.
    """
    file.seek(0)
    source = deadline.source(file) if file_type in _READ_IN_PIECES else _source(file)
    image = _LOADERS[file_type](source, access="sequential", **options)
    deadline.watch(image)
    yield image


def _source(file: IO[bytes]) -> pyvips.Source:
    file.flush()
    try:
        return pyvips.Source.new_from_descriptor(file.fileno())
    except UnsupportedOperation:
        return pyvips.Source.new_from_memory(file.read())


def _describe(image: pyvips.Image, file_type: FileType) -> OutputFile:
    width, height = image.width, image.height
    if _value(image, "orientation", 1) >= _SWAPPED_ORIENTATION_MIN:
        width, height = height, width
    frames, seconds = None, None
    if file_type in _ANIMATED and _value(image, "n-pages", 1) > 1:
        frames = _value(image, "n-pages", 1)
        seconds = sum(_value(image, "delay", [])) / 1_000 or None
    return OutputFile(file_type.content_type, file_type.extension, width, height, seconds, frames)


def _value(image: pyvips.Image, name: str, default: Any) -> Any:  # noqa: ANN401 (metadata)
    return image.get(name) if image.get_typeof(name) else default


def _decode_strictly(
    file: IO[bytes], file_type: FileType, found: OutputFile, deadline: _Deadline
) -> pyvips.Image:
    """Decode the image. Raise an error if the decoder gives a warning that is not harmless.

    libjpeg reports only the text of its first warning, and the number of all.
    """
    try:
        return _decode_small(file, file_type, found, deadline, fail_on="warning")
    except pyvips.Error as error:
        if deadline.has_passed or not is_harmless(str(error)):
            raise
        first = error
    with collecting_messages() as messages:
        image = _decode_small(file, file_type, found, deadline, fail_on="truncated")
    if messages.warnings_count > 1:
        raise first
    return image


def _decode_small(
    file: IO[bytes], file_type: FileType, found: OutputFile, deadline: _Deadline, *, fail_on: str
) -> pyvips.Image:
    shrink = _shrink_of(found.width, found.height)
    options: dict[str, Any] = {"fail_on": fail_on}
    if file_type is file_types.JPEG:
        # libjpeg decodes a smaller image in less time, and still reads the whole file.
        options["shrink"] = next((factor for factor in (8, 4, 2) if factor <= shrink), 1)
        shrink //= options["shrink"]
    with _opened(file, file_type, deadline, **options) as image:
        small = _in_srgb(_shrunk(image, shrink))
        return small.copy_memory().autorot()


def _shrink_of(width: int, height: int) -> int:
    """Return the factor by which to shrink a decoded image: 1 for a longer side below 4,096.

    The thumbnail is a square in the middle, so the shorter side needs enough pixels, too.
    """
    shorter, longer = sorted((width, height))
    needed = max(PREVIEW_SIDES_PIXELS), THUMBNAIL_SIDE_PIXELS
    factor = min(longer / needed[0], shorter / needed[1]) / _RESERVE
    return max(1, int(factor), math.ceil(longer / _LONG_SIDE_PIXELS_MAX))


def _shrunk(image: pyvips.Image, factor: int) -> pyvips.Image:
    """Average blocks of pixels. Transparent pixels have no part in the colors."""
    if factor == 1:
        return image
    if not image.hasalpha():
        return image.shrink(factor, factor, ceil=True)
    shrunk = image.premultiply().shrink(factor, factor, ceil=True)
    return shrunk.unpremultiply().cast(image.format)


def _in_srgb(image: pyvips.Image) -> pyvips.Image:
    """Convert to sRGB with 8 bits, by the embedded profile, as sharp does.

    Without a profile, libvips converts by formulas, which are exact for gray and RGB.
    """
    if image.interpretation == "cmyk":
        image = image.icc_transform(
            "srgb", embedded=True, input_profile="cmyk", intent="perceptual", depth=8
        )
    elif image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, intent="perceptual", depth=8)
    return image.colourspace("srgb").cast("uchar")


def _decode_frames(
    file: IO[bytes], file_type: FileType, found: OutputFile, deadline: _Deadline
) -> None:
    if (found.frames or 0) * found.height > _TALL_IMAGE_PIXELS_MAX:
        raise DecodeBudgetExceeded(f"{found.frames} frames of {found.height} pixels")
    with _opened(file, file_type, deadline, fail_on="warning", n=-1) as image:
        image.avg()
