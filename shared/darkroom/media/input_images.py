"""Making an image of a user's fit to be a model's input: upright, small enough, and with nothing in it but the image."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageChops, ImageCms, ImageOps

from darkroom.domain.uploads import FittedImage
from darkroom.settings import settings

_JPEG_QUALITY = 85
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_LOSSLESS = ("PNG", "GIF")
_OPAQUE = 255
_TWO = 2


class UnusableImage(Exception):
    """The file is no image that can be an input; the message says why, for its owner to read."""


def fit(body: bytes) -> tuple[FittedImage, bytes]:
    """Turn an image upright, fit it into the largest input without enlarging it, and write it anew without any metadata.

    What the file is, is told by its own bytes. The first frame of several is taken. An image with transparent pixels stays a lossless
    PNG, and so does a lossless one of greys alone, as a mask is; everything else becomes a JPEG of quality 85. Raises UnusableImage.
    """
    try:
        with Image.open(BytesIO(body), formats=_FORMATS) as image:
            _check_size(image)
            return _encode(_fit_image(image))
    except UnusableImage:
        raise
    except Exception as error:
        # Pillow's decoders raise nearly anything for a file that was made to break them.
        raise UnusableImage("The file is no whole JPEG, PNG, WebP or GIF.") from error


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > settings().image_pixels_max:
        raise UnusableImage(
            f"The image has {image.width} × {image.height} pixels; at most {settings().image_pixels_max} are taken."
        )


def _fit_image(image: Image.Image) -> Image.Image:
    side = settings().input_side_pixels_max
    is_lossless = image.format in _LOSSLESS
    # Decoding a JPEG at about twice the size is several times faster; for other formats this does nothing.
    image.draft(None, (2 * side, 2 * side))
    upright = _in_srgb(ImageOps.exif_transpose(image))
    if is_lossless and upright.mode == "RGB" and _is_grey(upright):
        upright = upright.convert("L")
    if upright.mode == "L" and not is_lossless:
        upright = upright.convert("RGB")
    # A mask of two values has no others between them.
    has_two_values = upright.mode == "L" and upright.getcolors(_TWO) is not None
    upright.thumbnail(
        (side, side), Image.Resampling.NEAREST if has_two_values else Image.Resampling.LANCZOS
    )
    return upright


def _in_srgb(image: Image.Image) -> Image.Image:
    """Give the first frame as L, RGB or RGBA, in the colours that a reader without its profile sees."""
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        alpha = with_alpha.getchannel("A")
        plain = _to_srgb(with_alpha.convert("RGB"), profile)
        if alpha.getextrema()[0] != _OPAQUE:
            plain.putalpha(alpha)
    elif image.mode.startswith("I"):
        # 16 bits a pixel, of which the upper 8 are kept.
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
            # A profile that is broken or of other channels says nothing of this image's colours.
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = image.split()
    return not (
        ImageChops.difference(red, green).getbbox() or ImageChops.difference(green, blue).getbbox()
    )


def _encode(image: Image.Image) -> tuple[FittedImage, bytes]:
    # Pillow would write what stands here into the file again.
    image.info = {}
    file = BytesIO()
    if image.mode == "RGB":
        image.save(file, "JPEG", quality=_JPEG_QUALITY, optimize=True)
        return FittedImage("image/jpeg", *image.size), file.getvalue()
    image.save(file, "PNG", optimize=True)
    return FittedImage("image/png", *image.size), file.getvalue()
