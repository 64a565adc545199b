"""The step StoreOutput: thumbnails of images, and files that are not images."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pytest
from PIL import Image

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.media import inspect
from tests.builders import stored
from tests.integration.servers import Reply
from tests.integration.steps import with_setting
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


def test_rejects_files_that_are_not_images(replicate: ReplicateWithFiles) -> None:
    bodies = (
        b"",
        b"<html>expired</html>",
        b"GIF89a" + b"\0" * 40,
        b"\x89PNG\r\n\x1a\n",
        image("GIF"),
        image("BMP"),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
    )
    codes = {}

    for body in bodies:
        with replicate.returning("/a", {"/a": Reply(200, body, {"Content-Type": "image/png"})}):
            codes[body] = recorded_failure(processing_job())

    assert codes == dict.fromkeys(bodies, FailureCode.OUTPUT_REJECTED)
    assert objects() == {}


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_truncated_image_has_no_thumbnail(replicate: ReplicateWithFiles, file_format: str) -> None:
    buffer = BytesIO()
    Image.effect_noise((300, 200), 90).convert("RGB").save(buffer, file_format)
    first_half = buffer.getvalue()[: len(buffer.getvalue()) // 2]
    with replicate.returning("/a", {"/a": Reply(200, first_half)}):
        job = store(processing_job())

    assert [
        (output.width, output.height, output.thumbnail_key, output.placeholder)
        for output in job.outputs
    ] == [(300, 200, None, None)]


def test_image_with_too_many_pixels_has_no_thumbnail(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    with replicate.returning("/a", {"/a": Reply(200, image("PNG", (101, 100)))}):
        with_setting(monkeypatch, "IMAGE_PIXELS_MAX", 10_000)
        job = store(processing_job())

    assert [(output.width, output.thumbnail_key) for output in job.outputs] == [(101, None)]


def test_image_of_several_frames_is_stored_or_rejected(replicate: ReplicateWithFiles) -> None:
    several = image("MPO", save_all=True, append_images=[Image.new("RGB", (300, 200), "red")])
    with replicate.returning("/a", {"/a": Reply(200, several)}):
        job = processing_job()
        with suppress(GenerationFailed):
            store(job)

    assert stored(job).outputs or stored(job).failure == failure(FailureCode.OUTPUT_REJECTED)


def test_damaged_image_never_crashes() -> None:
    for seed in range(6_000):
        file = BytesIO(damaged_image(seed))
        try:
            inspect.probe(file)
            inspect.thumbnail(file)
        except (GenerationFailed, inspect.NoThumbnail):
            continue
