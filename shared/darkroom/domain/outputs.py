"""What a provider returned, as its own bytes tell it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutputFile:
    """An image or a video: media type, extension, and size in pixels as it is shown. `seconds` is a video's length, if it is known."""

    content_type: str
    extension: str
    width: int
    height: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small JPEG, and a data URL of a few pixels to show until it has loaded."""

    body: bytes
    placeholder: str
