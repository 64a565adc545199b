"""The walk over the parts of a file ends after a limit, whatever the file contains."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest

from darkroom.domain.file_types import GIF, JPEG, MP4, PNG, WEBM, WEBP, FileType
from darkroom.media.outputs import file_parts
from darkroom.media.outputs.file_parts import walk

LIMIT = 20
GIF_HEADER = b"GIF89a" + bytes(7)


class CountingFile(BytesIO):
    """Counts the reads."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Count the read."""
        self.reads += 1
        return super().read(size)


@pytest.mark.parametrize(
    ("file_type", "start", "part"),
    [
        pytest.param(JPEG, b"\xff\xd8", b"\xff\xfe\0\3a", id="jpeg segments"),
        pytest.param(JPEG, b"\xff\xd8", b"\xff", id="jpeg fill bytes"),
        pytest.param(JPEG, b"\xff\xd8", b"\0", id="jpeg, bytes between segments"),
        pytest.param(JPEG, b"\xff\xd8", b"\xff\xd0", id="jpeg markers without length"),
        pytest.param(PNG, bytes(8), struct.pack(">I4sI", 0, b"tEXt", 0), id="png chunks"),
        pytest.param(WEBP, b"RIFF\xff\0\0\0WEBP", b"EXIF\0\0\0\0", id="webp chunks"),
        pytest.param(GIF, GIF_HEADER, b"!\xfe\0", id="gif extensions"),
        pytest.param(GIF, GIF_HEADER + b"!\xfe", b"\1a", id="gif data blocks"),
        pytest.param(GIF, GIF_HEADER, b"\0", id="gif empty blocks"),
        pytest.param(MP4, b"", struct.pack(">I4s", 8, b"free"), id="boxes"),
        pytest.param(WEBM, b"", b"\xec\x80", id="elements"),
        pytest.param(WEBM, b"", b"\xec\xff", id="elements of an unknown size"),
    ],
)
def test_a_walk_over_very_many_parts_ends(
    monkeypatch: pytest.MonkeyPatch, file_type: FileType, start: bytes, part: bytes
) -> None:
    monkeypatch.setattr(file_parts, "PARTS_MAX", LIMIT)
    file = CountingFile(start + part * 10 * LIMIT)

    parts = list(walk(file, file_type))

    assert len(parts) <= LIMIT
    # A part has at most four reads: its kind in two steps, its length and its content.
    assert file.reads <= 4 * LIMIT + 5
    assert file.read(1)
