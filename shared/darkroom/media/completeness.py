"""Finds files that were cut, by the sizes and ends that their formats define. Decodes nothing.

This is for outputs that are too large to decode, or that killed an earlier invocation. It does not
find a hole in the middle of a file. Sources: ITU T.81 (JPEG), RFC 2083 (PNG), RFC 9649 (WebP), the
GIF89a specification, ISO/IEC 14496-12 (MP4, QuickTime, AVIF), and RFC 8794 (EBML, for WebM).
"""

from __future__ import annotations

from collections.abc import Callable
from os import SEEK_END
from typing import IO

from darkroom.domain.file_types import AVIF, GIF, JPEG, MP4, PNG, QUICKTIME, WEBM, WEBP, FileType
from darkroom.domain.outputs import CorruptOutput

_CHUNK_BYTES = 1 << 16
_PARTS_MAX = 100_000
_EBML_SEGMENT = b"\x18\x53\x80\x67"
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = b"\xff\xd9"
_INDEX_BOXES = (b"moov", b"meta")


def check_end(file: IO[bytes], file_type: FileType) -> None:
    """Raise CorruptOutput if the end of the file is missing."""
    is_whole = _CHECKS.get(file_type)
    size_bytes = file.seek(0, SEEK_END)
    file.seek(0)
    try:
        if is_whole is not None and not is_whole(file, size_bytes):
            raise CorruptOutput("the end of the file is missing")
    finally:
        file.seek(0)


def _has_jpeg_end(file: IO[bytes], _: int) -> bool:
    """Return whether an end of image follows the start of a scan.

    Segments before the scan are skipped, because a preview in them has an end of its own.
    """
    file.seek(2)
    for _ in range(_PARTS_MAX):
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


def _has_png_end(file: IO[bytes], size_bytes: int) -> bool:
    """Return whether the chunks lead to `IEND`, the last one."""
    file.seek(8)
    for _ in range(_PARTS_MAX):
        header = file.read(8)
        if header[4:] == b"IEND":
            return True
        if len(header) < 8 or file.tell() > size_bytes:  # noqa: PLR2004
            return False
        file.seek(int.from_bytes(header[:4]) + 4, 1)
    return True


def _has_riff_size(file: IO[bytes], size_bytes: int) -> bool:
    return int.from_bytes(file.read(8)[4:], "little") + 8 <= size_bytes


def _has_gif_trailer(file: IO[bytes], size_bytes: int) -> bool:
    """Return whether the file ends with a trailer. Some encoders write zeros after it."""
    file.seek(max(size_bytes - _CHUNK_BYTES, 0))
    return file.read().rstrip(b"\0").endswith(b";")


def _has_whole_boxes(file: IO[bytes], size_bytes: int) -> bool:
    """Return whether no box ends after the file, and one of the boxes is an index.

    A box of size 0 ends with the file. Bytes after the last box that are no box do not matter.
    """
    at, has_index = 0, False
    for _ in range(_PARTS_MAX):
        file.seek(at)
        header = file.read(16)
        name = header[4:8]
        if len(name) < 4 or not name.isalnum():  # noqa: PLR2004
            break
        has_index = has_index or name in _INDEX_BOXES
        box_bytes = int.from_bytes(header[:4])
        if box_bytes == 1:
            box_bytes = int.from_bytes(header[8:])
        at += box_bytes or size_bytes - at
        if at >= size_bytes or box_bytes == 0:
            break
    return has_index and at <= size_bytes


def _has_whole_segment(file: IO[bytes], size_bytes: int) -> bool:
    """Return whether the segment ends in the file. A live recording has a segment without size."""
    head = file.read(_CHUNK_BYTES)
    at = head.find(_EBML_SEGMENT) + len(_EBML_SEGMENT)
    if at < len(_EBML_SEGMENT) or at >= len(head) or not head[at]:
        return False
    # The number of leading zero bits is the number of further bytes. All ones: unknown.
    width = 9 - head[at].bit_length()
    value = int.from_bytes(head[at : at + width]) & ((1 << 7 * width) - 1)
    return value == (1 << 7 * width) - 1 or at + width + value <= size_bytes


_CHECKS: dict[FileType, Callable[[IO[bytes], int], bool]] = {
    JPEG: _has_jpeg_end,
    PNG: _has_png_end,
    WEBP: _has_riff_size,
    GIF: _has_gif_trailer,
    AVIF: _has_whole_boxes,
    MP4: _has_whole_boxes,
    QUICKTIME: _has_whole_boxes,
    WEBM: _has_whole_segment,
}
