"""Image outputs that are not whole are found. Harmless faults are none."""

from __future__ import annotations

import struct
import time
from io import BytesIO
from random import Random

import pytest

from darkroom.domain.file_types import HEAD_BYTES, identify
from darkroom.domain.outputs import CorruptOutput, DecodeBudgetExceeded, OutputFile
from darkroom.media.outputs import images
from tests.integration.image_files import (
    animated,
    encoded,
    jpeg_with,
    oriented,
    photo,
    with_hole,
)

FILES = {
    "png": encoded(photo(), "PNG"),
    "interlaced": encoded(photo(), "PNG", interlace=1),
    "jpeg": encoded(photo(), "JPEG"),
    "progressive": encoded(photo(), "JPEG", progressive=True),
    "webp": encoded(photo(), "WEBP"),
    "lossless": encoded(photo(), "WEBP", lossless=True),
    "gif": encoded(photo(), "GIF"),
    "avif": encoded(photo(), "AVIF"),
    "animated-gif": animated("GIF", [100] * 4),
    "animated-webp": animated("WEBP", [100] * 4),
}


def decode(data: bytes) -> OutputFile:
    file_type = identify(data[:HEAD_BYTES])
    return images.decode(BytesIO(data), file_type, give_up_at=time.monotonic() + 60)[0]


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_is_decoded(name: str) -> None:
    assert decode(FILES[name]).width in (320, 120)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("percent", [10, 50, 90, 99])
def test_a_file_that_is_cut_is_corrupt(name: str, percent: int) -> None:
    with pytest.raises(CorruptOutput):
        decode(FILES[name][: len(FILES[name]) * percent // 100])


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_its_last_bytes_is_corrupt(name: str) -> None:
    """Some encoders write GIF images without their last byte, the trailer."""
    missing = 2 if "gif" in name else 1

    with pytest.raises(CorruptOutput):
        decode(FILES[name][:-missing])


def test_a_jpeg_with_half_of_its_end_is_corrupt() -> None:
    """libjpeg has all pixels then, and says nothing about some of these files."""
    for side in range(8, 72, 4):
        whole = encoded(photo(side, side), "JPEG")
        assert decode(whole).width == side
        with pytest.raises(CorruptOutput):
            decode(whole[:-1])


def test_an_avif_that_is_cut_behind_its_shown_image_is_corrupt() -> None:
    """An AVIF file can have other images, such as a gain map, which libvips does not read."""
    other = struct.pack(">I4s", 108, b"mdat") + bytes(100)

    assert decode(FILES["avif"] + other).width == 320
    with pytest.raises(CorruptOutput):
        decode(FILES["avif"] + other[:-1])


@pytest.mark.parametrize("name", ["gif", "animated-gif"])
def test_a_gif_without_a_trailer_is_whole(name: str) -> None:
    assert decode(FILES[name][:-1]) == decode(FILES[name])


@pytest.mark.parametrize("name", FILES)
def test_bytes_after_the_end_are_no_fault(name: str) -> None:
    assert decode(FILES[name] + b"more" * 50) == decode(FILES[name])


@pytest.mark.parametrize("name", ["png", "interlaced"])
@pytest.mark.parametrize("byte", [b"\0", b"\xff", b"a"])
def test_a_png_with_a_hole_is_corrupt(name: str, byte: bytes) -> None:
    for at in (0.1, 0.5, 0.9):
        with pytest.raises(CorruptOutput):
            decode(with_hole(FILES[name], at=at, byte=byte))


@pytest.mark.parametrize("name", ["jpeg", "progressive", "avif", "animated-gif"])
def test_a_file_with_a_hole_that_its_decoder_sees_is_corrupt(name: str) -> None:
    with pytest.raises(CorruptOutput):
        decode(with_hole(FILES[name], byte=b"\xff"))


@pytest.mark.parametrize("filler", [b"\0", b"\0" * 300])
def test_bytes_between_the_segments_of_a_jpeg_are_harmless(filler: bytes) -> None:
    assert decode(jpeg_with(filler)).width == 320


def test_harmless_bytes_do_not_hide_a_hole() -> None:
    with pytest.raises(CorruptOutput, match="extraneous"):
        decode(with_hole(jpeg_with(b"\0\0\0"), byte=b"\xff"))


@pytest.mark.parametrize("head", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a" + b"\0" * 9])
def test_a_header_without_an_image_is_corrupt(head: bytes) -> None:
    with pytest.raises(CorruptOutput):
        images.read_header(BytesIO(head), identify(head))
    with pytest.raises(CorruptOutput):
        decode(head)


def test_a_gif_with_an_unknown_block_is_corrupt_and_an_empty_block_is_none() -> None:
    gif = FILES["gif"]

    assert decode(gif[:-1] + b"\0\0" + gif[-1:]).width == 320
    with pytest.raises(CorruptOutput):
        decode(gif[:-1] + b"\x77" + gif[-1:])


def test_an_animation_with_a_bad_last_frame_is_corrupt() -> None:
    """All blocks have their sizes, so only a decoder of that frame finds the fault."""
    gif = FILES["animated-gif"]
    descriptor = gif.rindex(b"!\xf9\x04") + 8
    table_size = 3 << (gif[descriptor + 9] & 7) + 1 if gif[descriptor + 9] & 0x80 else 0
    first_block = descriptor + 11 + table_size
    size, start = gif[first_block], first_block + 1

    with pytest.raises(CorruptOutput):
        decode(gif[:start] + b"\xff" * size + gif[start + size :])


def test_damaged_files_never_crash() -> None:
    """Each file is damaged in many ways. An error must be one of the two that callers expect."""
    sources = [*FILES.values(), oriented(6, "JPEG"), oriented(6, "WEBP")]
    for seed in range(40 * len(sources)):
        random = Random(seed)
        data = bytearray(sources[seed % len(sources)])
        for _ in range(random.randint(1, 8)):
            data[random.randrange(12, len(data))] = random.randrange(256)
        try:
            decode(bytes(data))
        except (CorruptOutput, DecodeBudgetExceeded):
            continue
