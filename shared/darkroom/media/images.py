"""Images: reads the header of a file, and decodes it."""

from __future__ import annotations

from typing import IO

from PIL import Image, ImageOps

from darkroom.domain.file_types import FileType
from darkroom.domain.outputs import CorruptOutput, DecodeBudgetExceeded, OutputFile
from darkroom.settings import settings

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
_SIDE_MAX = 1_024
_TURNED = range(5, 9)
_ORIENTATION = 274
Image.MAX_IMAGE_PIXELS = None


def read_header(file: IO[bytes], file_type: FileType) -> OutputFile:
    """Read type and size of an image from its header. Raises CorruptOutput."""
    try:
        with Image.open(file, formats=_FORMATS) as image:
            return _output_file(image, file_type)
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
    """Decode an image. Raises CorruptOutput and DecodeBudgetExceeded."""
    found = read_header(file, file_type)
    if found.width * found.height > settings().output_pixels_max:
        raise DecodeBudgetExceeded(f"{found.width} × {found.height} pixels")
    try:
        with Image.open(file, formats=_FORMATS) as image:
            image.load()
            image.thumbnail((_SIDE_MAX, _SIDE_MAX))
            return found, ImageOps.exif_transpose(image)
    except Exception as error:
        raise CorruptOutput(f"{type(error).__name__}: {error}") from error
    finally:
        file.seek(0)


def _output_file(image: Image.Image, file_type: FileType) -> OutputFile:
    size = image.size
    if image.getexif().get(_ORIENTATION) in _TURNED:
        size = size[::-1]
    frames = getattr(image, "n_frames", 1) if file_type.extension == "gif" else 1
    return OutputFile(
        file_type.content_type, file_type.extension, *size, frames=frames if frames > 1 else None
    )
