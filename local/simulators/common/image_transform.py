"""What a model makes of a picture that it is given. It is no art, but it depends on the picture and on the prompt."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageOps

_SHARE_OF_THE_PROMPT = 0.35
_SIDE_PIXELS_MAX = 4096
_INSETS_PER_SIDE = 4


def opened(source: bytes) -> Image.Image:
    """Return the picture that a file holds, upright."""
    with Image.open(BytesIO(source)) as picture:
        return ImageOps.exif_transpose(picture).convert("RGBA" if picture.has_transparency_data else "RGB")


def blended(landscape: Image.Image, sources: Sequence[bytes]) -> Image.Image:
    """Lay the prompt's landscape over the first picture, and hang the others small in its corner."""
    first = ImageOps.fit(opened(sources[0]).convert("RGB"), landscape.size)
    picture = Image.blend(first, landscape, _SHARE_OF_THE_PROMPT)
    side = min(picture.size) // _INSETS_PER_SIDE
    for number, source in enumerate(sources[1:]):
        inset = ImageOps.fit(opened(source).convert("RGB"), (side, side))
        picture.paste(inset, (picture.width - (number + 1) * side, picture.height - side))
    return picture


def enlarged(source: bytes, scale: float) -> Image.Image:
    """Enlarge a picture, up to a size that this machine can bear."""
    picture = opened(source)
    scale = min(scale, _SIDE_PIXELS_MAX / max(picture.size))
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.BICUBIC)


def cut_out(source: bytes) -> Image.Image:
    """Keep what is in the middle, with soft edges, and make the rest transparent."""
    picture = opened(source).convert("RGBA")
    mask = Image.new("L", (4 * picture.width, 4 * picture.height))
    ImageDraw.Draw(mask).ellipse((0, 0, mask.width - 1, mask.height - 1), 255)
    picture.putalpha(mask.reduce(4))
    return picture
