"""Decodes uploaded images: finds the type by the content, checks limits, and decodes pixels."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import IO

# Pillow reads EXIF data by TiffImagePlugin. It is loaded here, and not in each child process.
from PIL import Image, ImageFile, ImageMath, TiffImagePlugin  # noqa: F401
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from darkroom.domain.file_types import (
    AVIF,
    GIF,
    HEAD_BYTES,
    HEIC,
    JPEG,
    PNG,
    WEBP,
    FileType,
    identify,
)
from darkroom.domain.uploads import SIDES, UnusableImage, size_within
from darkroom.media.inputs.file_structure import (
    count_scans,
    is_lossless_webp,
    stated_size,
    without_metadata,
)
from darkroom.settings import settings

ACCEPTED = "Accepted are photos and images of the types JPEG, HEIC, PNG, WebP, AVIF and GIF."
SCANS_MAX = 100
"""libjpeg-turbo's tools have the option `-maxscans` for the same purpose. Usual files have 10."""
# A decoder keeps the coefficients of a progressive image, or of one with several scans, in memory:
# at most 8 bytes for each pixel.
_PIXELS_WITH_SCANS_MAX = 100_000_000
# https://exiftool.org/TagNames/EXIF.html
_ORIENTATION_TAG = 0x0112
_TEXTS_WITH_ORIENTATION = ("xmp", "XML:com.adobe.xmp", "Raw profile type exif")
_JPEG_SCALES = (1, 2, 4, 8)
_OPAQUE = 255
_HEIF_PLUGIN = "pillow_heif.as_plugin"
_MEGA = 1_000_000


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """The first frame of a file, in mode L, RGB, RGBA or CMYK.

    `width` and `height` are those of the file. `pixels` can be smaller, in the same shape.
    `transposition` turns the pixels upright. `profile` is the ICC profile of the colors.
    """

    pixels: Image.Image
    width: int
    height: int
    transposition: Image.Transpose | None
    profile: bytes | None
    is_lossless: bool

    @property
    def upright_size(self) -> tuple[int, int]:
        """The width and height of the file when it is turned upright."""
        is_turned = self.transposition in _QUARTER_TURNS
        return (self.height, self.width) if is_turned else (self.width, self.height)

    def size_within(self, side: int) -> tuple[int, int]:
        """Return the size of the input image whose longer side has at most `side` pixels."""
        return size_within(self.width, self.height, side)


def identify_input(body: bytes) -> FileType:
    """Return the type of a file that can become an input image, by its content.

    Raises UnusableImage for other types.
    """
    file_type = identify(body[:HEAD_BYTES])
    if file_type not in _OPENERS:
        raise UnusableImage(f"The file is {file_type.name}. {ACCEPTED}")
    if file_type == HEIC:
        # The libraries have 26 MB. They are loaded here, and not in each child process.
        importlib.import_module(_HEIF_PLUGIN)
    return file_type


def decode(body: bytes, file_type: FileType) -> DecodedImage:
    """Decode the first frame of an image file.

    Damaged metadata is ignored: without a valid orientation, the image counts as upright. Raises
    UnusableImage.
    """
    decoded = _decode_if_whole(body, file_type)
    if decoded is None and (stripped := without_metadata(body, file_type)) != body:
        decoded = _decode_if_whole(stripped, file_type)
    if decoded is not None:
        return decoded
    if file_type in (AVIF, HEIC):
        # The decoders have limits of their own for very large images.
        _check_pixels(*stated_size(body), file_type)
    raise UnusableImage(
        f"The file begins as {file_type.name}, but it is not a complete image. It can be damaged, "
        "its transfer can have ended too early, or it is of an unusual kind."
    )


def _decode_if_whole(body: bytes, file_type: FileType) -> DecodedImage | None:
    """Decode the first frame, or return None if the decoder finds an error in the file.

    Raises UnusableImage if the image is beyond a limit.
    """
    try:
        return _decode(body, file_type)
    except UnusableImage:
        raise
    except Image.DecompressionBombError:
        raise UnusableImage(
            _too_large("The image has too many pixels", settings().image_pixels_max)
        ) from None
    except MemoryError:
        raise UnusableImage(
            "The image needs too much memory to decode. Send a smaller image."
        ) from None
    except Exception:  # noqa: BLE001 (a malicious file can cause almost any exception)
        return None


def _decode(body: bytes, file_type: FileType) -> DecodedImage:
    with _OPENERS[file_type](BytesIO(body)) as image:
        width, height = image.size
        if isinstance(image, JpegImageFile):
            _check_jpeg(body, width, height, is_progressive="progressive" in image.info)
            scale = _jpeg_scale(width, height)
            image.draft(None, (max(1, width // scale), max(1, height // scale)))
        else:
            _check_pixels(width, height, file_type)
        image.load()
        if not isinstance(image, JpegImageFile):
            # The decoders of AVIF and HEIC can correct the size in the header.
            width, height = image.size
        return DecodedImage(
            _plain(image),
            width,
            height,
            _transposition(image),
            image.info.get("icc_profile"),
            file_type in (PNG, GIF) or (file_type == WEBP and is_lossless_webp(body)),
        )


def _check_jpeg(body: bytes, width: int, height: int, *, is_progressive: bool) -> None:
    scans = count_scans(body)
    if scans > SCANS_MAX:
        raise UnusableImage(
            f"The JPEG image has {scans} scans. The maximum is {SCANS_MAX}. "
            "Save the image as a JPEG that is not progressive."
        )
    size = f"The JPEG image has {width} × {height} pixels"
    if width * height > settings().jpeg_pixels_max:
        raise UnusableImage(_too_large(size, settings().jpeg_pixels_max))
    if (is_progressive or scans > 1) and width * height > _PIXELS_WITH_SCANS_MAX:
        raise UnusableImage(_too_large(f"{size} and is progressive", _PIXELS_WITH_SCANS_MAX))


def _check_pixels(width: int, height: int, file_type: FileType) -> None:
    pixels_max = settings().heic_pixels_max if file_type == HEIC else settings().image_pixels_max
    if width * height > pixels_max:
        raise UnusableImage(_too_large(f"The image has {width} × {height} pixels", pixels_max))


def _too_large(subject: str, pixels_max: int) -> str:
    return f"{subject}. The maximum is {pixels_max / _MEGA:g} megapixels. Send a smaller image."


def _jpeg_scale(width: int, height: int) -> int:
    """Return the factor by which the decoder reduces a JPEG image, which is fast.

    The result has at least twice the size of the largest input image, if possible, and at most
    `image_pixels_max` pixels.
    """
    pixels_max = settings().image_pixels_max
    scales = [scale for scale in _JPEG_SCALES if width * height <= pixels_max * scale * scale]
    sharp = [scale for scale in scales if max(width, height) >= 2 * SIDES[-1] * scale]
    return max(sharp, default=min(scales, default=_JPEG_SCALES[-1]))


def _transposition(image: Image.Image) -> Image.Transpose | None:
    """Return how to turn the image upright, as its EXIF data say.

    Browsers and other programs ignore an orientation in XMP or in a text of a PNG, which Pillow
    uses if there is none in EXIF. So the user sees the image without it.
    """
    for key in _TEXTS_WITH_ORIENTATION:
        image.info.pop(key, None)
    try:
        return _TRANSPOSITIONS.get(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001 (Pillow can raise almost any exception for damaged EXIF data)
        return None


_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# With or without a reflection.
_QUARTER_TURNS = {_TRANSPOSITIONS[orientation] for orientation in (5, 6, 7, 8)}


def _plain(image: Image.Image) -> Image.Image:
    """Return the image in mode L, RGB, RGBA or CMYK. An alpha channel without effect is removed."""
    if image.mode.startswith("I"):
        return _of_sixteen_bits(image)
    if image.has_transparency_data:
        return _with_alpha(image.convert("RGBA"))
    if image.mode in ("1", "L"):
        return image.convert("L")
    return image if image.mode == "CMYK" else image.convert("RGB")


def _of_sixteen_bits(image: Image.Image) -> Image.Image:
    """Return the upper 8 of the 16 bits of a gray image."""
    deep = image.convert("I")
    gray = deep.point(lambda value: value * (1 / 256)).convert("L")
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return gray
    is_opaque = ImageMath.lambda_eval(
        lambda values: (values["deep"] != transparent) * _OPAQUE, deep=deep
    )
    return _with_alpha(Image.merge("RGBA", (gray, gray, gray, is_opaque.convert("L"))))


def _with_alpha(image: Image.Image) -> Image.Image:
    return image if image.getchannel("A").getextrema()[0] != _OPAQUE else image.convert("RGB")


def _open_heif(file: IO[bytes]) -> ImageFile.ImageFile:
    plugin = importlib.import_module(_HEIF_PLUGIN)
    options = plugin.options
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    image: ImageFile.ImageFile = plugin.HeifImageFile(file)
    return image


_OPENERS: dict[FileType, Callable[[IO[bytes]], ImageFile.ImageFile]] = {
    JPEG: JpegImageFile,
    PNG: PngImageFile,
    WEBP: WebPImageFile,
    GIF: GifImageFile,
    AVIF: AvifImageFile,
    HEIC: _open_heif,
}
