"""The structure of image files, where Pillow does not show it: scans, compression, metadata."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from darkroom.domain.file_types import AVIF, HEIC, PNG, FileType

# A marker that begins a segment of a JPEG file (ITU-T T.81, section B.1.1). Compressed data and
# restart markers have no segment. libjpeg skips reserved markers alone, without what follows.
_JPEG_MARKER = re.compile(rb"\xff([^\x00-\xbf\xd0-\xd7\xff])", re.DOTALL)
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_WEBP_HEADER_BYTES = 12
_ANIMATION_FRAME_BYTES = 16
_PNG_SIGNATURE_BYTES = 8
_PNG_NAME_END = 8
_PNG_OVERHEAD_BYTES = 12
_PNG_PROFILE_BYTES_MAX = 1 << 20
# The size of an item (ISO/IEC 23008-12, 6.5.3).
_ITEM_SIZE = re.compile(rb"ispe\0{4}(.{4})(.{4})", re.DOTALL)
# The item type of an EXIF block, in an item's entry of version 2 or 3 (ISO/IEC 14496-12, 8.11.6).
_EXIF_ITEM = re.compile(rb"(infe(?:\x02.{3}.{4}|\x03.{3}.{6}))Exif", re.DOTALL)


def count_scans(jpeg: bytes) -> int:
    """Count the scans of the first image in a JPEG file, without decoding them.

    The embedded images of the metadata and the other images of an MPO file do not count.
    """
    scans, at = 0, 0
    while marker := _JPEG_MARKER.search(jpeg, at):
        at = marker.end()
        kind = marker[1][0]
        if kind == _END_OF_IMAGE:
            break
        scans += kind == _START_OF_SCAN
        if kind != _START_OF_IMAGE:
            at += int.from_bytes(jpeg[at : at + 2])
    return scans


def stated_size(heif: bytes) -> tuple[int, int]:
    """Return the width and height of the largest item of an AVIF or HEIC file, or zeros."""
    sizes = [(int.from_bytes(w), int.from_bytes(h)) for w, h in _ITEM_SIZE.findall(heif)]
    return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))


def is_lossless_webp(webp: bytes) -> bool:
    """Return whether the first image of a WebP file is lossless (RFC 9649, section 2)."""
    at = _WEBP_HEADER_BYTES
    while at + 8 <= len(webp):
        name, length = struct.unpack_from("<4sI", webp, at)
        if name in (b"VP8L", b"VP8 "):
            return bool(name == b"VP8L")
        # A frame contains the chunks of its image. Chunks have an even length.
        at += 8 + (_ANIMATION_FRAME_BYTES if name == b"ANMF" else length + length % 2)
    return False


def without_metadata(body: bytes, file_type: FileType) -> bytes:
    """Remove the metadata that makes decoders refuse a file when the metadata is damaged.

    Pillow refuses a PNG with a damaged or very long text, and libavif and libheif refuse damaged
    EXIF data. Files of other types stay as they are.
    """
    if file_type == PNG:
        return body[:_PNG_SIGNATURE_BYTES] + b"".join(_needed_chunks(body))
    if file_type in (AVIF, HEIC):
        return _EXIF_ITEM.sub(rb"\1free", body)
    return body


def _needed_chunks(png: bytes) -> Iterator[bytes]:
    """Yield the chunks that change the pixels of a PNG file (www.w3.org/TR/png-3, section 5)."""
    at = _PNG_SIGNATURE_BYTES
    while at < len(png):
        length = int.from_bytes(png[at : at + 4])
        end = at + _PNG_OVERHEAD_BYTES + length
        chunk = png[at:end]
        name = chunk[4:_PNG_NAME_END]
        is_critical = name[:1].isupper()
        if is_critical or (name in (b"tRNS", b"iCCP", b"eXIf") and _is_whole(chunk)):
            yield chunk
        at = end


def _is_whole(chunk: bytes) -> bool:
    """Return whether a chunk has a valid checksum, and a profile also a usual length."""
    content, checksum = chunk[4:-4], chunk[-4:]
    if zlib.crc32(content) != int.from_bytes(checksum):
        return False
    if not content.startswith(b"iCCP"):
        return True
    # A name, a zero byte and the compression method precede the profile.
    compressed = content[content.find(b"\0") + 2 :]
    decompressor = zlib.decompressobj()
    try:
        decompressor.decompress(compressed, _PNG_PROFILE_BYTES_MAX)
    except zlib.error:
        return False
    return not decompressor.unconsumed_tail
