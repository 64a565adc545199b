"""Inspects the file of an output: its type, its header, and whether it is whole."""

from __future__ import annotations

import time
from importlib import import_module
from typing import IO, Any

from darkroom.domain import file_types
from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.file_types import HEAD_BYTES, FileType, Kind
from darkroom.domain.outputs import CorruptOutput, OutputFile
from darkroom.media.outputs.completeness import check_end
from darkroom.settings import settings

DELIVERED = (
    file_types.PNG,
    file_types.JPEG,
    file_types.WEBP,
    file_types.GIF,
    file_types.AVIF,
    file_types.MP4,
    file_types.WEBM,
    file_types.QUICKTIME,
)


def identify(file: IO[bytes]) -> FileType:
    """Return the type of an output, by its first bytes.

    Raises CorruptOutput for an empty file and for an HTML page: a delivery host may send them until
    it has the file. Raises GenerationFailed if Darkroom does not deliver files of this type. The
    message names the type.
    """
    found = file_types.identify(_head(file))
    if found in (file_types.EMPTY, file_types.HTML):
        raise CorruptOutput(found.name)
    if found in DELIVERED:
        return found
    message = (
        f"The model's output is {found.name}. Darkroom delivers images (PNG, JPEG, WebP, GIF, "
        "AVIF) and videos (MP4, WebM, QuickTime). Nothing was charged. "
        "Choose another template or other parameters."
    )
    raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED, message))


def read_header(file: IO[bytes], file_type: FileType) -> OutputFile:
    """Return the type and size of an output from its header. Decodes no pixels.

    Raises CorruptOutput if the header is not whole or the end of the file is missing. Raises
    GenerationFailed if the output cannot be delivered.
    """
    check_end(file, file_type)
    found: OutputFile = _decoder(file, file_type).read_header(file, file_type)
    return found


def decode(file: IO[bytes], file_type: FileType) -> tuple[OutputFile, Any]:
    """Decode an output. Return its type and size, and one image of it for its variants.

    An image is decoded wholly. Of a video, all packets are read, and two frames are decoded. Raises
    CorruptOutput if the file is not whole, DecodeBudgetExceeded if it has too many pixels or needs
    more than `decode_seconds_max`, and GenerationFailed if it cannot be delivered.
    """
    give_up_at = time.monotonic() + settings().decode_seconds_max
    decoded: tuple[OutputFile, Any] = _decoder(file, file_type).decode(
        file, file_type, give_up_at=give_up_at
    )
    return decoded


def _decoder(file: IO[bytes], file_type: FileType) -> Any:  # noqa: ANN401 (a module)
    """Return the module for images or the module for videos.

    It is loaded here, so that a job loads only the libraries that it needs. FFmpeg also decodes
    animated AVIF images. libvips refuses them.
    """
    is_video = file_type.kind is Kind.VIDEO or file_types.is_avif_sequence(_head(file))
    return import_module(f"darkroom.media.outputs.{'videos' if is_video else 'images'}")


def _head(file: IO[bytes]) -> bytes:
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head
