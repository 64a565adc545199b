"""Finds images that were cut, by the sizes and ends that their formats define. Decodes nothing.

This is for outputs that are too large to decode, or that killed an earlier invocation. It does not
find a hole in the middle of a file. Sources: ITU T.81 (JPEG) and RFC 9649 (WebP).
"""

from __future__ import annotations

from os import SEEK_END
from typing import IO

from darkroom.domain.file_types import AVIF, JPEG, WEBP, FileType
from darkroom.domain.outputs import CorruptOutput
from darkroom.media.outputs import container_sizes, image_structure

_CHUNK_BYTES = 1 << 16
_SEGMENTS_MAX = 100_000
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = b"\xff\xd9"


def check_end(file: IO[bytes], file_type: FileType) -> None:
    """Raise CorruptOutput if the end of an image is missing.

    The module `videos` checks the sizes of a video when it reads the header.
    """
    is_whole = True
    try:
        if file_type is JPEG:
            is_whole = _has_jpeg_end(file)
        elif file_type is WEBP:
            is_whole = _has_riff_size(file)
        elif file_type is AVIF:
            container_sizes.check_sizes(file, file_type)
        else:
            image_structure.check_end(file, file_type)
    finally:
        file.seek(0)
    if not is_whole:
        raise CorruptOutput("the end of the file is missing")


def _has_jpeg_end(file: IO[bytes]) -> bool:
    """Return whether an end of image follows the start of a scan.

    Segments before the scan are skipped, because a preview in them has an end of its own.
    """
    file.seek(2)
    for _ in range(_SEGMENTS_MAX):
        marker = file.read(2)
        if len(marker) < 2:  # noqa: PLR2004
            return False
        if marker == b"\xff\xff":
            file.seek(-1, 1)
            continue
        if marker[1] == _START_OF_SCAN:
            break
        file.seek(max(int.from_bytes(file.read(2)) - 2, 0), 1)
    last = b""
    while chunk := file.read(_CHUNK_BYTES):
        if _END_OF_IMAGE in last + chunk:
            return True
        last = chunk[-1:]
    return False


def _has_riff_size(file: IO[bytes]) -> bool:
    size_bytes = file.seek(0, SEEK_END)
    file.seek(4)
    return int.from_bytes(file.read(4), "little") + 8 <= size_bytes
