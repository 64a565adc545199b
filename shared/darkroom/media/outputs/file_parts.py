"""The parts of a file: segments, chunks, blocks, boxes and elements. Decodes nothing.

Sources: ITU T.81, annex B (JPEG), RFC 2083, section 3 (PNG), RFC 9649, section 2 (WebP), the
GIF89a specification, sections 15 to 27, ISO/IEC 14496-12, section 4.2 (boxes), and RFC 8794,
sections 4 to 6 (EBML elements).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from os import SEEK_CUR, SEEK_END
from typing import NamedTuple, Protocol

from darkroom.domain import file_types
from darkroom.domain.file_types import FileType
from darkroom.domain.outputs import CorruptOutput

PARTS_MAX = 1_000_000
"""A walk ends after this many steps, because a hostile file can have very many small parts."""
GIF_EXTENSION, GIF_IMAGE = b"!", b","
"""The kinds of GIF blocks. A byte for the kind of extension follows the first."""

_HEAD_BYTES = 64
_JPEG_MARK, _JPEG_START_OF_SCAN = 0xFF, 0xDA
# After 0xFF, a zero is no marker. A TEM marker and the restart markers have no length.
_JPEG_WITHOUT_LENGTH = {0x00, 0x01, *range(0xD0, 0xD8)}
_PNG_SIGNATURE_BYTES = 8
_RIFF_HEADER_BYTES = 12
_CHUNK_HEADER_BYTES = 8
_CHECKSUM_BYTES = 4
_GIF_HEADER_BYTES = 13
_GIF_IMAGE_FIELDS_BYTES = 9
_GIF_TRAILER = b";"
_GIF_TABLE_BIT = 0x80
_GIF_TABLE_SIZE_BITS = 0x07
# The boxes at the top level of a file. Bytes that look like a box of another type, with a length
# after the end of the file, are no part of the video.
_TOP_LEVEL = (
    *(b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"meta", b"meco", b"sidx", b"ssix"),
    *(b"prft", b"emsg", b"pdin", b"free", b"skip", b"wide", b"pnot", b"udta", b"uuid", b"PICT"),
)
_FRAGMENT = b"moof"
_BOX_HEADER_BYTES = 8
_LARGE_BOX_HEADER_BYTES = 16
_SEGMENT = b"\x18\x53\x80\x67"
_ID_BYTES_MAX = 4
_SIZE_BYTES_MAX = 8


class Readable(Protocol):
    """A file that can be read at any position."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Set the position, and return the new one."""


class Part(NamedTuple):
    """A part of a file: its kind, and the first bytes of its content."""

    kind: bytes
    head: bytes = b""


def walk(file: Readable, file_type: FileType) -> Iterator[Part]:
    """Yield the parts at the top level of a file, in their order.

    The parts of a JPEG file end with the header of its first scan, and the file is then at the end
    of this header. Raises CorruptOutput if a part ends after the end of the file.
    """
    file_bytes = file.seek(0, SEEK_END)
    yield from _WALKS[file_type](file, file_bytes)


def _jpeg_segments(file: Readable, file_bytes: int) -> Iterator[Part]:
    """Yield the segments after the start of the image. Bytes between them are skipped."""
    position = file.seek(2)
    for _ in range(PARTS_MAX):
        first, second = _read(file, 2)
        if first != _JPEG_MARK or second == _JPEG_MARK:
            position = file.seek(-1, SEEK_CUR)
            continue
        position += 2
        if second in _JPEG_WITHOUT_LENGTH:
            continue
        length = int.from_bytes(_read(file, 2))
        position += max(length, 2)
        kind = bytes([second])
        _check_fits(kind, position, file_bytes)
        yield Part(kind, file.read(min(max(length - 2, 0), _HEAD_BYTES)))
        file.seek(position)
        if second == _JPEG_START_OF_SCAN:
            return


def _png_chunks(file: Readable, file_bytes: int) -> Iterator[Part]:
    """Yield the chunks to IEND."""
    position = _PNG_SIGNATURE_BYTES
    for _ in range(PARTS_MAX):
        file.seek(position)
        length, kind = struct.unpack(">I4s", _read(file, _CHUNK_HEADER_BYTES))
        position += _CHUNK_HEADER_BYTES + length + _CHECKSUM_BYTES
        _check_fits(kind, position, file_bytes)
        yield Part(kind)
        if kind == b"IEND":
            return


def _webp_chunks(file: Readable, file_bytes: int) -> Iterator[Part]:
    """Yield the chunks. The size in the header of the file decides where they end."""
    file.seek(0)
    form, length = struct.unpack("<4sI4x", _read(file, _RIFF_HEADER_BYTES))
    end = _CHUNK_HEADER_BYTES + length
    _check_fits(form, end, file_bytes)
    position = _RIFF_HEADER_BYTES
    for _ in range(PARTS_MAX):
        if position + _CHUNK_HEADER_BYTES > end:
            return
        file.seek(position)
        kind, length = struct.unpack("<4sI", _read(file, _CHUNK_HEADER_BYTES))
        yield Part(kind)
        position += _CHUNK_HEADER_BYTES + length + length % 2


def _gif_blocks(file: Readable, _file_bytes: int) -> Iterator[Part]:
    """Yield the extensions and images to the trailer, or to the end of the file.

    Some writers leave out the trailer, and some put an empty block between the others.
    """
    file.seek(0)
    _skip_table(file, _read(file, _GIF_HEADER_BYTES)[10])
    steps = iter(range(PARTS_MAX))
    for _ in steps:
        kind = file.read(1)
        if kind in (b"", _GIF_TRAILER):
            return
        if kind == b"\0":
            continue
        if kind == GIF_EXTENSION:
            kind += _read(file, 1)
        elif kind == GIF_IMAGE:
            _skip_table(file, _read(file, _GIF_IMAGE_FIELDS_BYTES)[8])
            _read(file, 1)
        else:
            raise CorruptOutput(f"GIF block {kind.hex()}")
        length = _read(file, 1)[0]
        yield Part(kind, _read(file, length))
        if length:
            _skip_data(file, steps)


def _skip_table(file: Readable, flags: int) -> None:
    """Skip a table of colors, if the flags say that there is one."""
    if flags & _GIF_TABLE_BIT:
        file.seek(3 << (flags & _GIF_TABLE_SIZE_BITS) + 1, SEEK_CUR)


def _skip_data(file: Readable, steps: Iterator[int]) -> None:
    """Skip data blocks, of which each begins with its length, to the empty block."""
    for _ in steps:
        length = _read(file, 1)[0]
        if not length:
            return
        file.seek(length, SEEK_CUR)


def _boxes(file: Readable, file_bytes: int) -> Iterator[Part]:
    position, is_fragmented = 0, False
    for _ in range(PARTS_MAX):
        file.seek(position)
        header = file.read(_LARGE_BOX_HEADER_BYTES)
        if len(header) < _BOX_HEADER_BYTES:
            if is_fragmented and any(header):
                raise CorruptOutput(f"the file ends in the header of a box, at byte {file_bytes}")
            return
        length, kind = struct.unpack_from(">I4s", header)
        header_bytes = _BOX_HEADER_BYTES
        if length == 1:
            length, header_bytes = int.from_bytes(header[8:]), _LARGE_BOX_HEADER_BYTES
        length = length or file_bytes - position  # 0: to the end of the file
        if length < header_bytes or position + length > file_bytes:
            if kind not in _TOP_LEVEL:
                return  # not a box: bytes after the end of the video
            raise CorruptOutput(
                f"the box {kind.decode()} at byte {position} has {length} bytes, "
                f"and the file has {file_bytes}"
            )
        file.seek(position + header_bytes)
        yield Part(kind, file.read(min(length - header_bytes, _HEAD_BYTES)))
        is_fragmented |= kind == _FRAGMENT
        position += length


def _elements(file: Readable, file_bytes: int) -> Iterator[Part]:
    """Yield the elements of the file, and the elements in those of an unknown size.

    Writers of a live stream do not know the sizes of the segment and of its clusters.
    """
    position = 0
    for _ in range(PARTS_MAX):
        file.seek(position)
        header = file.read(_ID_BYTES_MAX + _SIZE_BYTES_MAX)
        id_bytes = _number_bytes(header)
        size_bytes = _number_bytes(header[id_bytes:])
        if id_bytes > _ID_BYTES_MAX or size_bytes > _SIZE_BYTES_MAX:
            return  # the end of the file, or not an element
        kind = header[:id_bytes]
        position += id_bytes + size_bytes
        bits = 7 * size_bytes
        size = int.from_bytes(header[id_bytes : id_bytes + size_bytes]) & ((1 << bits) - 1)
        has_size = size != (1 << bits) - 1
        if has_size:
            _check_fits(kind, position + size, file_bytes)
            position += size
        yield Part(kind)
        if has_size and kind == _SEGMENT:
            return  # The segment is the whole video.


def _number_bytes(header: bytes) -> int:
    """Return the length of the variable-size integer at the start, or 9 if there is none."""
    return 9 - header[0].bit_length() if header else 9


def _read(file: Readable, size: int) -> bytes:
    found = file.read(size)
    if len(found) < size:
        raise CorruptOutput("the file ends too early")
    return found


def _check_fits(kind: bytes, end: int, file_bytes: int) -> None:
    if end > file_bytes:
        raise CorruptOutput(f"the part {kind!r} ends at byte {end}, and the file has {file_bytes}")


_WALKS: dict[FileType, Callable[[Readable, int], Iterator[Part]]] = {
    file_types.JPEG: _jpeg_segments,
    file_types.PNG: _png_chunks,
    file_types.WEBP: _webp_chunks,
    file_types.GIF: _gif_blocks,
    file_types.AVIF: _boxes,
    file_types.MP4: _boxes,
    file_types.QUICKTIME: _boxes,
    file_types.WEBM: _elements,
}
