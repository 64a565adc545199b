"""The step StoreOutput: thumbnails of images, and the types of files that are delivered."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pytest
from PIL import Image

from darkroom.domain.errors import GenerationFailed, OutputUnavailable
from darkroom.domain.failures import FailureCode
from darkroom.domain.outputs import CorruptOutput, DecodeBudgetExceeded
from darkroom.media.outputs import inspect
from tests.builders import stored
from tests.integration.servers import Reply
from tests.integration.store_output.delivery import (
    ReplicateWithFiles,
    damaged_image,
    image,
    objects,
    processing_job,
    recorded_failure,
    store,
)

pytestmark = pytest.mark.usefixtures("aws")


@pytest.mark.parametrize(
    ("file_format", "mode"),
    [
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "L"),
        ("PNG", "I;16"),
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("WEBP", "RGBA"),
    ],
)
def test_thumbnail_is_a_jpeg_of_200_by_200_pixels(
    replicate: ReplicateWithFiles, file_format: str, mode: str
) -> None:
    sizes = [(1, 1), (900, 30), (30, 900)]
    files = {
        f"/{width}": Reply(200, encoded(mode, (width, height), file_format))
        for width, height in sizes
    }

    with replicate.returning(list(files), files):
        outputs = store(processing_job(num_outputs=len(sizes))).outputs

    assert [(output.width, output.height) for output in outputs] == sizes
    for output in outputs:
        assert output.thumbnail_key
        thumbnail = objects()[output.thumbnail_key]
        thumbnail_image = Image.open(BytesIO(thumbnail["Body"].read()))
        assert (thumbnail_image.format, thumbnail_image.size) == ("JPEG", (200, 200))
        assert thumbnail["ContentType"] == "image/jpeg"
        assert output.placeholder
        assert output.placeholder.startswith("data:image/webp;base64,")


def encoded(mode: str, size: tuple[int, int], file_format: str) -> bytes:
    buffer = BytesIO()
    Image.new(mode, size).save(buffer, file_format)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG image"),
        (b"ID3\x04" + bytes(100), "an MP3 audio file"),
        (b'{"detail": "not found"}', "a JSON file"),
        (b"\x00\x00\x00\x18ftypheic\0\0\0\0mif1heic", "a HEIC image"),
        (b"\x00\x00\x00\x18ftypavci\0\0\0\0mif1avci", "a HEIF image of an unusual kind"),
        (b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska", "a Matroska video"),
        (bytes(100), "a file of an unknown type"),
        (image("BMP"), "a BMP image"),
    ],
)
def test_a_file_of_another_type_is_rejected_with_its_name(
    replicate: ReplicateWithFiles, body: bytes, name: str
) -> None:
    job = processing_job()
    with replicate.returning("/a", {"/a": Reply(200, body, {"Content-Type": "image/png"})}):
        assert recorded_failure(job) is FailureCode.OUTPUT_REJECTED

    recorded = stored(job).failure
    assert recorded
    assert recorded.message.startswith(f"The model's output is {name}. Darkroom delivers images")
    assert not recorded.retryable
    assert objects() == {}


@pytest.mark.parametrize("body", [b"GIF89a" + bytes(40), b"\x89PNG\r\n\x1a\n"])
def test_a_file_without_a_whole_header_is_downloaded_again(
    replicate: ReplicateWithFiles, body: bytes
) -> None:
    job = processing_job()
    with replicate.returning("/a", {"/a": Reply(200, body)}), pytest.raises(OutputUnavailable):
        store(job)

    assert (stored(job).failure, objects()) == (None, {})


@pytest.mark.parametrize(
    ("file_format", "content_type", "extension"),
    [
        ("MPO", "image/jpeg", "jpg"),
        ("GIF", "image/gif", "gif"),
        ("AVIF", "image/avif", "avif"),
    ],
)
def test_each_type_of_image_is_delivered_under_its_true_type(
    replicate: ReplicateWithFiles, file_format: str, content_type: str, extension: str
) -> None:
    body = image(file_format)
    with replicate.returning("/a", {"/a": Reply(200, body, {"Content-Type": "video/mp4"})}):
        (output,) = store(processing_job()).outputs

    assert (output.content_type, output.key.rpartition(".")[2]) == (content_type, extension)
    assert (output.width, output.height, output.seconds) == (300, 200, None)
    assert objects()[output.key]["ContentType"] == content_type


def test_damaged_image_never_crashes() -> None:
    for seed in range(2_000):
        file = BytesIO(damaged_image(seed))
        with suppress(GenerationFailed, CorruptOutput, DecodeBudgetExceeded):
            inspect.decode(file, inspect.identify(file))
