"""An uploaded image is converted for the models: format, sizes, colours and metadata."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from darkroom.domain.uploads import FittedImage, size_within
from tests.aws import forget_settings
from tests.integration.input_files import (
    BLUE,
    COLORS,
    FORMATS,
    GREEN,
    ORIENTATION_TAG,
    RED,
    convert,
    corners,
    encoded,
    fit,
    opened,
    png,
    png_chunk,
    quarters,
)
from tests.integration.steps import with_setting

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


class TestConversion:
    @pytest.mark.parametrize("file_format", FORMATS)
    def test_converts_each_format_to_a_jpeg_of_the_same_image(self, file_format: str) -> None:
        image, body = fit(encoded(quarters(), file_format))

        assert image == FittedImage("image/jpeg", 64, 48, len(body))
        assert opened(body).format == "JPEG"
        assert corners(opened(body)) == COLORS

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
                assert corners(opened(body)) == COLORS
                assert not opened(body).getexif()

    @pytest.mark.parametrize("file_format", ["PNG", "WEBP", "AVIF", "HEIF"])
    def test_turns_each_format_upright(self, file_format: str) -> None:
        exif = Image.Exif()
        exif[ORIENTATION_TAG] = 6
        stored = quarters().transpose(INVERSE_TRANSPOSITIONS[6])

        conversion = convert(encoded(stored, file_format, exif=exif.tobytes()))

        image, body = conversion.files[0].image, conversion.files[0].body
        assert conversion.original_size == (64, 48)
        assert (image.width, image.height) == (64, 48)
        assert corners(opened(body)) == COLORS

    @pytest.mark.parametrize("key", ["xmp", "XML:com.adobe.xmp"])
    def test_ignores_an_orientation_outside_the_exif_data(self, key: str) -> None:
        # Browsers show the image without it, so the user has never seen the image turned.
        xmp = '<rdf:Description tiff:Orientation="6" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"/>'
        text = PngImagePlugin.PngInfo()
        text.add_itxt(key, xmp)
        body = (
            encoded(quarters(), "WEBP", xmp=xmp.encode())
            if key == "xmp"
            else encoded(quarters(), pnginfo=text)
        )
        assert opened(body).getexif()[ORIENTATION_TAG] == 6

        assert corners(opened(fit(body)[1])) == COLORS

    def test_uses_the_main_image_of_a_camera_with_several_images(self) -> None:
        depth = Image.new("RGB", (64, 48), BLUE)
        body = encoded(quarters(), "MPO", save_all=True, append_images=[depth])

        assert opened(body).format == "MPO"
        assert corners(opened(fit(body)[1])) == COLORS

    def test_uses_the_first_of_several_frames(self) -> None:
        frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]

        for file_format in ("GIF", "PNG", "WEBP", "AVIF"):
            _, body = fit(encoded(frames[0], file_format, save_all=True, append_images=frames[1:]))
            assert corners(opened(body)) == ["red"] * 4

    @pytest.mark.parametrize("mode", ["CMYK", "P", "YCbCr"])
    def test_reads_every_colour_mode(self, mode: str) -> None:
        file = encoded(quarters(mode=mode), "PNG" if mode == "P" else "JPEG")

        assert corners(opened(fit(file)[1])) == COLORS

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
            assert corners(opened(body)) == COLORS
            assert "icc_profile" not in opened(body).info


class TestSizes:
    def test_the_images_have_at_most_1024_1448_and_2048_pixels_and_are_never_enlarged(
        self, subtests: pytest.Subtests
    ) -> None:
        for size, expected in (
            ((1, 1), [(1, 1)]),
            ((1024, 1024), [(1024, 1024)]),
            ((1025, 1024), [(1024, 1023), (1025, 1024)]),
            ((1448, 1024), [(1024, 724), (1448, 1024)]),
            ((1449, 1024), [(1024, 724), (1448, 1023), (1449, 1024)]),
            ((2048, 1024), [(1024, 512), (1448, 724), (2048, 1024)]),
            ((2049, 1024), [(1024, 512), (1448, 724), (2048, 1024)]),
            ((600, 3000), [(205, 1024), (290, 1448), (410, 2048)]),
            ((20_000, 2), [(1024, 1), (1448, 1), (2048, 1)]),
        ):
            with subtests.test(size=size):
                files = convert(encoded(Image.new("RGB", size, RED))).files

                assert [(file.image.width, file.image.height) for file in files] == expected
                assert [opened(file.body).size for file in files] == expected

    def test_the_larger_images_have_more_quality_and_their_colours_in_full_size(self) -> None:
        small, *larger = (
            opened(file.body) for file in convert(encoded(quarters((1600, 1200)))).files
        )

        for image, quality, sampling in (
            (small, 85, (2, 2)),
            *((each, 92, (1, 1)) for each in larger),
        ):
            reference: Any = opened(encoded(quarters(), "JPEG", quality=quality))
            fitted: Any = image
            assert fitted.quantization == reference.quantization
            assert fitted.layer[0][1:3] == sampling
            assert corners(image) == COLORS

    def test_each_image_knows_its_bytes(self) -> None:
        for file in convert(encoded(quarters((1600, 1200)))).files:
            assert file.image.bytes == len(file.body)

    def test_a_photo_and_its_mask_of_equal_size_stay_equal(
        self, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
    ) -> None:
        """The photo is decoded at half of its size, whose rounding must not matter."""
        for size in ((1163, 973), (1283, 1057)):
            with subtests.test(size=size):
                with_setting(monkeypatch, "IMAGE_PIXELS_MAX", 40_000_000)
                mask = convert(encoded(Image.new("1", size)))
                exif = Image.Exif()
                exif[ORIENTATION_TAG] = 6
                turned = quarters(size[::-1])
                with_setting(monkeypatch, "IMAGE_PIXELS_MAX", 500_000)
                photo = convert(encoded(quarters(size), "JPEG"))
                upright = convert(encoded(turned, "JPEG", exif=exif))

                sizes = [(file.image.width, file.image.height) for file in mask.files]
                assert len(sizes) == 2
                for files in (photo.files, upright.files):
                    assert [(file.image.width, file.image.height) for file in files] == sizes

    def test_the_size_is_the_nearest_of_the_same_shape(self) -> None:
        assert size_within(5815, 4864, 1024) == (1024, 857)
        assert size_within(4864, 5815, 1024) == (857, 1024)
        assert size_within(3, 4000, 1024) == (1, 1024)


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

        assert image == FittedImage("image/png", 300, 200, len(body))
        assert (opened(body).mode, opened(body).tobytes()) == ("L", mask.tobytes())

    def test_reduces_a_large_mask_without_greys(self) -> None:
        mask = Image.new("1", (3000, 3000))
        mask.paste(1, (100, 100, 1777, 2111))

        image, body = fit(encoded(mask))

        assert image == FittedImage("image/png", 1024, 1024, len(body))
        colors: Any = opened(body).getcolors()
        assert sorted(color for _, color in colors) == [0, 255]

    def test_keeps_a_lossless_webp_mask_and_makes_a_lossy_one_a_jpeg(self) -> None:
        mask = Image.new("L", (300, 200))
        mask.paste(255, (40, 30, 200, 150))
        frames = [mask.convert("RGB"), Image.new("RGB", (300, 200))]

        for lossless in (
            encoded(mask.convert("RGB"), "WEBP", lossless=True),
            encoded(mask.convert("RGB"), "WEBP", lossless=True, exif=b"Exif\0\0"),
            encoded(frames[0], "WEBP", lossless=True, save_all=True, append_images=frames[1:]),
        ):
            assert opened(fit(lossless)[1]).tobytes() == mask.tobytes()
        lossy = encoded(mask.convert("RGB"), "WEBP", quality=50)
        assert fit(lossy)[0].content_type == "image/jpeg"

    def test_keeps_the_transparent_value_of_sixteen_bits(self) -> None:
        gray = png(
            2,
            1,
            png_chunk(b"tRNS", b"\x80\x00"),
            png_chunk(b"IDAT", zlib.compress(b"\0\x80\x00\x40\x00")),
            bits=16,
            color_type=0,
        )

        image = opened(fit(gray)[1])

        assert [image.getpixel((x, 0)) for x in (0, 1)] == [(128, 128, 128, 0), (64, 64, 64, 255)]

    def test_keeps_the_greys_of_sixteen_bits(self) -> None:
        deep = Image.new("I;16", (4, 4), 0x8000)

        _, body = fit(encoded(deep))

        assert opened(body).getpixel((0, 0)) == 0x80

    def test_converts_a_grey_photo_to_a_jpeg(self) -> None:
        assert fit(encoded(quarters(mode="L"), "JPEG"))[0].content_type == "image/jpeg"
