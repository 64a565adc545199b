"""Provenance: whether an output contains a C2PA manifest, and the XMP packet of its variants.

A manifest is found by its place in the file, and is not verified. Sources: "Embedding manifests
into various file formats" of the C2PA specification (spec.c2pa.org), ISO 19566-5 (JUMBF), and the
IPTC Photo Metadata Standard 2025.1 (iptc.org/std/photometadata).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from html import escape
from os import SEEK_END
from typing import IO
from uuid import UUID

from darkroom.domain.file_types import AVIF, GIF, JPEG, MP4, PNG, QUICKTIME, WEBP, FileType

# Each parser stops after this many parts of a file, so that a hostile file ends in bounded time.
_PARTS_MAX = 10_000
_JPEG_START_OF_SCAN = 0xDA
_JPEG_APP11 = 0xEB
_JPEG_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_C2PA_BOX = UUID("d8fec3d6-1b0e-483c-9297-5828877ec481").bytes
_GIF_EXTENSION = 0x21
_GIF_APPLICATION = 0xFF

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmp:CreateDate="{time}"
 Iptc4xmpExt:AISystemUsed="{model}"
 Iptc4xmpExt:DigitalSourceType="{source_type}"/>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def xmp_packet(*, model: str, at: datetime) -> bytes:
    """Return an XMP packet that says: this image was made by a trained model, at this time (UTC).

    It does not contain the prompt, because everybody who has a link to an image can read it.
    """
    return _XMP.format(
        time=at.isoformat(timespec="seconds"), model=escape(model), source_type=_SOURCE_TYPE
    ).encode()


def has_c2pa(file: IO[bytes], file_type: FileType) -> bool:
    """Return whether a file contains a C2PA manifest. It is not verified.

    Returns False for a file that cannot be parsed, and for WebM, for which C2PA defines no place.
    """
    parts = _PARSERS.get(file_type)
    try:
        return parts is not None and any(parts(file))
    finally:
        file.seek(0)


def _of_jpeg(file: IO[bytes]) -> Iterator[bool]:
    """Read the segments until the image data. A manifest is JUMBF in APP11 (ISO 19566-5, D.2)."""
    file.seek(2)
    for _ in range(_PARTS_MAX):
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] == _JPEG_START_OF_SCAN:  # noqa: PLR2004
            return
        if marker[1] == 0xFF:  # noqa: PLR2004 (a fill byte)
            file.seek(-1, 1)
            continue
        if marker[1] in _JPEG_WITHOUT_LENGTH:
            continue
        size_bytes = int.from_bytes(file.read(2)) - 2
        if size_bytes < 0:
            return
        start = file.tell()
        if marker[1] == _JPEG_APP11:
            # JP, box instance (2), packet sequence (4), then the box: LBox (4), TBox, …
            segment = file.read(min(size_bytes, 64))
            yield (
                segment.startswith(b"JP") and segment[12:16] == b"jumb" and b"c2pa" in segment[16:]
            )
        file.seek(start + size_bytes)


def _of_png(file: IO[bytes]) -> Iterator[bool]:
    file.seek(8)
    for _ in range(_PARTS_MAX):
        header = file.read(8)
        if len(header) < 8:  # noqa: PLR2004
            return
        yield header[4:] == b"caBX"
        file.seek(int.from_bytes(header[:4]) + 4, 1)


def _of_webp(file: IO[bytes]) -> Iterator[bool]:
    file.seek(12)
    for _ in range(_PARTS_MAX):
        header = file.read(8)
        if len(header) < 8:  # noqa: PLR2004
            return
        yield header[:4] == b"C2PA"
        size_bytes = int.from_bytes(header[4:], "little")
        file.seek(size_bytes + size_bytes % 2, 1)


def _of_boxes(file: IO[bytes]) -> Iterator[bool]:
    """Read the outer boxes of ISO 14496-12. A manifest is a box `uuid`."""
    end = file.seek(0, SEEK_END)
    file.seek(0)
    for _ in range(_PARTS_MAX):
        start = file.tell()
        header = file.read(32)
        if len(header) < 8:  # noqa: PLR2004
            return
        size_bytes, body = int.from_bytes(header[:4]), 8
        if size_bytes == 1:
            size_bytes, body = int.from_bytes(header[8:16]), 16
        yield header[4:8] == b"uuid" and header[body : body + 16] == _C2PA_BOX
        # A box of size 0 reaches to the end of the file. No file has 2 to the power of 64 bytes.
        if not body <= size_bytes <= end - start:
            return
        file.seek(start + size_bytes)


def _of_gif(file: IO[bytes]) -> Iterator[bool]:
    """Read the extensions before the first image. A manifest is an application extension."""
    file.seek(0)
    header = file.read(13)
    if len(header) < 13:  # noqa: PLR2004
        return
    if header[10] & 0x80:
        file.seek(3 << (header[10] & 7) + 1, 1)
    for _ in range(_PARTS_MAX):
        block = file.read(3)
        if len(block) < 3 or block[0] != _GIF_EXTENSION:  # noqa: PLR2004
            return
        name = file.read(block[2])
        yield block[1] == _GIF_APPLICATION and name.startswith(b"C2PA_GIF")
        for _ in range(_PARTS_MAX):
            size = file.read(1)
            if size in (b"", b"\0"):
                break
            file.seek(size[0], 1)


_PARSERS = {
    JPEG: _of_jpeg,
    PNG: _of_png,
    WEBP: _of_webp,
    GIF: _of_gif,
    AVIF: _of_boxes,
    MP4: _of_boxes,
    QUICKTIME: _of_boxes,
}
