"""An uploaded file that is no usable image is refused in bounded time, in words of its sender."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator
from signal import SIGKILL
from typing import Any

import pytest
from PIL import Image

from darkroom.domain.uploads import UnusableImage
from darkroom.media.inputs import child_process, conversion
from darkroom.media.inputs.decoding import SCANS_MAX, _jpeg_scale
from tests.aws import forget_settings
from tests.integration.input_files import (
    COLORS,
    FORMATS,
    corners,
    encoded,
    fit,
    opened,
    png,
    png_chunk,
    quarters,
    with_scans,
)
from tests.integration.steps import with_setting

DAMAGED = [
    b"GIF89a",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif",
    png(0, 10, png_chunk(b"IDAT", zlib.compress(b""))),
    png(10, 10),
    png(10, 10, png_chunk(b"IDAT", b"no deflate")),
]
OTHER_TYPES = {
    b"": "an empty file",
    b"a text file called image.jpg": "a text file",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>": "an SVG image",
    b"%PDF-1.7": "a PDF file",
    b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom": "an MP4 video",
    b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  ": "a QuickTime video",
    b"\x00\x00\x00\x18ftypavci\x00\x00\x00\x00mif1avci": "a HEIF image of an unusual kind",
    encoded(quarters(), "TIFF"): "a TIFF image",
    encoded(quarters(), "BMP"): "a BMP image",
}


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    """Read the settings again for each test."""
    forget_settings()
    yield
    forget_settings()


def refusal(body: bytes) -> str:
    with pytest.raises(UnusableImage) as refused:
        fit(body)
    return str(refused.value)


class TestTypes:
    def test_names_the_type_of_the_file_and_the_accepted_types(
        self, subtests: pytest.Subtests
    ) -> None:
        for body, name in OTHER_TYPES.items():
            with subtests.test(name=name):
                assert refusal(body) == (
                    f"The file is {name}. Accepted are photos and images of the types "
                    "JPEG, HEIC, PNG, WebP, AVIF and GIF."
                )

    def test_accepts_hevc_images_under_the_brand_of_all_heif_images(self) -> None:
        body = encoded(quarters(), "HEIF")
        assert body[4:12] == b"ftypheic"

        assert fit(body[:8] + b"mif1" + body[12:])

    def test_refuses_formats_without_a_signature(self) -> None:
        for file_format in ("ICO", "PPM", "TGA"):
            assert "Accepted are" in refusal(encoded(quarters(), file_format))

    def test_refuses_damaged_files(self, subtests: pytest.Subtests) -> None:
        for body in DAMAGED:
            with subtests.test(body=body[:20]):
                assert "is not a complete image" in refusal(body)

    @pytest.mark.parametrize("file_format", FORMATS)
    def test_refuses_truncated_files(self, file_format: str, subtests: pytest.Subtests) -> None:
        noise = Image.effect_noise((200, 200), 90).convert("RGB")
        complete = encoded(noise, file_format)

        assert fit(complete)
        for share in (0.1, 0.5, 0.9):
            with subtests.test(share=share):
                assert "is not a complete image" in refusal(complete[: int(len(complete) * share)])


class TestPixels:
    def test_refuses_images_with_too_many_pixels(self, subtests: pytest.Subtests) -> None:
        pixels = png_chunk(b"IDAT", zlib.compress(bytes(1000)))

        for width, height in (
            (100_000, 100_000),
            (2**31 - 1, 2**31 - 1),
            (60_000, 60_000),
            (8_000, 5_001),
        ):
            with subtests.test(width=width, height=height):
                assert refusal(png(width, height, pixels)) == (
                    f"The image has {width} × {height} pixels. "
                    "The maximum is 40 megapixels. Send a smaller image."
                )

    def test_refuses_a_webp_whose_canvas_would_not_fit_into_the_memory(self) -> None:
        canvas = (16_382).to_bytes(3, "little") * 2
        body = b"WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + canvas

        message = refusal(b"RIFF" + len(body).to_bytes(4, "little") + body)

        assert "too many pixels. The maximum is 40 megapixels." in message

    def test_accepts_the_maximum_of_pixels_and_refuses_one_row_more(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "IMAGE_PIXELS_MAX", 100)

        assert fit(encoded(Image.new("RGB", (10, 10))))[0].width == 10
        assert "11 × 10 pixels" in refusal(encoded(Image.new("RGB", (11, 10))))

    def test_a_heic_image_has_a_limit_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "IMAGE_PIXELS_MAX", 100)
        with_setting(monkeypatch, "HEIC_PIXELS_MAX", 64 * 48)

        assert fit(encoded(quarters(), "HEIF"))[0].width == 64
        assert "66 × 48 pixels" in refusal(encoded(quarters((66, 48)), "HEIF"))

    @pytest.mark.parametrize(("file_format", "name"), [("AVIF", "40"), ("HEIF", "50")])
    def test_names_the_size_of_an_image_that_its_decoder_refuses(
        self, file_format: str, name: str
    ) -> None:
        # libavif and libheif refuse the size before Darkroom sees it.
        body = encoded(quarters(), file_format)
        at = body.index(b"ispe") + 8
        huge = body[:at] + (100_000).to_bytes(4) * 2 + body[at + 8 :]

        assert refusal(huge) == (
            f"The image has 100000 × 100000 pixels. The maximum is {name} megapixels. "
            "Send a smaller image."
        )

    def test_a_jpeg_above_the_maximum_is_decoded_in_a_smaller_size(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "IMAGE_PIXELS_MAX", 2_500)
        with_setting(monkeypatch, "JPEG_PIXELS_MAX", 30_000)

        image, body = fit(encoded(quarters((200, 150)), "JPEG"))

        assert (image.width, image.height) == (200, 150)
        assert corners(opened(body)) == COLORS
        assert "201 × 150 pixels" in refusal(encoded(quarters((201, 150)), "JPEG"))

    def test_a_large_jpeg_is_reduced_by_the_smallest_useful_factor(
        self, subtests: pytest.Subtests
    ) -> None:
        for size, scale in (
            ((4032, 3024), 1),
            ((7000, 5000), 1),
            ((8064, 6048), 2),
            ((8192, 4000), 2),
            ((16320, 12240), 4),
            ((65_500, 3_800), 8),
        ):
            with subtests.test(size=size):
                assert _jpeg_scale(*size) == scale


class TestScans:
    def test_accepts_100_scans_and_refuses_101_before_decoding(self) -> None:
        progressive = encoded(quarters(), "JPEG", progressive=True)

        assert corners(opened(fit(with_scans(progressive, SCANS_MAX))[1])) == COLORS
        assert refusal(with_scans(progressive, SCANS_MAX + 1)).startswith(
            "The JPEG image has 101 scans. The maximum is 100."
        )

    def test_scans_of_other_images_in_the_file_do_not_count(self) -> None:
        many = with_scans(encoded(quarters((8, 8)), "JPEG", progressive=True), SCANS_MAX + 1)
        whole = encoded(quarters(), "JPEG")
        # The thumbnail of a camera is in a segment of metadata. A gain map follows the image.
        segment = b"\xff\xe2" + (len(many) + 2).to_bytes(2) + many

        for body in (whole[:2] + segment + whole[2:], whole + many):
            assert corners(opened(fit(body)[1])) == COLORS

    def test_scans_behind_a_reserved_marker_count(self) -> None:
        many = with_scans(encoded(quarters(), "JPEG", progressive=True), SCANS_MAX + 1)
        last = many.rindex(b"\xff\xda")
        # The two bytes after the marker would be the length of a segment that hides the scans.
        hiding = many[:last] + many[last:-2] + b"\xff\x02\xff\xff" + many[last:]

        assert "102 scans" in refusal(hiding)

    @pytest.mark.parametrize("scans", [1, 10])
    def test_a_progressive_jpeg_has_a_limit_of_its_own(self, scans: int) -> None:
        # The size in the header decides, so the file needs no pixels of that size.
        progressive = encoded(quarters(), "JPEG", progressive=True)
        at = progressive.index(b"\xff\xc2") + 5
        huge = (
            progressive[:at] + (10_000).to_bytes(2) + (10_001).to_bytes(2) + progressive[at + 4 :]
        )
        if scans == 1:
            second = huge.index(b"\xff\xda", huge.index(b"\xff\xda") + 2)
            huge = huge[:second] + b"\xff\xd9"

        assert refusal(huge) == (
            "The JPEG image has 10001 × 10000 pixels and is progressive. "
            "The maximum is 100 megapixels. Send a smaller image."
        )


class TestBudget:
    """The conversion runs in a child process with a budget of time and memory."""

    def test_the_child_returns_the_images_and_the_refusal(self) -> None:
        files = conversion.fit(encoded(quarters((1100, 900)), "JPEG")).files

        assert [file.image.width for file in files] == [1024, 1100]
        assert corners(opened(files[0].body)) == COLORS
        with pytest.raises(UnusableImage, match="is not a complete image"):
            conversion.fit(encoded(quarters())[:-30])

    def test_a_conversion_that_takes_too_long_is_killed_and_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "INPUT_SECONDS_MAX", 0.2)
        monkeypatch.setattr(conversion, "convert", lambda *_: time.sleep(20))
        started = time.monotonic()

        with pytest.raises(UnusableImage, match=r"takes more than 0\.2 seconds"):
            conversion.fit(encoded(quarters()))

        assert time.monotonic() - started < 20

    def test_a_conversion_that_needs_too_much_memory_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "INPUT_MEMORY_BYTES_MAX", 5_000_000)
        # More pixels than the memory that earlier tests have freed in this process.
        large = encoded(Image.new("RGB", (6_000, 6_000)))

        with pytest.raises(UnusableImage):
            conversion.fit(large)
        with_setting(monkeypatch, "INPUT_MEMORY_BYTES_MAX", 500_000_000)
        assert conversion.fit(large)

    def test_a_decoder_that_crashes_refuses_the_file_and_is_logged(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(conversion, "convert", lambda *_: os.kill(os.getpid(), SIGKILL))

        with pytest.raises(UnusableImage, match="cannot be decoded"):
            conversion.fit(encoded(quarters()))

        (record,) = [vars(each) for each in caplog.records if "decoder crashed" in each.message]
        assert (record["levelname"], record["exit_code"]) == ("WARNING", "-9")

    def test_an_error_that_is_no_refusal_stays_an_error(self) -> None:
        def fails() -> None:
            raise LookupError("a fault of the code")

        with pytest.raises(LookupError, match="a fault of the code"):
            child_process.run(fails, seconds_max=30, memory_bytes_max=100_000_000)


class TestDamagedMetadata:
    """Metadata that cannot be read never refuses an image: the image counts as upright."""

    def test_damaged_exif_data_is_ignored(self, subtests: pytest.Subtests) -> None:
        exif = Image.Exif()
        exif[0x010F] = "a camera"
        whole = exif.tobytes()
        header = whole[6:10]
        for file_format in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF"):
            with subtests.test(file_format=file_format):
                body = encoded(quarters(), file_format, exif=whole).replace(header, b"Lore")
                if file_format == "PNG":
                    body = encoded(quarters(), exif=b"Exif\0\0LoremIpsum")

                assert corners(opened(fit(body)[1])) == COLORS

    def test_damaged_text_of_a_png_is_ignored(self, subtests: pytest.Subtests) -> None:
        rows = png_chunk(b"IDAT", zlib.compress((b"\0" + bytes((200, 100, 50)) * 10) * 10))
        long = b"Comment\0\0" + zlib.compress(bytes(2_000_000))
        for chunk in (
            png_chunk(b"zTXt", long),
            png_chunk(b"iCCP", long),
            png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + long[9:]),
            png_chunk(b"tEXt", b"Comment\0at home")[:-4] + b"none",
            png_chunk(b"eXIf", b"MM")[:-4] + b"none",
            png_chunk(b"zTXt", long) + png_chunk(b"iCCP", b"name\0\0no deflate"),
            png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n4\nzzzz")),
        ):
            with subtests.test(chunk=chunk[4:20]):
                pixel: Any = opened(fit(png(10, 10, chunk, rows))[1]).getpixel((5, 5))

                assert max(abs(a - b) for a, b in zip(pixel, (200, 100, 50), strict=True)) < 5

    def test_the_orientation_stays_if_another_text_is_damaged(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 3
        whole = encoded(quarters().transpose(Image.Transpose.ROTATE_180), exif=exif)
        damaged = png_chunk(b"tEXt", b"Comment\0at home")[:-4] + b"none"

        assert corners(opened(fit(whole[:33] + damaged + whole[33:])[1])) == COLORS

    def test_warnings_of_the_decoder_are_in_the_json_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        exif = Image.Exif()
        exif[0x010F] = "a camera"
        body = encoded(quarters(), "JPEG", exif=exif.tobytes()[:-9])

        files = conversion.fit(body).files

        assert len(files) == 1
        (record,) = [vars(each) for each in caplog.records if "damaged" in each.message]
        assert record["warnings"] == ("Truncated File Read",)
