"""An output's file: an image or a video, whichever its own bytes say it is."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import IO

from darkroom.domain.outputs import OutputFile, Thumbnail
from darkroom.media import images
from darkroom.settings import settings

_MP4_MARK = slice(4, 8), b"ftyp"
_WEBM_MARK = slice(0, 4), b"\x1a\x45\xdf\xa3"
_HEAD_BYTES = 12


class NoThumbnail(Exception):
    """There is no thumbnail of this output. That fails no job."""


def probe(file: IO[bytes]) -> OutputFile:
    """Tell what it is. Raises GenerationFailed when it is neither an image nor a video that can be delivered."""
    if videos := _videos(file):
        found: OutputFile = videos.probe(file, pixels_max=settings().image_pixels_max)
        return found
    return images.probe(file)


def thumbnail(file: IO[bytes]) -> Thumbnail:
    """Make a 200 × 200 JPEG of quality 80 that the image, or a frame of the video, covers.

    Raises NoThumbnail for what cannot be decoded within the budget of pixels.
    """
    pixels_max = settings().image_pixels_max
    try:
        videos = _videos(file)
        return (
            images.thumbnail_of(videos.poster(file, pixels_max=pixels_max))
            if videos
            else images.thumbnail(file, pixels_max=pixels_max)
        )
    except Exception as error:
        raise NoThumbnail(f"{type(error).__name__}: {error}") from error


def _videos(file: IO[bytes]) -> ModuleType | None:
    """Load what reads videos, for a video alone: a job of images does not wait for FFmpeg."""
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    is_video = any(head[span] == mark for span, mark in (_MP4_MARK, _WEBM_MARK))
    return import_module("darkroom.media.videos") if is_video else None
