"""An output's file: a picture or a film, whichever its own bytes say it is."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import IO

from darkroom.adapters import pictures
from darkroom.domain.outputs import OutputFile, Thumbnail
from darkroom.settings import settings

_MP4_MARK = slice(4, 8), b"ftyp"
_WEBM_MARK = slice(0, 4), b"\x1a\x45\xdf\xa3"
_HEAD_BYTES = 12


class NoThumbnail(Exception):
    """There is no thumbnail of this output. That fails no job."""


def look_at(file: IO[bytes]) -> OutputFile:
    """Tell what it is. Raises GenerationFailed when it is neither a picture nor a film that can be delivered."""
    if films := _films(file):
        found: OutputFile = films.look_at(file, pixels_max=settings().image_pixels_max)
        return found
    return pictures.look_at(file)


def thumbnail(file: IO[bytes]) -> Thumbnail:
    """Make a 200 × 200 JPEG of quality 80 that the picture, or a frame of the film, covers.

    Raises NoThumbnail for what cannot be decoded within the budget of pixels.
    """
    pixels_max = settings().image_pixels_max
    try:
        films = _films(file)
        return pictures.thumbnail_of(films.poster(file, pixels_max=pixels_max)) if films else pictures.thumbnail(file, pixels_max=pixels_max)
    except Exception as error:
        raise NoThumbnail(f"{type(error).__name__}: {error}") from error


def _films(file: IO[bytes]) -> ModuleType | None:
    """Load what reads films, for a film alone: a job of pictures does not wait for FFmpeg."""
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    is_film = any(head[place] == mark for place, mark in (_MP4_MARK, _WEBM_MARK))
    return import_module("darkroom.adapters.films") if is_film else None
