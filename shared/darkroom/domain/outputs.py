"""The properties of an output file, as the file's bytes define them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutputFile:
    """The type and size of an image or a video.

    `width` and `height` are in pixels, after any rotation that the file requests. `seconds` is the
    length of a video, or None if the length is unknown.
    """

    content_type: str
    extension: str
    width: int
    height: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small JPEG image.

    `placeholder` is a data URL of a few pixels to show while the JPEG loads.
    """

    body: bytes
    placeholder: str
