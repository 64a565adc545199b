"""Finds files that were cut, by the sizes and ends that their formats define. Decodes nothing.

Some decoders accept a cut file: FFmpeg when the cut is between two packets, and libvips when all
pixels of a PNG image or the first frames of a GIF image are there. A hole in the middle of a file
is not found here.
"""

from __future__ import annotations

from darkroom.domain.file_types import GIF, JPEG, FileType
from darkroom.domain.outputs import CorruptOutput
from darkroom.media.outputs.file_parts import GIF_IMAGE, Readable, walk

_CHUNK_BYTES = 1 << 16
_END_OF_IMAGE = b"\xff\xd9"


def check_end(file: Readable, file_type: FileType) -> None:
    """Raise CorruptOutput if the end of a file is missing.

    Of a file with more than PARTS_MAX parts, the others are not checked.
    """
    has_image = False
    try:
        for part in walk(file, file_type):
            has_image |= part.kind == GIF_IMAGE
        if file_type is GIF and not has_image:
            raise CorruptOutput("the file has no image")
        if file_type is JPEG and not _has_end_of_image(file):
            raise CorruptOutput("the end of the image is missing")
    finally:
        file.seek(0)


def _has_end_of_image(file: Readable) -> bool:
    """Return whether an end of image follows. Embedded previews are before the first scan."""
    last = b""
    while chunk := file.read(_CHUNK_BYTES):
        if _END_OF_IMAGE in last + chunk:
            return True
        last = chunk[-1:]
    return False
