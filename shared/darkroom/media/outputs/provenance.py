"""Provenance: whether an output contains a C2PA manifest, and the XMP packet of its variants.

A manifest is found by its place in the file, and is not verified. Sources: "Embedding manifests
into various file formats" of the C2PA specification (spec.c2pa.org), ISO 19566-5 (JUMBF), and the
IPTC Photo Metadata Standard 2025.1 (iptc.org/std/photometadata).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from html import escape
from itertools import takewhile
from typing import IO
from uuid import UUID

from darkroom.domain.file_types import AVIF, GIF, JPEG, MP4, PNG, QUICKTIME, WEBP, FileType
from darkroom.domain.outputs import CorruptOutput
from darkroom.media.outputs.file_parts import GIF_IMAGE, Part, walk

_JPEG_APP11 = b"\xeb"
_GIF_APPLICATION = b"!\xff"
_C2PA_BOX = UUID("d8fec3d6-1b0e-483c-9297-5828877ec481").bytes

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

    It does not contain the prompt, because a link to an image also shows its metadata.
    """
    return _XMP.format(
        time=at.isoformat(timespec="seconds"), model=escape(model), source_type=_SOURCE_TYPE
    ).encode()


def has_c2pa(file: IO[bytes], file_type: FileType) -> bool:
    """Return whether a file contains a C2PA manifest. It is not verified.

    Returns False for a file that is not whole, and for WebM, for which C2PA defines no place.
    """
    is_manifest = _MANIFESTS.get(file_type)
    if is_manifest is None:
        return False
    try:
        # The manifest of a GIF file is before its first image.
        parts = takewhile(lambda part: part.kind != GIF_IMAGE, walk(file, file_type))
        return any(map(is_manifest, parts))
    except CorruptOutput:
        return False
    finally:
        file.seek(0)


def _is_jpeg_manifest(segment: Part) -> bool:
    """Return whether a segment is JUMBF in APP11 (ISO 19566-5, D.2), and its box is of C2PA.

    The segment begins with `JP`, the box instance (2 bytes) and the packet sequence (4 bytes). The
    box begins with its length (4 bytes) and its type.
    """
    head = segment.head
    is_box = segment.kind == _JPEG_APP11 and head.startswith(b"JP") and head[12:16] == b"jumb"
    return is_box and b"c2pa" in head[16:]


def _is_png_manifest(chunk: Part) -> bool:
    return chunk.kind == b"caBX"


def _is_webp_manifest(chunk: Part) -> bool:
    return chunk.kind == b"C2PA"


def _is_gif_manifest(block: Part) -> bool:
    return block.kind == _GIF_APPLICATION and block.head.startswith(b"C2PA_GIF")


def _is_box_manifest(box: Part) -> bool:
    return box.kind == b"uuid" and box.head.startswith(_C2PA_BOX)


_MANIFESTS: dict[FileType, Callable[[Part], bool]] = {
    JPEG: _is_jpeg_manifest,
    PNG: _is_png_manifest,
    WEBP: _is_webp_manifest,
    GIF: _is_gif_manifest,
    AVIF: _is_box_manifest,
    MP4: _is_box_manifest,
    QUICKTIME: _is_box_manifest,
}
