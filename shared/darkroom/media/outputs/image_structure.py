"""The structure of PNG and GIF files: finds files that end before their last block.

The decoders of these types accept such files: all pixels can be there without the end, and a GIF
without its last frames is a shorter animation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from darkroom.domain import file_types
from darkroom.domain.file_types import FileType
from darkroom.domain.outputs import CorruptOutput

_PNG_SIGNATURE_BYTES = 8
_PNG_CRC_BYTES = 4
_GIF_HEADER_BYTES = 13
_GIF_TRAILER = b";"
_GIF_IMAGE_FIELDS_BYTES = 9
_GIF_TABLE_BIT = 0x80
_GIF_TABLE_SIZE_BITS = 0x07


def check_end(file: IO[bytes], file_type: FileType) -> None:
    """Raise CorruptOutput if a PNG file has no end, or a GIF file a block without its end.

    Other types pass.
    """
    if walk := _WALKS.get(file_type):
        file.seek(0)
        walk(file)


def _walk_png(file: IO[bytes]) -> None:
    """Walk over the chunks to IEND (RFC 2083, section 3.2)."""
    _read(file, _PNG_SIGNATURE_BYTES)
    while True:
        header = _read(file, 8)
        length = int.from_bytes(header[:4])
        if header[4:] == b"IEND":
            _read(file, length + _PNG_CRC_BYTES)
            return
        _skip(file, length + _PNG_CRC_BYTES)


def _walk_gif(file: IO[bytes]) -> None:
    """Walk over the blocks to the trailer (GIF89a specification, sections 15 to 27).

    Some writers leave out the trailer, so a file may also end after an image.
    """
    _skip_table(file, _read(file, _GIF_HEADER_BYTES)[10])
    has_image = False
    while (block := file.read(1)) and block != _GIF_TRAILER:
        match block:
            case b"!":  # an extension, with its label
                _read(file, 1)
            case b",":
                _skip_table(file, _read(file, _GIF_IMAGE_FIELDS_BYTES)[8])
                _read(file, 1)
                has_image = True
            case b"\0":  # Some writers put an empty block between the others.
                continue
            case _:
                raise CorruptOutput(f"GIF block {block.hex()}")
        _skip_data(file)
    if not has_image:
        raise CorruptOutput("the file has no image")


def _skip_table(file: IO[bytes], flags: int) -> None:
    """Skip a table of colors, if the flags say that there is one."""
    if flags & _GIF_TABLE_BIT:
        _skip(file, 3 << (flags & _GIF_TABLE_SIZE_BITS) + 1)


def _skip_data(file: IO[bytes]) -> None:
    """Skip data blocks, of which each begins with its length, to the empty block."""
    while length := _read(file, 1)[0]:
        _skip(file, length)


def _read(file: IO[bytes], size: int) -> bytes:
    read = file.read(size)
    if len(read) < size:
        raise CorruptOutput("the file ends too early")
    return read


def _skip(file: IO[bytes], size: int) -> None:
    file.seek(size, 1)


_WALKS: dict[FileType, Callable[[IO[bytes]], None]] = {
    file_types.PNG: _walk_png,
    file_types.GIF: _walk_gif,
}
