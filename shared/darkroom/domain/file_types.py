"""The types of files, as their first bytes define them.

Sources: the registries of brands (mp4ra.org/registered-types/brands) and of magic numbers in
developer.apple.com/library/archive/documentation/QuickTime/QTFF, ISO/IEC 14496-12, RFC 9559
(Matroska), RFC 2083 (PNG), RFC 9649 (WebP) and aomediacodec.github.io/av1-avif.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

HEAD_BYTES = 4_096
"""`identify` needs this many bytes of a file, or the whole file if it is smaller."""


class Kind(StrEnum):
    """What a file shows."""

    IMAGE = "image"
    VIDEO = "video"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class FileType:
    """The type of a file. `name` is for people: it follows "is", for example "a PNG image"."""

    name: str
    kind: Kind = Kind.OTHER
    content_type: str = "application/octet-stream"
    extension: str = "bin"


JPEG = FileType("a JPEG image", Kind.IMAGE, "image/jpeg", "jpg")
PNG = FileType("a PNG image", Kind.IMAGE, "image/png", "png")
WEBP = FileType("a WebP image", Kind.IMAGE, "image/webp", "webp")
GIF = FileType("a GIF image", Kind.IMAGE, "image/gif", "gif")
AVIF = FileType("an AVIF image", Kind.IMAGE, "image/avif", "avif")
HEIC = FileType("a HEIC image", Kind.IMAGE, "image/heic", "heic")
MP4 = FileType("an MP4 video", Kind.VIDEO, "video/mp4", "mp4")
QUICKTIME = FileType("a QuickTime video", Kind.VIDEO, "video/quicktime", "mov")
WEBM = FileType("a WebM video", Kind.VIDEO, "video/webm", "webm")

EMPTY = FileType("an empty file")
UNKNOWN = FileType("a file of an unknown type")
OTHER_HEIF = FileType("a HEIF image of an unusual kind")
MP3 = FileType("an MP3 audio file")
AAC = FileType("an AAC audio file")
M4A = FileType("an M4A audio file")
THREE_GP = FileType("a 3GP video")
MATROSKA = FileType("a Matroska video")
HTML = FileType("an HTML page")
SVG = FileType("an SVG image")
XML = FileType("an XML file")
JSON = FileType("a JSON file")
TEXT = FileType("a text file")

_SIGNATURES: tuple[tuple[int, bytes, FileType], ...] = (
    (0, b"\xff\xd8\xff", JPEG),
    (0, b"\x89PNG\r\n\x1a\n", PNG),
    (0, b"GIF87a", GIF),
    (0, b"GIF89a", GIF),
    (8, b"WEBP", WEBP),
    (8, b"WAVE", FileType("a WAV audio file")),
    (8, b"AVI ", FileType("an AVI video")),
    (0, b"ID3", MP3),
    (0, b"\xff\xfb", MP3),
    (0, b"\xff\xfa", MP3),
    (0, b"\xff\xf3", MP3),
    (0, b"\xff\xf2", MP3),
    (0, b"\xff\xf1", AAC),
    (0, b"\xff\xf9", AAC),
    (0, b"fLaC", FileType("a FLAC audio file")),
    (0, b"OggS", FileType("an Ogg audio file")),
    (8, b"AIFF", FileType("an AIFF audio file")),
    (0, b"MThd", FileType("a MIDI file")),
    (0, b"glTF", FileType("a glTF model")),
    (0, b"%PDF", FileType("a PDF file")),
    (0, b"PK\x03\x04", FileType("a ZIP file")),
    (0, b"\x1f\x8b", FileType("a gzip file")),
    (0, b"II*\x00", FileType("a TIFF image")),
    (0, b"MM\x00*", FileType("a TIFF image")),
    (0, b"BM", FileType("a BMP image")),
    (0, b"8BPS", FileType("a Photoshop image")),
    (0, b"v/1\x01", FileType("an OpenEXR image")),
    (0, b"\xff\x0a", FileType("a JPEG XL image")),
    (4, b"JXL ", FileType("a JPEG XL image")),
    (4, b"jP  ", FileType("a JPEG 2000 image")),
    (0, b"\x00\x00\x01\xba", FileType("an MPEG video")),
    (0, b"FLV", FileType("a Flash video")),
)
_RIFF_TYPES = (b"WEBP", b"WAVE", b"AVI ")
_AVIF_BRANDS = (b"avif", b"avis")
_HEVC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
# HEIF images of any codec. The compatible brands say which.
_HEIF_BRANDS = (b"mif1", b"mif2", b"msf1", b"miaf")
# HEIF images of the codecs AVC, VVC, EVC, JPEG 2000 and JPEG. `mif3` has a header of its own form.
_OTHER_HEIF_BRANDS = (
    *(b"avci", b"avcs", b"vvic", b"vvis", b"evbi", b"evbs"),
    *(b"j2ki", b"j2is", b"jpeg", b"jpgs", b"mif3"),
)
_BRANDS = {
    **dict.fromkeys(_AVIF_BRANDS, AVIF),
    **dict.fromkeys((*_HEVC_BRANDS, *_HEIF_BRANDS), HEIC),
    **dict.fromkeys(_OTHER_HEIF_BRANDS, OTHER_HEIF),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "), M4A),
    **dict.fromkeys((b"3gp4", b"3gp5", b"3gp6", b"3gr6", b"3gs6", b"3ge6", b"3gg6"), THREE_GP),
    **dict.fromkeys((b"3g2a", b"3g2b", b"3g2c"), THREE_GP),
    b"qt  ": QUICKTIME,
    b"crx ": FileType("a raw camera image"),
    b"JXL ": FileType("a JPEG XL image"),
}
# Boxes that begin a QuickTime file without `ftyp`. Later files begin with `ftyp` of brand `qt  `.
_QUICKTIME_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_EBML_MARK = b"\x1a\x45\xdf\xa3"
_DOC_TYPE = b"\x42\x82"
_BOX_BYTES = 8


def identify(head: bytes) -> FileType:
    """Return the type of a file that begins with these bytes, at most HEAD_BYTES.

    The name and the Content-Type of a file do not count: both come from a foreign server.
    """
    if not head:
        return EMPTY
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    if head.startswith(_EBML_MARK):
        return _of_ebml(head)
    for offset, signature, file_type in _SIGNATURES:
        is_riff = signature in _RIFF_TYPES
        if head[offset:].startswith(signature) and (not is_riff or head.startswith(b"RIFF")):
            return file_type
    if head[4:8] in _QUICKTIME_BOXES:
        return QUICKTIME
    return _of_text(head)


def is_avif_sequence(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is an animated AVIF image."""
    return head[4:8] == b"ftyp" and b"avis" in _brands_of(head)


def _of_brands(head: bytes) -> FileType:
    """Return the type of a file of ISO 14496-12 boxes, by its major and compatible brands."""
    major, *compatible = _brands_of(head)
    found = _BRANDS.get(major, MP4)
    if found is not HEIC:
        return found
    if not set(compatible).isdisjoint(_AVIF_BRANDS):
        return AVIF
    has_hevc = not {major, *compatible}.isdisjoint(_HEVC_BRANDS)
    is_other = not has_hevc and not set(compatible).isdisjoint(_OTHER_HEIF_BRANDS)
    return OTHER_HEIF if is_other else HEIC


def _brands_of(head: bytes) -> list[bytes]:
    """Return the brands in the box `ftyp` at the start of a file, the major brand first."""
    end = min(int.from_bytes(head[:4]), len(head))
    # Four bytes of a version follow the major brand.
    compatible = [head[at : at + 4] for at in range(_BOX_BYTES + 8, end - 3, 4)]
    return [head[_BOX_BYTES : _BOX_BYTES + 4], *compatible]


def _of_ebml(head: bytes) -> FileType:
    """Return the type of an EBML file, by its DocType (RFC 8794)."""
    at = head.find(_DOC_TYPE)
    is_webm = at >= 0 and head[at + 3 : at + 7] == b"webm"
    return WEBM if is_webm else MATROSKA


def _of_text(head: bytes) -> FileType:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return SVG
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return HTML
    if text.startswith(b"<"):
        return XML
    if text[:1] in (b"{", b"["):
        return JSON
    try:
        # The last character may be cut.
        decoded = head.decode("utf-8", "strict" if len(head) < HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return UNKNOWN
    is_text = all(character.isprintable() or character in "\t\r\n" for character in decoded)
    return TEXT if is_text else UNKNOWN
