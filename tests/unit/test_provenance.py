"""C2PA manifests are found by their place in a file, and XMP packets say how an image was made."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime
from io import BytesIO
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from darkroom.domain.file_types import HEAD_BYTES, identify
from darkroom.media.outputs.provenance import has_c2pa, xmp_packet

# The start of a manifest store: a superbox, and in it a description box of the type `c2pa`.
MANIFEST = (
    struct.pack(">I4s", 58, b"jumb")
    + struct.pack(">I4s", 38, b"jumd")
    + bytes.fromhex("63327061-0011-0010-8000-00aa00389b71".replace("-", ""))
    + b"\x03c2pa\0"
    + bytes(20)
)
OTHER_BOX = MANIFEST.replace(b"c2pa", b"mpeg").replace(bytes.fromhex("63327061"), b"mpeg")
C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
MP4 = struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 0, b"mp42")
MOOV = struct.pack(">I4s", 8, b"moov")


def encoded(file_format: str) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (9, 7), "teal").save(buffer, file_format)
    return buffer.getvalue()


def jpeg(box: bytes, *, marker: bytes = b"\xff\xeb", mark: bytes = b"JP") -> bytes:
    whole = encoded("JPEG")
    segment = mark + struct.pack(">HI", 1, 1) + box
    return whole[:2] + marker + struct.pack(">H", len(segment) + 2) + segment + whole[2:]


def png(chunk_type: bytes) -> bytes:
    whole = encoded("PNG")
    chunk = struct.pack(">I4s", len(MANIFEST), chunk_type) + MANIFEST
    checksum = struct.pack(">I", zlib.crc32(chunk_type + MANIFEST))
    return whole[:33] + chunk + checksum + whole[33:]


def webp(chunk_type: bytes) -> bytes:
    whole = encoded("WEBP")
    odd = MANIFEST + b"\1"
    chunks = whole[12:] + struct.pack("<4sI", b"ODD ", 1) + b"\0\0"
    chunks += struct.pack("<4sI", chunk_type, len(odd)) + odd + b"\0"
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def gif(name: bytes) -> bytes:
    whole = encoded("GIF")
    colours = 3 << (whole[10] & 7) + 1 if whole[10] & 0x80 else 0
    first_block = 13 + colours
    comment = b"\x21\xfe\x03abc\0"
    extension = b"\x21\xff\x0b" + name + b"\x01\0\0" + bytes([len(MANIFEST)]) + MANIFEST + b"\0"
    return whole[:first_block] + comment + extension + whole[first_block:]


def boxes(uuid: bytes, *, large: bool = False) -> bytes:
    body = uuid + bytes(4) + b"manifest\0" + MANIFEST
    header = (
        struct.pack(">I4sQ", 1, b"uuid", len(body) + 16)
        if large
        else struct.pack(">I4s", len(body) + 8, b"uuid")
    )
    return MP4 + header + body + MOOV


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(jpeg(MANIFEST), True, id="jpeg"),
        pytest.param(jpeg(OTHER_BOX), False, id="jpeg with another box"),
        pytest.param(jpeg(MANIFEST, marker=b"\xff\xe1"), False, id="jpeg, wrong segment"),
        pytest.param(jpeg(MANIFEST, mark=b"XX"), False, id="jpeg, wrong mark"),
        pytest.param(encoded("JPEG") + MANIFEST, False, id="jpeg, after its end"),
        pytest.param(png(b"caBX"), True, id="png"),
        pytest.param(png(b"abCD"), False, id="png, wrong chunk"),
        pytest.param(webp(b"C2PA"), True, id="webp, after an odd chunk"),
        pytest.param(webp(b"EXIF"), False, id="webp, wrong chunk"),
        pytest.param(gif(b"C2PA_GIF"), True, id="gif, after a comment"),
        pytest.param(gif(b"XMP Data"), False, id="gif, other application"),
        pytest.param(boxes(C2PA_UUID), True, id="mp4"),
        pytest.param(boxes(C2PA_UUID, large=True), True, id="mp4, box of 64 bits"),
        pytest.param(boxes(XMP_UUID), False, id="mp4, box of XMP"),
        pytest.param(MP4 + MOOV, False, id="mp4 without"),
    ],
)
def test_a_manifest_is_found_at_its_place_only(body: bytes, expected: bool) -> None:
    file = BytesIO(body)

    assert has_c2pa(file, identify(body[:HEAD_BYTES])) is expected
    assert file.tell() == 0


@pytest.mark.parametrize(
    "body",
    [jpeg(MANIFEST), png(b"caBX"), webp(b"C2PA"), gif(b"C2PA_GIF"), boxes(C2PA_UUID, large=True)],
    ids=["jpeg", "png", "webp", "gif", "mp4"],
)
def test_a_cut_or_damaged_file_never_crashes(body: bytes) -> None:
    file_type = identify(body[:HEAD_BYTES])
    for position in range(16, min(len(body), 400)):
        has_c2pa(BytesIO(body[:position]), file_type)
        for byte in (0x00, 0xFF):
            damaged = body[:position] + bytes([byte]) + body[position + 1 :]
            has_c2pa(BytesIO(damaged), file_type)


def test_a_box_with_the_largest_size_ends_the_search() -> None:
    body = MP4 + struct.pack(">I4sQ", 1, b"free", (1 << 64) - 1) + boxes(C2PA_UUID)

    assert not has_c2pa(BytesIO(body), identify(body))


def test_the_packet_names_source_type_model_and_time() -> None:
    at = datetime(2026, 1, 2, 12, 30, 15, 999, tzinfo=UTC)
    packet = xmp_packet(model='owner/model "<&> é', at=at).decode()

    root = ET.fromstring(packet.partition("?>")[2].rpartition("<?")[0])
    (description,) = root.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    iptc = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
    assert description.attrib == {
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about": "",
        "{http://ns.adobe.com/xap/1.0/}CreateDate": "2026-01-02T12:30:15+00:00",
        f"{iptc}AISystemUsed": 'owner/model "<&> é',
        f"{iptc}DigitalSourceType": (
            "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
        ),
    }
