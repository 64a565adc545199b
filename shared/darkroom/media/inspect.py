"""Inspects the file of an output. The bytes of the file determine its type: image or video."""

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
    """No thumbnail can be made of this output. The job does not fail."""


def probe(file: IO[bytes]) -> OutputFile:
    """Return type and size of an output. Raises GenerationFailed if it cannot be delivered."""
    if videos := _videos(file):
        found: OutputFile = videos.probe(file, pixels_max=settings().image_pixels_max)
        return found
    return images.probe(file)


def thumbnail(file: IO[bytes]) -> Thumbnail:
    """Make a JPEG thumbnail of 200 × 200 pixels, quality 80, from the image or a video frame.

    Raises NoThumbnail if the file cannot be decoded or has more than `image_pixels_max` pixels.
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
    """Return the module for videos, or None for other files. Image jobs do not load FFmpeg."""
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    is_video = any(head[span] == mark for span, mark in (_MP4_MARK, _WEBM_MARK))
    return import_module("darkroom.media.videos") if is_video else None
