"""An uploaded image is converted for the models: format, size, colours and metadata."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from darkroom.domain.uploads import FittedImage, UnusableImage
from darkroom.media.input_images import fit
from tests.aws import forget_settings
from tests.integration.steps import with_setting

RED, GREEN, BLUE, WHITE = (220, 30, 20), (20, 200, 40), (30, 40, 210), (250, 250, 250)
# https://exiftool.org/TagNames/EXIF.html
ORIENTATION_TAG = 0x0112
INVERSE_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    """Read the settings again for each test."""
    forget_settings()
    yield
    forget_settings()


def quarters(size: tuple[int, int] = (64, 48), mode: str = "RGB") -> Image.Image:
    """Return an image with four colours, which show its orientation: red, green, blue, white."""
    image = Image.new("RGB", size)
    width, height = size[0] // 2, size[1] // 2
    for colour, place in zip(
        (RED, GREEN, BLUE, WHITE), ((0, 0), (width, 0), (0, height), (width, height)), strict=True
    ):
        image.paste(colour, (*place, place[0] + width, place[1] + height))
    return image.convert(mode)


def encoded(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def opened(body: bytes) -> Image.Image:
    image = Image.open(BytesIO(body))
    image.load()
    return image


def corners(image: Image.Image) -> list[str]:
    """Return the names of the colours in the corners. A JPEG may change them slightly."""
    names = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    plain = image.convert("RGB")
    width, height = plain.size
    places = ((2, 2), (width - 3, 2), (2, height - 3), (width - 3, height - 3))

    def nearest(pixel: Any) -> str:
        return min(
            names,
            key=lambda name: sum((a - b) ** 2 for a, b in zip(names[name], pixel, strict=True)),
        )

    return [nearest(plain.getpixel(place)) for place in places]


class TestConversion:
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF"])
    def test_converts_each_format_to_a_jpeg_of_the_same_image(self, file_format: str) -> None:
        image, body = fit(encoded(quarters(), file_format))

        assert image == FittedImage("image/jpeg", 64, 48)
        assert opened(body).format == "JPEG"
        assert corners(opened(body)) == ["red", "green", "blue", "white"]

    def test_writes_jpeg_with_quality_85(self) -> None:
        _, body = fit(encoded(quarters()))

        quality_85: Any = opened(encoded(quarters(), "JPEG", quality=85))
        fitted: Any = opened(body)

        assert fitted.quantization == quality_85.quantization

    def test_turns_every_orientation_upright(self, subtests: pytest.Subtests) -> None:
        for orientation in range(1, 9):
            with subtests.test(orientation=orientation):
                stored = quarters()
                if orientation in INVERSE_TRANSPOSITIONS:
                    stored = stored.transpose(INVERSE_TRANSPOSITIONS[orientation])
                exif = Image.Exif()
                exif[ORIENTATION_TAG] = orientation

                image, body = fit(encoded(stored, "JPEG", exif=exif, quality=95))

                assert (image.width, image.height) == (64, 48)
                assert corners(opened(body)) == ["red", "green", "blue", "white"]
                assert not opened(body).getexif()

    def test_reduces_an_image_to_1024_pixels_and_never_enlarges_it(
        self, subtests: pytest.Subtests
    ) -> None:
        for size, expected in (
            ((1024, 1024), (1024, 1024)),
            ((1025, 1024), (1024, 1023)),
            ((2048, 1024), (1024, 512)),
            ((600, 3000), (205, 1024)),
            ((10, 10), (10, 10)),
            ((1, 1), (1, 1)),
            ((20_000, 2), (1024, 1)),
        ):
            with subtests.test(size=size):
                image, body = fit(encoded(Image.new("RGB", size, RED)))

                assert (image.width, image.height) == expected == opened(body).size

    def test_reduces_a_large_jpeg(self) -> None:
        image, body = fit(encoded(quarters((4000, 3000)), "JPEG"))

        assert (image.width, image.height) == (1024, 768)
        assert corners(opened(body)) == ["red", "green", "blue", "white"]

    def test_uses_the_first_of_several_frames(self) -> None:
        frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]

        for file_format in ("GIF", "WEBP"):
            _, body = fit(encoded(frames[0], file_format, save_all=True, append_images=frames[1:]))
            assert corners(opened(body)) == ["red"] * 4

    @pytest.mark.parametrize("mode", ["CMYK", "P", "YCbCr"])
    def test_reads_every_colour_mode(self, mode: str) -> None:
        file = encoded(quarters(mode=mode), "PNG" if mode == "P" else "JPEG")

        assert corners(opened(fit(file)[1])) == ["red", "green", "blue", "white"]

    def test_converts_the_colours_of_another_profile(self) -> None:
        """The profile exchanges the primaries of red and green. A red pixel then means green."""
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        exchanged = (
            srgb.replace(b"rXYZ", b"....").replace(b"gXYZ", b"rXYZ").replace(b"....", b"gXYZ")
        )

        for file in (
            encoded(quarters(), "JPEG", icc_profile=exchanged),
            encoded(quarters(mode="RGBA"), "PNG", icc_profile=exchanged),
        ):
            assert corners(opened(fit(file)[1]))[:2] == ["green", "red"]

    def test_ignores_unusable_colour_profiles(self) -> None:
        xyz = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

        for icc_profile in (srgb, xyz, b"no profile at all"):
            _, body = fit(encoded(quarters(), "JPEG", icc_profile=icc_profile))
            assert corners(opened(body)) == ["red", "green", "blue", "white"]
            assert "icc_profile" not in opened(body).info


class TestMetadata:
    def test_removes_all_metadata(self) -> None:
        exif = Image.Exif()
        exif[0x010F] = "a camera of mine"
        exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "written at home")
        text.add_itxt("XML:com.adobe.xmp", "<x>written at home</x>")
        with_alpha = quarters(mode="RGBA")
        with_alpha.putalpha(128)
        files = [
            encoded(
                quarters(),
                "JPEG",
                exif=exif,
                comment=b"written at home",
                xmp=b"<x>written at home</x>",
            ),
            encoded(quarters(), "PNG", exif=exif, pnginfo=text, dpi=(72, 72)),
            encoded(with_alpha, "PNG", exif=exif, pnginfo=text),
            encoded(Image.new("L", (8, 8), 255), "PNG", exif=exif, pnginfo=text),
            encoded(quarters(), "WEBP", exif=exif, xmp=b"<x>written at home</x>"),
            encoded(quarters(), "GIF", comment=b"written at home"),
        ]
        for file in files:
            _, body = fit(file)
            assert b"at home" not in body
            assert b"camera" not in body
            assert not opened(body).getexif()
            assert not opened(body).info.keys() - {
                "jfif",
                "jfif_version",
                "jfif_unit",
                "jfif_density",
            }


class TestTransparency:
    def test_keeps_transparent_pixels_in_a_png(self) -> None:
        cut_out = quarters(mode="RGBA")
        cut_out.putpixel((5, 5), (0, 0, 0, 0))

        image, body = fit(encoded(cut_out))

        assert image.content_type == "image/png"
        assert opened(body).tobytes() == cut_out.tobytes()

    def test_removes_an_opaque_alpha_channel(self) -> None:
        assert fit(encoded(quarters(mode="RGBA")))[0].content_type == "image/jpeg"

    def test_keeps_the_transparent_colour_of_a_palette(self) -> None:
        palette = quarters(mode="P")

        image, body = fit(encoded(palette, "PNG", transparency=palette.getpixel((0, 0))))

        assert image.content_type == "image/png"
        assert opened(body).getpixel((0, 0))[3] == 0  # type: ignore[index]
        assert opened(body).getpixel((60, 40))[3] == 255  # type: ignore[index]

    @pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
    def test_keeps_a_mask_lossless_in_black_and_white(self, mode: str) -> None:
        mask = Image.new("L", (300, 200))
        mask.paste(255, (40, 30, 200, 150))

        image, body = fit(encoded(mask.convert(mode)))

        assert image == FittedImage("image/png", 300, 200)
        assert (opened(body).mode, opened(body).tobytes()) == ("L", mask.tobytes())

    def test_reduces_a_large_mask_without_greys(self) -> None:
        mask = Image.new("1", (3000, 3000))
        mask.paste(1, (100, 100, 1777, 2111))

        image, body = fit(encoded(mask))

        assert image == FittedImage("image/png", 1024, 1024)
        colors: Any = opened(body).getcolors()
        assert sorted(color for _, color in colors) == [0, 255]

    def test_keeps_the_greys_of_sixteen_bits(self) -> None:
        deep = Image.new("I;16", (4, 4), 0x8000)

        _, body = fit(encoded(deep))

        assert opened(body).getpixel((0, 0)) == 0x80

    def test_converts_a_grey_photo_to_a_jpeg(self) -> None:
        assert fit(encoded(quarters(mode="L"), "JPEG"))[0].content_type == "image/jpeg"


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + b"".join(chunks)
        + png_chunk(b"IEND", b"")
    )


NO_IMAGES = [
    b"",
    b"a text file called image.jpg",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    b"%PDF-1.7",
    b"GIF89a",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    png(0, 10, png_chunk(b"IDAT", zlib.compress(b""))),
    png(10, 10),
    png(10, 10, png_chunk(b"IDAT", b"no deflate")),
]


class TestRefusal:
    def test_refuses_files_that_are_no_complete_image(self, subtests: pytest.Subtests) -> None:
        for body in NO_IMAGES:
            with (
                subtests.test(body=body[:20]),
                pytest.raises(UnusableImage, match="not a complete"),
            ):
                fit(body)

    def test_refuses_other_image_formats(self, subtests: pytest.Subtests) -> None:
        for file_format in ("BMP", "TIFF", "ICO", "PPM", "TGA"):
            with subtests.test(file_format=file_format), pytest.raises(UnusableImage):
                fit(encoded(quarters(), file_format))

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF"])
    def test_refuses_truncated_files(self, file_format: str, subtests: pytest.Subtests) -> None:
        noise = Image.effect_noise((200, 200), 90).convert("RGB")
        complete = encoded(noise, file_format)

        for share in (0.1, 0.5, 0.9):
            with subtests.test(share=share), pytest.raises(UnusableImage):
                fit(complete[: int(len(complete) * share)])

    def test_refuses_images_with_too_many_pixels(self, subtests: pytest.Subtests) -> None:
        pixels = png_chunk(b"IDAT", zlib.compress(bytes(1000)))

        for width, height in (
            (100_000, 100_000),
            (2**31 - 1, 2**31 - 1),
            (60_000, 60_000),
            (8_000, 5_001),
        ):
            with subtests.test(width=width, height=height), pytest.raises(UnusableImage):
                fit(png(width, height, pixels))

    def test_accepts_the_maximum_of_pixels_and_refuses_one_row_more(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "IMAGE_PIXELS_MAX", 100)

        assert fit(encoded(Image.new("RGB", (10, 10))))[0].width == 10
        with pytest.raises(UnusableImage, match=r"11 × 10 pixels\. The maximum is 100"):
            fit(encoded(Image.new("RGB", (11, 10))))

    def test_refuses_a_text_chunk_that_decompresses_to_100_megabytes(self) -> None:
        text = b"Comment\x00\x00" + zlib.compress(bytes(100_000_000))

        with pytest.raises(UnusableImage):
            fit(
                png(10, 10, png_chunk(b"zTXt", text), png_chunk(b"IDAT", zlib.compress(bytes(310))))
            )
