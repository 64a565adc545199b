"""The first bytes of a file decide its type. Names and Content-Types do not count."""

from __future__ import annotations

import struct

import pytest

from darkroom.domain.file_types import (
    AVIF,
    EMPTY,
    GIF,
    HEAD_BYTES,
    HEIC,
    JPEG,
    MP4,
    PNG,
    QUICKTIME,
    TEXT,
    UNKNOWN,
    WEBM,
    WEBP,
    FileType,
    identify,
    is_avif_sequence,
)


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    brands = b"".join(compatible)
    return struct.pack(">I4s4sI", 16 + len(brands), b"ftyp", major, 0) + brands + bytes(64)


def riff(name: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 100) + name + bytes(40)


def box(name: bytes) -> bytes:
    return struct.pack(">I4s", 8, name) + bytes(40)


def ebml(doc_type: bytes) -> bytes:
    element = b"\x42\x82" + bytes([0x80 | len(doc_type)]) + doc_type
    return b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(element) + 4]) + b"\x42\x86\x81\x01" + element


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\xff\xd8\xff\xe0\0\x10JFIF", JPEG),
        (b"\xff\xd8\xff\xe1\0\x10Exif", JPEG),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), PNG),
        (b"GIF87a" + bytes(20), GIF),
        (b"GIF89a" + bytes(20), GIF),
        (riff(b"WEBP"), WEBP),
        (ftyp(b"avif", b"mif1", b"miaf"), AVIF),
        (ftyp(b"avis", b"avif", b"msf1"), AVIF),
        (ftyp(b"mif1", b"avif"), AVIF),
        (ftyp(b"msf1", b"avis"), AVIF),
        (ftyp(b"heic", b"mif1"), HEIC),
        (ftyp(b"heix"), HEIC),
        (ftyp(b"mif1", b"heic"), HEIC),
        (ftyp(b"msf1", b"hevc"), HEIC),
        (ftyp(b"mif1", b"jpeg", b"heic"), HEIC),
        (ftyp(b"mif1", b"miaf"), HEIC),
        (ftyp(b"isom", b"iso2", b"avc1", b"mp41"), MP4),
        (ftyp(b"mp42"), MP4),
        (ftyp(b"M4V "), MP4),
        (ftyp(b"iso6", b"dash"), MP4),
        (ftyp(b"qt  "), QUICKTIME),
        (box(b"moov"), QUICKTIME),
        (box(b"wide"), QUICKTIME),
        (box(b"mdat"), QUICKTIME),
        (box(b"free"), QUICKTIME),
        (ebml(b"webm"), WEBM),
    ],
)
def test_each_delivered_type_is_identified(head: bytes, expected: FileType) -> None:
    assert identify(head) is expected


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"", "an empty file"),
        (b"ID3\x03" + bytes(20), "an MP3 audio file"),
        (b"\xff\xfb\x90\x64", "an MP3 audio file"),
        (b"\xff\xf1\x50\x80", "an AAC audio file"),
        (ftyp(b"M4A ", b"mp42"), "an M4A audio file"),
        (riff(b"WAVE"), "a WAV audio file"),
        (b"OggS\0\x02", "an Ogg audio file"),
        (b"fLaC\0\0", "a FLAC audio file"),
        (ebml(b"matroska"), "a Matroska video"),
        (ftyp(b"3gp4"), "a 3GP video"),
        (riff(b"AVI "), "an AVI video"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"\xef\xbb\xbf\n  <html>", "an HTML page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG image"),
        (b"<?xml version='1.0'?><svg/>", "an SVG image"),
        (b"<?xml version='1.0'?><error/>", "an XML file"),
        (b'{"detail": "not found"}', "a JSON file"),
        (b"[1, 2]", "a JSON file"),
        (b"glTF\x02\0\0\0", "a glTF model"),
        (b"%PDF-1.7", "a PDF file"),
        (b"PK\x03\x04", "a ZIP file"),
        (b"II*\0", "a TIFF image"),
        (b"BM" + bytes(20), "a BMP image"),
        (b"\xff\x0a" + bytes(20), "a JPEG XL image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
        ("Grüße".encode(), "a text file"),
        (bytes(range(1, 30)), "a file of an unknown type"),
    ],
)
def test_other_types_have_names_for_people(head: bytes, name: str) -> None:
    assert identify(head).name == name


@pytest.mark.parametrize(
    "brand",
    ["avci", "avcs", "vvic", "vvis", "evbi", "evbs", "j2ki", "j2is", "jpeg", "jpgs", "mif3"],
)
def test_another_heif_image_is_neither_a_video_nor_heic(brand: str) -> None:
    for head in (ftyp(brand.encode(), b"mif1"), ftyp(b"mif1", brand.encode())):
        assert identify(head).name == "a HEIF image of an unusual kind"


@pytest.mark.parametrize(
    "head",
    [
        b"XXXX" + riff(b"WEBP")[4:],
        b"\xff\xd8",
        b"\x89PNG\n",
        b"\x1a\x45\xdf",
        bytes(12),
    ],
)
def test_a_part_of_a_signature_is_not_enough(head: bytes) -> None:
    assert identify(head) is UNKNOWN


def test_a_text_that_is_cut_inside_a_character_is_a_text() -> None:
    text = "a" * (HEAD_BYTES - 1) + "é"

    assert identify(text.encode()[:HEAD_BYTES]) is TEXT


def test_only_files_with_the_brand_avis_are_avif_sequences() -> None:
    assert is_avif_sequence(ftyp(b"avis", b"avif"))
    assert is_avif_sequence(ftyp(b"msf1", b"avis"))
    assert not is_avif_sequence(ftyp(b"avif", b"mif1"))
    assert not is_avif_sequence(b"avis" * 4)
    assert not is_avif_sequence(b"")


def test_hostile_sizes_of_boxes_do_not_matter() -> None:
    for size in (0, 1, 7, 8, 15, 2**31, 2**32 - 1):
        head = struct.pack(">I4s4s", size, b"ftyp", b"avif") + bytes(40)

        assert identify(head) is AVIF


def test_an_empty_file_has_a_type_of_its_own() -> None:
    assert identify(b"") is EMPTY
