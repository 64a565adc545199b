"""Compares the sizes that a video file states with the size of the file.

FFmpeg reads a cut file without an error when the cut is between two packets.
Sources: ISO/IEC 14496-12, 4.2 (boxes) and RFC 8794, 4 to 6 (EBML elements).
"""

from __future__ import annotations

import io
from typing import Protocol

from darkroom.domain.file_types import WEBM, FileType
from darkroom.domain.outputs import CorruptOutput


class Readable(Protocol):
    """A file that can be read at any position."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Set the position, and return the new one."""


# The boxes at the top level of a file. Bytes that look like a box of another type, with a length
# after the end of the file, are no part of the video.
_TOP_LEVEL = (
    *(b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"meta", b"meco", b"sidx", b"ssix"),
    *(b"prft", b"emsg", b"pdin", b"free", b"skip", b"wide", b"pnot", b"udta", b"uuid", b"PICT"),
)
_FRAGMENT = b"moof"
_BOX_BYTES = 8
_LARGE_BOX_BYTES = 16

_SEGMENT = b"\x18\x53\x80\x67"
_ID_BYTES_MAX = 4
_SIZE_BYTES_MAX = 8


def check_sizes(file: Readable, file_type: FileType) -> None:
    """Raise CorruptOutput if a part of the file ends after the end of the file."""
    file_bytes = file.seek(0, io.SEEK_END)
    (_check_elements if file_type == WEBM else _check_boxes)(file, file_bytes)
    file.seek(0)


def _check_boxes(file: Readable, file_bytes: int) -> None:
    position, is_fragmented = 0, False
    while position < file_bytes:
        file.seek(position)
        head = file.read(_LARGE_BOX_BYTES)
        length, kind = int.from_bytes(head[:4]), head[4:_BOX_BYTES]
        if len(head) < _BOX_BYTES and is_fragmented and any(head):
            raise CorruptOutput(f"the file ends in the header of a box, at byte {file_bytes}")
        if length == 1:
            length = int.from_bytes(head[_BOX_BYTES:])
        if length == 0:
            return  # to the end of the file
        if length < _BOX_BYTES or position + length > file_bytes:
            if kind not in _TOP_LEVEL:
                return  # not a box: bytes after the end of the video
            raise CorruptOutput(
                f"the box {kind.decode()} at byte {position} has {length} bytes, "
                f"and the file has {file_bytes}"
            )
        is_fragmented |= kind == _FRAGMENT
        position += length


def _check_elements(file: Readable, file_bytes: int) -> None:
    """Check the elements of the file, and the elements in those of an unknown size.

    Writers of a live stream do not know the sizes of the segment and of its clusters.
    """
    position = 0
    while position < file_bytes:
        file.seek(position)
        head = file.read(_ID_BYTES_MAX + _SIZE_BYTES_MAX)
        id_bytes = _number_bytes(head)
        size_bytes = _number_bytes(head[id_bytes:])
        if id_bytes > _ID_BYTES_MAX or size_bytes > _SIZE_BYTES_MAX:
            return  # not an element
        position += id_bytes + size_bytes
        bits = 7 * size_bytes
        size = int.from_bytes(head[id_bytes : id_bytes + size_bytes]) & ((1 << bits) - 1)
        if size == (1 << bits) - 1:
            continue  # of an unknown size
        if position + size > file_bytes:
            raise CorruptOutput(
                f"an element at byte {position} has {size} bytes, and the file has {file_bytes}"
            )
        if head.startswith(_SEGMENT):
            return  # The segment is the whole video.
        position += size


def _number_bytes(head: bytes) -> int:
    """Return the length of the variable-size integer at the start, or 9 if there is none."""
    return 9 - head[0].bit_length() if head else 9
