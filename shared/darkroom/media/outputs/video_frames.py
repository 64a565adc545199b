"""Frames of a video as a player shows them: upright, not mirrored, with square pixels, in sRGB.

The units of a display matrix are those of FFmpeg's libavutil/display.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pyvips
from av.error import FFmpegError
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from darkroom.domain.outputs import DecodeBudgetExceeded

SIDE_PIXELS_MAX = 1_024
"""The longest side of an image that is made from a frame."""

_SQUARE = Fraction(1)
# Larger ratios are errors. Anamorphic formats have ratios between 1/2 and 2.
_PIXEL_ASPECT_MAX = 10
_MATRIX_FORMAT = "=9i"
_GREY_SIDE = 32
# The values of AVColorSpace that libswscale converts: RGB, BT.709, unspecified, FCC, BT.601 of PAL
# and NTSC, SMPTE 240M, BT.2020.
_UNSPECIFIED = 2
_MATRICES = (0, 1, _UNSPECIFIED, 4, 5, 6, 7, 9)

# As in `media/outputs/images.py`: one thread, and no memory that outlives an image.
pyvips.cache_set_max(0)
pyvips.concurrency_set(1)


@dataclass(frozen=True, slots=True)
class Display:
    """How a player shows the frames of a stream.

    `pixel_aspect` is the width of a pixel divided by its height. The frame is transposed first (its
    rows become columns), then mirrored.
    """

    pixel_aspect: Fraction = _SQUARE
    is_transposed: bool = False
    is_mirrored_left_right: bool = False
    is_mirrored_top_bottom: bool = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and the height of a shown frame, in square pixels.

        One side grows, and the other stays: html.spec.whatwg.org, "natural width" of a video.
        """
        width, height = self._square(width, height)
        return (height, width) if self.is_transposed else (width, height)

    def image(self, frame: VideoFrame) -> pyvips.Image:
        """Return a frame as it is shown, scaled down to SIDE_PIXELS_MAX, in memory of its own.

        The colors are those of FFmpeg's conversion to RGB, which reads the matrix and the range of
        the frame. Transparency stays.
        """
        width, height = self._square(frame.width, frame.height)
        scale = min(1, SIDE_PIXELS_MAX / max(width, height))
        image = _rgb(frame).thumbnail_image(
            max(1, round(width * scale)), height=max(1, round(height * scale)), size="force"
        )
        if self.is_transposed:
            image = image.rot90().fliphor()
        if self.is_mirrored_left_right:
            image = image.fliphor()
        if self.is_mirrored_top_bottom:
            image = image.flipver()
        return image.copy_memory()

    def _square(self, width: int, height: int) -> tuple[int, int]:
        return (
            (round(width * self.pixel_aspect), height)
            if self.pixel_aspect >= 1
            else (width, round(height / self.pixel_aspect))
        )


def display_of(stream: VideoStream, frame: VideoFrame | None = None) -> Display:
    """Return how the frames of a stream are shown, by the container or by the frame itself."""
    aspect = stream.sample_aspect_ratio
    pixel_aspect = Fraction(aspect.num, aspect.den) if aspect and aspect.num > 0 else _SQUARE
    if not 1 <= max(pixel_aspect, 1 / pixel_aspect) <= _PIXEL_ASPECT_MAX:
        pixel_aspect = _SQUARE
    matrix = _matrix(stream, frame)
    if matrix is None:
        return Display(pixel_aspect)
    # A pixel (x, y) is shown at (a × x + c × y, b × x + d × y).
    a, b, _, c, d = matrix[:5]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Display(pixel_aspect, False, a < 0, d < 0)
    return Display(pixel_aspect, True, c < 0, b < 0)


def brightness(frame: VideoFrame) -> float:
    """Return the mean luma of a frame, 0 (black) to 255."""
    grey = _converted(frame, width=_GREY_SIDE, height=_GREY_SIDE, format="gray")
    plane = grey.planes[0]
    data = bytes(plane)
    rows = (data[y * plane.line_size :][:_GREY_SIDE] for y in range(_GREY_SIDE))
    return sum(map(sum, rows)) / _GREY_SIDE**2


def _matrix(stream: VideoStream, frame: VideoFrame | None) -> tuple[int, ...] | None:
    data = stream.codec_context.coded_side_data.get("display_matrix")
    if data is None and frame is not None and Type.DISPLAYMATRIX in frame.side_data:
        data = bytes(frame.side_data[Type.DISPLAYMATRIX])
    if data is None or len(data) != struct.calcsize(_MATRIX_FORMAT):
        return None
    return struct.unpack(_MATRIX_FORMAT, data)


def _rgb(frame: VideoFrame) -> pyvips.Image:
    """Convert a frame to RGB, or to RGBA if it has transparency."""
    # In RGBA, each row of the plane ends at a whole pixel. In RGB, it does not.
    rgba = _converted(
        frame,
        format="rgba",
        interpolation=(
            Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
        ),
    )
    plane = rgba.planes[0]
    image = pyvips.Image.new_from_memory(
        memoryview(plane), plane.line_size // 4, frame.height, 4, "uchar"
    ).crop(0, 0, frame.width, frame.height)
    has_alpha = any(component.is_alpha for component in frame.format.components)
    return (image if has_alpha else image[:3]).copy(interpretation="srgb")


def _converted(frame: VideoFrame, **changes: Any) -> VideoFrame:  # noqa: ANN401 (of reformat)
    """Convert a frame. Raises DecodeBudgetExceeded if FFmpeg cannot convert such frames.

    FFmpeg refuses rare matrices, such as YCgCo. Their frames are converted as if they stated none.
    """
    if frame.colorspace not in _MATRICES:
        frame.colorspace = _UNSPECIFIED
    try:
        return frame.reformat(threads=1, **changes)
    except FFmpegError as error:
        raise DecodeBudgetExceeded(f"the conversion of {frame.format.name}: {error}") from error
