"""Thumbnails, previews and placeholders of a decoded image."""

from __future__ import annotations

import base64
from io import BytesIO

import pytest
import pyvips
from PIL import Image

from darkroom.domain.outputs import Variants
from darkroom.media.outputs.variants import make_variants
from tests.integration.image_files import photo, quadrants

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r/></x:xmpmeta>'


def variants_of(image: Image.Image) -> Variants:
    data = image.tobytes()
    bands = len(image.getbands())
    decoded = pyvips.Image.new_from_memory(data, image.width, image.height, bands, "uchar")
    return make_variants(decoded.copy(interpretation="srgb"), xmp=XMP)


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def placeholder_of(variants: Variants) -> Image.Image:
    kind, _, data = variants.placeholder.partition(",")
    assert kind == "data:image/webp;base64"
    return opened(base64.b64decode(data))


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 30), (200, 200), (640, 480)])
def test_the_thumbnail_is_a_jpeg_of_200_by_200_pixels(size: tuple[int, int]) -> None:
    thumbnail = opened(variants_of(photo(*size)).thumbnail)

    assert (thumbnail.format, thumbnail.size, thumbnail.mode) == ("JPEG", (200, 200), "RGB")


def test_the_thumbnail_shows_the_middle() -> None:
    wide = Image.new("RGB", (600, 200), "red")
    wide.paste(Image.new("RGB", (200, 200), "blue"), (200, 0))

    thumbnail = opened(variants_of(wide).thumbnail)

    colors = {thumbnail.getpixel(position) for position in ((5, 100), (100, 100), (194, 100))}
    assert all(blue > 240 and red < 12 for red, _, blue in colors)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("size", "previews"),
    [
        ((1, 1), [(1, 1)]),
        ((511, 100), [(511, 100)]),
        ((512, 512), [(512, 512)]),
        ((513, 100), [(512, 100), (513, 100)]),
        ((700, 500), [(512, 366), (700, 500)]),
        ((1_024, 768), [(512, 384), (1_024, 768)]),
        ((768, 1_024), [(384, 512), (768, 1_024)]),
        ((4_000, 200), [(512, 26), (1_024, 51)]),
    ],
)
def test_previews_fit_512_and_1024_and_are_never_enlarged(
    size: tuple[int, int], previews: list[tuple[int, int]]
) -> None:
    made = variants_of(photo(*size)).previews

    assert [(preview.width, preview.height) for preview in made] == previews
    for preview in made:
        image = opened(preview.body)
        assert (image.format, image.size) == ("WEBP", (preview.width, preview.height))


def test_previews_keep_transparency_and_the_others_are_on_white() -> None:
    variants = variants_of(Image.new("RGBA", (300, 200), (255, 0, 0, 0)))

    preview = opened(variants.previews[0].body)
    assert preview.mode == "RGBA"
    assert preview.getpixel((150, 100))[3] == 0  # type: ignore[index]
    assert opened(variants.thumbnail).getpixel((100, 100)) == (255, 255, 255)
    assert placeholder_of(variants).convert("RGB").getpixel((8, 5)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("size", "shape"),
    [((640, 480), (16, 12)), ((480, 640), (12, 16)), ((4_000, 30), (16, 1)), ((1, 1), (16, 16))],
)
def test_the_placeholder_has_the_shape_of_the_whole_image(
    size: tuple[int, int], shape: tuple[int, int]
) -> None:
    assert placeholder_of(variants_of(photo(*size))).size == shape


def test_the_placeholder_shows_the_whole_image_in_few_characters() -> None:
    variants = variants_of(quadrants(800, 400))

    image = placeholder_of(variants).convert("RGB")
    red, _, blue = image.getpixel((1, 6))  # type: ignore[misc]
    assert blue > red + 100
    assert len(variants.placeholder) < 300


def test_variants_have_the_xmp_and_no_other_metadata() -> None:
    data = photo().tobytes()
    image = pyvips.Image.new_from_memory(data, 320, 240, 3, "uchar").copy(interpretation="srgb")
    image.set_type(pyvips.GValue.blob_type, "exif-data", b"Exif\0\0secret")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", b"secret")
    image.set_type(pyvips.GValue.gstr_type, "png-comment-0-prompt", "secret")

    variants = make_variants(image, xmp=XMP)

    assert opened(variants.thumbnail).info.get("xmp") == XMP
    for preview in variants.previews:
        assert opened(preview.body).info.get("xmp") == XMP
        assert opened(preview.body).info.keys().isdisjoint({"exif", "icc_profile"})
    everything = [variants.thumbnail, *(preview.body for preview in variants.previews)]
    assert not any(b"secret" in body or b"Exif" in body for body in everything)
    assert XMP not in base64.b64decode(variants.placeholder.partition(",")[2])
