"""The step StoreOutput: images, their thumbnails, and what is no image."""

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
from tests.integration.store_output.delivery import StoreOutput, damaged_image, image

pytestmark = pytest.mark.usefixtures("aws")


class TestStoreOutput(StoreOutput):
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
    @pytest.mark.parametrize("size", [(1, 1), (900, 30), (30, 900)])
    def test_thumbnail_is_a_jpeg_of_200_by_200_pixels(
        self, file_format: str, mode: str, size: tuple[int, int]
    ) -> None:
        buffer = BytesIO()
        Image.new(mode, size).save(buffer, file_format)
        with self.returning("/a", {"/a": Reply(200, buffer.getvalue())}):
            job = self.store(self.processing())

        (output,) = job.outputs
        assert output.thumbnail_key
        thumbnail = self.objects()[output.thumbnail_key]
        thumbnail_image = Image.open(BytesIO(thumbnail["Body"].read()))
        assert (thumbnail_image.format, thumbnail_image.size, thumbnail["ContentType"]) == (
            "JPEG",
            (200, 200),
            "image/jpeg",
        )
        assert output.placeholder
        assert output.placeholder.startswith("data:image/webp;base64,")
        assert (output.width, output.height) == size

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>expired</html>",
            b"GIF89a" + b"\0" * 40,
            b"\x89PNG\r\n\x1a\n",
            image("GIF"),
            image("BMP"),
            b"%!PS-Adobe-3.0 EPSF-3.0\n",
        ],
    )
    def test_rejects_files_that_are_not_images(self, body: bytes) -> None:
        with self.returning("/a", {"/a": Reply(200, body, {"Content-Type": "image/png"})}):
            job = self.processing()
            assert self.refused(job) is FailureCode.OUTPUT_REJECTED

        assert self.objects() == {}

    @pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
    def test_truncated_image_has_no_thumbnail(self, file_format: str) -> None:
        buffer = BytesIO()
        Image.effect_noise((300, 200), 90).convert("RGB").save(buffer, file_format)
        with self.returning(
            "/a", {"/a": Reply(200, buffer.getvalue()[: len(buffer.getvalue()) // 2])}
        ):
            job = self.store(self.processing())

        assert [
            (output.width, output.height, output.thumbnail_key, output.placeholder)
            for output in job.outputs
        ] == [(300, 200, None, None)]

    def test_image_with_too_many_pixels_has_no_thumbnail(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with self.returning("/a", {"/a": Reply(200, image("PNG", (101, 100)))}):
            with_setting(monkeypatch, "IMAGE_PIXELS_MAX", 10_000)
            job = self.store(self.processing())

        assert [(output.width, output.thumbnail_key) for output in job.outputs] == [(101, None)]

    def test_image_of_several_frames_is_stored_or_rejected(self) -> None:
        several = image("MPO", save_all=True, append_images=[Image.new("RGB", (300, 200), "red")])
        with self.returning("/a", {"/a": Reply(200, several)}):
            job = self.processing()
            with suppress(GenerationFailed):
                self.store(job)

        assert stored(job).outputs or stored(job).failure == failure(FailureCode.OUTPUT_REJECTED)

    def test_damaged_image_never_crashes(self) -> None:
        for seed in range(6_000):
            file = BytesIO(damaged_image(seed))
            try:
                inspect.probe(file)
                inspect.thumbnail(file)
            except (GenerationFailed, inspect.NoThumbnail):
                continue
