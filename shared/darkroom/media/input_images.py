"""Converts a user's image to a model input: upright, scaled down, without metadata."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageChops, ImageCms, ImageOps

from darkroom.domain.uploads import FittedImage, UnusableImage
from darkroom.settings import settings

_JPEG_QUALITY = 85
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_LOSSLESS = ("PNG", "GIF")
_OPAQUE = 255
_MASK_COLORS_MAX = 2


def fit(body: bytes) -> tuple[FittedImage, bytes]:
    """Rotate an image upright, scale it down to the maximum input size, and remove its metadata.

    The bytes of the file determine its format. Of several frames, the first is used. Images with
    transparent pixels and lossless gray images (such as masks) become PNG. All other images become
    JPEG of quality 85. Raises UnusableImage.
    """
    try:
        with Image.open(BytesIO(body), formats=_FORMATS) as image:
            _check_size(image)
            return _encode(_fit_image(image))
    except UnusableImage:
        raise
    except Exception as error:
        # Pillow's decoders can raise almost any exception for a malicious file.
        raise UnusableImage("The file is not a complete JPEG, PNG, WebP or GIF image.") from error


def _check_size(image: Image.Image) -> None:
    pixels_max = settings().image_pixels_max
    if image.width * image.height > pixels_max:
        raise UnusableImage(
            f"The image has {image.width} × {image.height} pixels. The maximum is {pixels_max}."
        )


def _fit_image(image: Image.Image) -> Image.Image:
    side = settings().input_side_pixels_max
    is_lossless = image.format in _LOSSLESS
    # A JPEG is decoded at about twice the target size, which is several times faster.
    # For other formats `draft` does nothing.
    image.draft(None, (2 * side, 2 * side))
    upright = _in_srgb(ImageOps.exif_transpose(image))
    if is_lossless and upright.mode == "RGB" and _is_gray(upright):
        upright = upright.convert("L")
    if upright.mode == "L" and not is_lossless:
        upright = upright.convert("RGB")
    # A mask of two values must not get values between them.
    is_mask = upright.mode == "L" and upright.getcolors(_MASK_COLORS_MAX) is not None
    upright.thumbnail(
        (side, side), Image.Resampling.NEAREST if is_mask else Image.Resampling.LANCZOS
    )
    return upright


def _in_srgb(image: Image.Image) -> Image.Image:
    """Return the first frame in mode L, RGB or RGBA, with its colors converted to sRGB."""
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        alpha = with_alpha.getchannel("A")
        plain = _to_srgb(with_alpha.convert("RGB"), profile)
        if alpha.getextrema()[0] != _OPAQUE:
            plain.putalpha(alpha)
    elif image.mode.startswith("I"):
        # The pixels have 16 bits. The upper 8 bits remain.
        plain = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    elif image.mode in ("1", "L"):
        plain = image.convert("L")
    else:
        plain = _to_srgb(image if image.mode == "CMYK" else image.convert("RGB"), profile)
    return plain


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            # The profile is broken or describes other channels, so it is ignored.
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _is_gray(image: Image.Image) -> bool:
    red, green, blue = image.split()
    return not (
        ImageChops.difference(red, green).getbbox() or ImageChops.difference(green, blue).getbbox()
    )


def _encode(image: Image.Image) -> tuple[FittedImage, bytes]:
    # Pillow would write this metadata to the new file.
    image.info = {}
    file = BytesIO()
    if image.mode == "RGB":
        image.save(file, "JPEG", quality=_JPEG_QUALITY, optimize=True)
        return FittedImage("image/jpeg", *image.size), file.getvalue()
    image.save(file, "PNG", optimize=True)
    return FittedImage("image/png", *image.size), file.getvalue()
