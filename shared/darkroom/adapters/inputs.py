"""Making a picture of a user's fit to be a model's input: upright, small enough, and with nothing in it but the picture."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageChops, ImageCms, ImageOps

from darkroom.domain.uploads import FittedPicture
from darkroom.settings import settings

_JPEG_QUALITY = 85
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_LOSSLESS = ("PNG", "GIF")
_OPAQUE = 255
_TWO = 2


class NoPicture(Exception):
    """The file is no picture that can be an input; the message says why, for its owner to read."""


def fitted(body: bytes) -> tuple[FittedPicture, bytes]:
    """Turn a picture upright, fit it into the largest input without enlarging it, and write it anew without any metadata.

    What the file is, is told by its own bytes. The first frame of several is taken. A picture with transparent pixels stays a lossless
    PNG, and so does a lossless one of greys alone, as a mask is; everything else becomes a JPEG of quality 85. Raises NoPicture.
    """
    try:
        with Image.open(BytesIO(body), formats=_FORMATS) as picture:
            _check_size(picture)
            return _written(_fitted(picture))
    except NoPicture:
        raise
    except Exception as error:
        # Pillow's decoders raise nearly anything for a file that was made to break them.
        raise NoPicture("The file is no whole JPEG, PNG, WebP or GIF.") from error


def _check_size(picture: Image.Image) -> None:
    if picture.width * picture.height > settings().image_pixels_max:
        raise NoPicture(f"The picture has {picture.width} × {picture.height} pixels; at most {settings().image_pixels_max} are taken.")


def _fitted(picture: Image.Image) -> Image.Image:
    side = settings().input_side_pixels_max
    is_lossless = picture.format in _LOSSLESS
    # Decoding a JPEG at about twice the size is several times faster; for other formats this does nothing.
    picture.draft(None, (2 * side, 2 * side))
    upright = _in_srgb(ImageOps.exif_transpose(picture))
    if is_lossless and upright.mode == "RGB" and _is_grey(upright):
        upright = upright.convert("L")
    if upright.mode == "L" and not is_lossless:
        upright = upright.convert("RGB")
    # A mask of two values has no others between them.
    has_two_values = upright.mode == "L" and upright.getcolors(_TWO) is not None
    upright.thumbnail((side, side), Image.Resampling.NEAREST if has_two_values else Image.Resampling.LANCZOS)
    return upright


def _in_srgb(picture: Image.Image) -> Image.Image:
    """Give the first frame as L, RGB or RGBA, in the colours that a reader without its profile sees."""
    profile = picture.info.get("icc_profile")
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        alpha = with_alpha.getchannel("A")
        plain = _converted(with_alpha.convert("RGB"), profile)
        if alpha.getextrema()[0] != _OPAQUE:
            plain.putalpha(alpha)
    elif picture.mode.startswith("I"):
        # 16 bits a pixel, of which the upper 8 are kept.
        plain = picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    elif picture.mode in ("1", "L"):
        plain = picture.convert("L")
    else:
        plain = _converted(picture if picture.mode == "CMYK" else picture.convert("RGB"), profile)
    return plain


def _converted(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            converted = ImageCms.profileToProfile(picture, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            # A profile that is broken or of other channels says nothing of this picture's colours.
            converted = None
        if converted is not None:
            return converted
    return picture.convert("RGB")


def _is_grey(picture: Image.Image) -> bool:
    red, green, blue = picture.split()
    return not (ImageChops.difference(red, green).getbbox() or ImageChops.difference(green, blue).getbbox())


def _written(picture: Image.Image) -> tuple[FittedPicture, bytes]:
    # Pillow would write what stands here into the file again.
    picture.info = {}
    file = BytesIO()
    if picture.mode == "RGB":
        picture.save(file, "JPEG", quality=_JPEG_QUALITY, optimize=True)
        return FittedPicture("image/jpeg", *picture.size), file.getvalue()
    picture.save(file, "PNG", optimize=True)
    return FittedPicture("image/png", *picture.size), file.getvalue()
