"""A file whose end is missing is found without decoding it."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from darkroom.domain.file_types import HEAD_BYTES, identify
from darkroom.domain.outputs import CorruptOutput
from darkroom.media.completeness import check_end
from tests.integration.videos import video


def noise(file_format: str, mode: str = "RGB", **save: Any) -> bytes:
    buffer = BytesIO()
    Image.effect_noise((120, 90), 90).convert(mode).save(buffer, file_format, **save)
    return buffer.getvalue()


FILES = {
    "jpeg": noise("JPEG"),
    "progressive jpeg": noise("JPEG", progressive=True),
    "png": noise("PNG"),
    "webp": noise("WEBP"),
    "gif": noise("GIF", "P"),
    "avif": noise("AVIF"),
    "mp4": video(colours=("teal",) * 3),
    "mov": video(colours=("teal",) * 3, extension="mov"),
    "webm": video(colours=("teal",) * 3, codec="libvpx-vp9", extension="webm"),
}


def is_whole(body: bytes, head: bytes) -> bool:
    try:
        check_end(BytesIO(body), identify(head[:HEAD_BYTES]))
    except CorruptOutput:
        return False
    return True


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_passes_and_a_cut_file_does_not(name: str) -> None:
    body = FILES[name]
    cuts = [len(body) * percent // 100 for percent in (50, 75, 90, 95, 99)]

    assert is_whole(body, body)
    assert [is_whole(body[:cut], body) for cut in cuts] == [False] * len(cuts)


@pytest.mark.parametrize("name", ["jpeg", "webp", "gif", "mp4"])
def test_zeros_after_the_end_do_not_matter(name: str) -> None:
    assert is_whole(FILES[name] + bytes(8), FILES[name])


def test_a_jpeg_with_a_whole_preview_in_its_header_can_be_cut() -> None:
    body = FILES["jpeg"]
    with_preview = body[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + body[2:]

    assert is_whole(with_preview, body)
    assert not is_whole(with_preview[:-500], body)


def test_a_video_can_end_with_a_box_without_size() -> None:
    body = FILES["mp4"]

    assert is_whole(body + struct.pack(">I4s", 0, b"free") + bytes(9), body)
    assert not is_whole(body + struct.pack(">I4s", 18, b"free") + bytes(9), body)
    assert is_whole(body + struct.pack(">I4sQ", 1, b"free", 25) + bytes(9), body)
    assert not is_whole(body + struct.pack(">I4sQ", 1, b"free", 26) + bytes(9), body)


def test_bytes_after_the_last_box_of_a_video_do_not_matter() -> None:
    body = FILES["mp4"]

    assert is_whole(body + bytes(5), body)
    assert is_whole(body + b"PK\x03\x04\x14\0\0\0\x08\0" + bytes(40), body)


def test_a_video_that_ends_between_two_boxes_before_its_index_is_cut() -> None:
    body = FILES["mp4"]
    cuts = range(32, body.index(b"moov") + 3)

    assert not any(is_whole(body[:cut], body) for cut in cuts)


def test_a_webm_stream_without_a_size_is_accepted() -> None:
    body = FILES["webm"]
    at = body.index(b"\x18\x53\x80\x67") + 4
    unknown = b"\x01" + b"\xff" * 7

    assert is_whole(body[:at] + unknown + body[at + 8 :], body)
