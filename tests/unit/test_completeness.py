"""An output whose end is missing is found by its header, sizes and end, without decoding it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from darkroom.domain.file_types import HEAD_BYTES, identify
from darkroom.domain.outputs import CorruptOutput
from darkroom.media.outputs import inspect
from darkroom.media.outputs.completeness import check_end
from tests.integration.videos import video


def noise(file_format: str, mode: str = "RGB", **save: Any) -> bytes:
    buffer = BytesIO()
    Image.effect_noise((120, 90), 90).convert(mode).save(buffer, file_format, **save)
    return buffer.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: noise("JPEG"),
    "progressive jpeg": lambda: noise("JPEG", progressive=True),
    "png": lambda: noise("PNG"),
    "webp": lambda: noise("WEBP"),
    "gif": lambda: noise("GIF", "P"),
    "avif": lambda: noise("AVIF"),
    "mp4": lambda: video(colours=("teal",) * 3),
    "mov": lambda: video(colours=("teal",) * 3, extension="mov"),
    "webm": lambda: video(colours=("teal",) * 3, codec="libvpx-vp9", extension="webm"),
}


def is_whole(body: bytes, head: bytes) -> bool:
    try:
        inspect.read_header(BytesIO(body), identify(head[:HEAD_BYTES]))
    except CorruptOutput:
        return False
    return True


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_passes_and_a_cut_file_does_not(name: str) -> None:
    body = FILES[name]()
    cuts = [len(body) * percent // 100 for percent in (50, 75, 90, 95, 99)]

    assert is_whole(body, body)
    assert [is_whole(body[:cut], body) for cut in cuts] == [False] * len(cuts)


@pytest.mark.parametrize("name", sorted(FILES.keys() - {"gif"}))
def test_a_missing_last_byte_is_found_without_a_decoder(name: str) -> None:
    body = FILES[name]()

    check_end(BytesIO(body), identify(body[:HEAD_BYTES]))
    with pytest.raises(CorruptOutput):
        check_end(BytesIO(body[:-1]), identify(body[:HEAD_BYTES]))


@pytest.mark.parametrize("name", ["jpeg", "webp", "gif", "mp4"])
def test_zeros_after_the_end_do_not_matter(name: str) -> None:
    body = FILES[name]()

    assert is_whole(body + bytes(8), body)


@pytest.mark.parametrize("filler", [b"\0" * 70_000, b"\xff\0" * 9, b"\xff\xd0", b"text"])
def test_bytes_after_the_start_of_a_jpeg_do_not_matter(filler: bytes) -> None:
    body = FILES["jpeg"]()
    with_filler = body[:2] + filler + body[2:]

    assert is_whole(with_filler, body)
    assert not is_whole(with_filler[:-1], body)


def test_a_jpeg_with_a_whole_preview_in_its_header_can_be_cut() -> None:
    body = FILES["jpeg"]()
    with_preview = body[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + body[2:]

    assert is_whole(with_preview, body)
    assert not is_whole(with_preview[:-500], body)


def test_bytes_between_the_segments_of_a_jpeg_do_not_matter() -> None:
    jpeg = FILES["jpeg"]()
    end = 4 + int.from_bytes(jpeg[4:6])
    body = jpeg[:end] + b"\0\2\x7f\xff\0\xff" + jpeg[end:]

    assert is_whole(body, body)
    assert not is_whole(body[:-500], body)
