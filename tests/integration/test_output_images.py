"""Headers and whole decodings of image outputs: types, sizes, colors, orientations."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from tempfile import SpooledTemporaryFile
from types import SimpleNamespace
from typing import IO, Any

import pytest
import pyvips
from PIL import Image

from darkroom.domain.file_types import HEAD_BYTES, identify
from darkroom.domain.outputs import DecodeBudgetExceeded, OutputFile
from darkroom.media.outputs import images
from tests.aws import forget_settings
from tests.integration.image_files import (
    QUADRANTS,
    animated,
    encoded,
    jpeg_with,
    oriented,
    photo,
    png_with,
    quadrants,
)
from tests.integration.steps import with_setting

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
MOVING = ("GIF", "WEBP")
FAST: dict[str, dict[str, int]] = {"WEBP": {"method": 0}, "AVIF": {"speed": 10}}
"""Options of Pillow's encoders, by format."""


def header(data: bytes) -> OutputFile:
    return images.read_header(BytesIO(data), identify(data[:HEAD_BYTES]))


def decoded(data: bytes, *, seconds: float = 60) -> tuple[OutputFile, Image.Image]:
    """Decode a file. Returns its description, and the image as one of Pillow."""
    file_type = identify(data[:HEAD_BYTES])
    found, image = images.decode(BytesIO(data), file_type, give_up_at=time.monotonic() + seconds)
    assert (image.interpretation, image.format) == ("srgb", "uchar")
    mode = {3: "RGB", 4: "RGBA"}[image.bands]
    return found, Image.frombytes(mode, (image.width, image.height), image.write_to_memory())


def color(data: bytes) -> tuple[int, ...]:
    """Decode an image of one color. Returns the color in its middle."""
    _, image = decoded(data)
    pixel = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(pixel, tuple)
    return pixel


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (300, 200), (30, 900)])
def test_the_header_and_the_whole_file_say_the_same(
    file_format: str, size: tuple[int, int]
) -> None:
    data = encoded(photo(*size), file_format)

    found, image = decoded(data)

    assert header(data) == found
    assert (found.width, found.height) == image.size == size
    assert found.content_type == f"image/{file_format.lower()}"
    assert (found.frames, found.seconds) == (None, None)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_large_image_is_scaled_down_and_keeps_its_colors(file_format: str) -> None:
    large = quadrants(4_096, 800)

    found, image = decoded(encoded(large, file_format, **FAST.get(file_format, {})))

    assert (found.width, found.height) == (4_096, 800)
    assert image.size == (2_048, 400)
    assert distance(image, large.resize(image.size)) < 1


def distance(first: Image.Image, second: Image.Image) -> float:
    """Return the mean difference of two images, in levels of 255."""
    pairs = list(zip(first.convert("RGB").tobytes(), second.tobytes(), strict=True))
    return sum(abs(one - other) for one, other in pairs) / len(pairs)


@pytest.mark.parametrize(
    ("size", "decoded_size"),
    [
        ((4_095, 3_000), (4_095, 3_000)),
        ((4_096, 3_000), (2_048, 1_500)),
        ((6_145, 2_000), (2_049, 667)),
        ((9_000, 799), (9_000, 799)),
        ((9_000, 800), (4_500, 400)),
        ((16_385, 20), (8_193, 10)),
    ],
)
def test_a_decoded_image_is_at_least_twice_as_large_as_its_variants(
    size: tuple[int, int], decoded_size: tuple[int, int]
) -> None:
    found, image = decoded(encoded(Image.new("L", size), "PNG", compress_level=1))

    assert ((found.width, found.height), image.size) == (size, decoded_size)


def test_the_colors_of_transparent_pixels_do_not_leak_into_their_neighbors() -> None:
    stripes = Image.new("RGBA", (4_096, 800), (255, 0, 0, 0))
    stripes.paste(Image.new("RGBA", (4_096, 401), (0, 0, 255, 255)), (0, 399))

    _, image = decoded(encoded(stripes, "PNG", compress_level=1))

    assert image.size == (2_048, 400)
    half = image.getpixel((1_000, 199))
    assert isinstance(half, tuple)
    assert near(half, (0, 0, 255, 127), 1)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_upright_in_every_orientation(file_format: str, orientation: int) -> None:
    found, image = decoded(oriented(orientation, file_format))

    assert (found.width, found.height) == image.size == (80, 40)
    for number, name in enumerate(QUADRANTS):
        middle = image.getpixel((20 + number % 2 * 40, 10 + number // 2 * 20))
        expected = Image.new("RGB", (1, 1), name).getpixel((0, 0))
        assert isinstance(middle, tuple)
        assert isinstance(expected, tuple)
        assert all(abs(one - other) < 12 for one, other in zip(middle, expected, strict=True))


def test_a_large_image_that_lies_on_its_side_is_upright() -> None:
    exif = Image.Exif()
    exif[274] = 6
    lying = quadrants(4_200, 1_000)

    for file_format in ("JPEG", "PNG", "WEBP"):
        found, image = decoded(encoded(lying, file_format, exif=exif, **FAST.get(file_format, {})))

        assert ((found.width, found.height), image.size) == ((1_000, 4_200), (500, 2_100))
        # Orientation 6 turns clockwise: the bottom left becomes the top left.
        assert color_at(image, 0.1, 0.1) == "blue"


def color_at(image: Image.Image, x: float, y: float) -> str:
    pixel = image.getpixel((int(image.width * x), int(image.height * y)))
    return min(QUADRANTS, key=lambda name: distance(Image.new("RGB", (1, 1), pixel), one(name)))


def one(name: str) -> Image.Image:
    return Image.new("RGB", (1, 1), name)


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_means_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation

    found, _ = decoded(encoded(photo(60, 30), "JPEG", exif=exif))

    assert (found.width, found.height) == (60, 30)


def near(found: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 2) -> bool:
    return len(found) == len(expected) and all(
        abs(one - other) <= tolerance for one, other in zip(found, expected, strict=True)
    )


def test_grey_with_16_bits_keeps_its_brightness() -> None:
    """A value of 16 bits is no value of 8 bits that is cut off at white."""
    levels = {level: color(encoded(Image.new("I;16", (64, 64), level), "PNG")) for level in LEVELS}

    assert levels == {level: (level >> 8,) * 3 for level in LEVELS}


LEVELS = (0, 0x0100, 0x4000, 0x8000, 0xFFFF)


def test_a_cmyk_image_is_converted_by_a_profile_of_printers() -> None:
    """The expected values are those of sharp 0.35 for the same file."""
    assert near(color(encoded(Image.new("CMYK", (64, 64), (0, 128, 128, 20)), "JPEG")), CMYK_RED)


CMYK_RED = (225, 127, 104)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_a_display_p3_image_is_converted_to_srgb(file_format: str) -> None:
    """Red of sRGB is (234, 51, 35) in Display P3."""
    profile = pyvips.Operation.call("profile_load", "p3")
    in_p3 = encoded(Image.new("RGB", (64, 64), (234, 51, 35)), file_format, icc_profile=profile)
    without = encoded(Image.new("RGB", (64, 64), (234, 51, 35)), file_format)

    assert near(color(in_p3), (255, 0, 0), 6)
    assert near(color(without), (234, 51, 35), 6)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("RGBA", (255, 0, 0, 0), (255, 0, 0, 0)),
        ("RGBA", (0, 128, 255, 100), (0, 128, 255, 100)),
        ("LA", (100, 128), (100, 100, 100, 128)),
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("P", 0, (0, 0, 0)),
    ],
)
def test_every_mode_of_png_becomes_rgb_with_its_alpha(
    mode: str, value: tuple[int, ...] | int, expected: tuple[int, ...]
) -> None:
    assert color(encoded(Image.new(mode, (64, 64), value), "PNG")) == expected


def test_a_palette_keeps_its_colors_and_its_transparent_entry() -> None:
    image = Image.new("P", (64, 64), 1)
    image.putpalette([255, 0, 0, 10, 200, 30])

    assert color(encoded(image, "PNG")) == (10, 200, 30)
    assert color(encoded(image, "GIF")) == (10, 200, 30)
    assert color(encoded(image, "PNG", transparency=1)) == (10, 200, 30, 0)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(photo(), "PNG", exif=b"Exif\0\0LoremIpsum"), id="exif-png"),
        pytest.param(encoded(photo(), "JPEG", exif=b"Exif\0\0LoremIpsum"), id="exif-jpeg"),
        pytest.param(encoded(photo(), "WEBP", exif=b"Exif\0\0LoremIpsum"), id="exif-webp"),
        pytest.param(encoded(photo(), "JPEG", icc_profile=b"no profile" * 20), id="icc-jpeg"),
        pytest.param(encoded(photo(), "WEBP", icc_profile=b"no profile" * 20), id="icc-webp"),
        pytest.param(png_with(b"iCCP", b"x\0\0no profile"), id="icc-png"),
        pytest.param(png_with(b"zTXt", b"k\0\0no deflate"), id="text-png"),
        pytest.param(png_with(b"tEXt", b"k\0text", crc=1), id="checksum-of-a-text"),
        pytest.param(png_with(b"gAMA", b"\0\0\0\0"), id="gamma"),
        pytest.param(png_with(b"caBX", b"\0" * 100), id="unknown-chunk"),
        pytest.param(jpeg_with(b"\xff\xee\0\x0eAdobe\0d\0\0\0\0\5"), id="adobe-marker"),
        pytest.param(jpeg_with(b"\0\0\0"), id="bytes-between-segments"),
    ],
)
def test_bad_metadata_never_refuses_an_image(data: bytes) -> None:
    found, image = decoded(data)

    assert (found.width, found.height) == image.size == (320, 240)
    assert distance(image, photo()) < 16


def test_a_jpeg_of_several_images_is_a_jpeg_of_its_first_one() -> None:
    second = Image.new("RGB", (640, 480), "red")
    data = encoded(photo(), "MPO", save_all=True, append_images=[second])

    found, image = decoded(data)

    assert found == OutputFile("image/jpeg", "jpg", 320, 240)
    assert distance(image, photo()) < 16


@pytest.mark.parametrize("file_format", MOVING)
def test_an_animation_has_its_frames_and_seconds(file_format: str) -> None:
    data = animated(file_format, [100, 250, 300])

    found, image = decoded(data)

    assert (found.frames, found.seconds) == (3, 0.65)
    assert header(data) == found
    assert image.size == (120, 80)
    assert distance(image, photo(120, 80, seed=0)) < 30


def test_the_file_is_at_its_start_afterwards() -> None:
    data = encoded(photo(), "PNG")
    with SpooledTemporaryFile(max_size=1 << 20) as spooled:
        spooled.write(data)
        files: list[IO[bytes]] = [BytesIO(data), spooled]
        for file in files:
            found, image = images.decode(file, identify(data), give_up_at=time.monotonic() + 60)

            assert (found.width, image.width, file.tell()) == (320, 320, 0)


@pytest.fixture
def own_settings() -> Iterator[None]:
    yield
    forget_settings()


@pytest.mark.usefixtures("own_settings")
@pytest.mark.parametrize("file_format", FORMATS)
def test_an_image_with_more_pixels_than_allowed_is_not_decoded(
    monkeypatch: pytest.MonkeyPatch, file_format: str
) -> None:
    data = encoded(photo(100, 60), file_format)

    with_setting(monkeypatch, "OUTPUT_PIXELS_MAX", 6_000)
    assert decoded(data)[0].width == 100
    with_setting(monkeypatch, "OUTPUT_PIXELS_MAX", 5_999)
    with pytest.raises(DecodeBudgetExceeded, match="100 × 60 pixels"):
        decoded(data)


def test_an_image_that_its_decoder_holds_has_a_smaller_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for data in (encoded(photo(120, 80), "AVIF"), *(animated(name, [9] * 2) for name in MOVING)):
        monkeypatch.setattr(images, "_HELD_PIXELS_MAX", 9_600)
        assert decoded(data)[0].width == 120
        monkeypatch.setattr(images, "_HELD_PIXELS_MAX", 9_599)
        with pytest.raises(DecodeBudgetExceeded):
            decoded(data)
    assert decoded(encoded(photo(120, 81), "PNG"))[0].width == 120


FILES = {
    **{name: encoded(photo(), name) for name in FORMATS},
    "interlaced": encoded(photo(), "PNG", interlace=1),
    "progressive": encoded(photo(), "JPEG", progressive=True),
    "animated GIF": animated("GIF", [100] * 4),
    "animated WEBP": animated("WEBP", [100] * 4),
}


@pytest.mark.parametrize("name", FILES)
def test_a_decoding_after_its_time_is_no_fault_of_the_file(name: str) -> None:
    data = FILES[name]

    with pytest.raises(DecodeBudgetExceeded, match="time"):
        images.decode(BytesIO(data), identify(data[:HEAD_BYTES]), give_up_at=time.monotonic())


@pytest.mark.parametrize("name", ["WEBP", "animated GIF"])
def test_a_decoding_that_ends_after_its_time_is_too_late(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Some decoders cannot be ended early."""
    now, decode_first_frame, data = [0], images._decode_strictly, FILES[name]

    def decode_slowly(*arguments: Any) -> Any:
        image = decode_first_frame(*arguments)
        now[0] = 9
        return image

    monkeypatch.setattr(images, "_decode_strictly", decode_slowly)
    monkeypatch.setattr(images, "time", SimpleNamespace(monotonic=lambda: now[0]))

    assert images.decode(BytesIO(data), identify(data[:HEAD_BYTES]), give_up_at=10)
    now[0] = 0
    with pytest.raises(DecodeBudgetExceeded, match="time"):
        images.decode(BytesIO(data), identify(data[:HEAD_BYTES]), give_up_at=9)


def test_a_long_decoding_is_ended_early() -> None:
    """The image has 200 megapixels, which would take seconds."""
    image = pyvips.Image.gaussnoise(10_000, 20_000)
    images._Deadline(0).watch(image)

    with pytest.raises(pyvips.Error, match="killed"):
        image.avg()


@pytest.mark.parametrize("name", ["interlaced", "progressive"])
def test_a_file_is_read_until_its_time_is_over(name: str) -> None:
    """libvips reads these files to their end before it reports progress."""
    loader = images._LOADERS[identify(FILES[name][:HEAD_BYTES])]
    # The source must live until the pixels are decoded.
    in_time = images._Deadline(time.monotonic() + 60).source(BytesIO(FILES[name]))
    late = images._Deadline(0).source(BytesIO(FILES[name]))

    assert loader(in_time).avg() > 0
    with pytest.raises(pyvips.Error):
        loader(late).avg()
