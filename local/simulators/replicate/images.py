"""Output images. Only the inputs determine an image. An image is drawn when a client fetches it."""

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Literal

from PIL import Image

from local.simulators.common.image_transform import blend, cut_out, enlarge, shaped_like
from local.simulators.common.landscape import draw_landscape

type Format = Literal["webp", "png", "jpg"]

IMAGES_CACHED_MAX = 32

# Compression levels of PNG files. Level 6 takes 13 seconds for 34 megapixels.
_FAST, _SMALL = 1, 6
_CONTENT_TYPES = {"webp": "image/webp", "png": "image/png", "jpg": "image/jpeg"}
_PILLOW_FORMATS = {"webp": "WEBP", "png": "PNG", "jpg": "JPEG"}


@dataclass(frozen=True, kw_only=True)
class OutputImage:
    """An image. The same values produce the same bytes.

    `quality` is from 0 to 100. PNG ignores it. `sources` are the input images. With
    `matches_source`, the image has the shape of the first of them.
    """

    prompt: str
    seed: int
    index: int
    width: int
    height: int
    format: Format
    quality: int
    makes: Literal["image", "enlargement", "cutout"] = "image"
    scale: float = 1
    matches_source: bool = False
    sources: tuple[bytes, ...] = ()

    @property
    def file_name(self) -> str:
        """The last part of the URL."""
        return f"out-{self.index}.{self.format}"

    @property
    def content_type(self) -> str:
        """The media type."""
        return _CONTENT_TYPES[self.format]

    def render(self) -> bytes:
        """Return the file."""
        return _render(self)


@lru_cache(maxsize=IMAGES_CACHED_MAX)
def _render(image: OutputImage) -> bytes:
    drawn = _draw(image)
    file = BytesIO()
    drawn.convert("RGB" if image.format == "jpg" else drawn.mode).save(
        file,
        _PILLOW_FORMATS[image.format],
        quality=image.quality,
        compress_level=_FAST if image.makes == "enlargement" else _SMALL,
    )
    return file.getvalue()


def _draw(image: OutputImage) -> Image.Image:
    match image.makes:
        case "enlargement":
            return enlarge(image.sources[0], image.scale)
        case "cutout":
            return cut_out(image.sources[0])
    size = image.width, image.height
    if image.matches_source and image.sources:
        size = shaped_like(image.sources[0], size)
    landscape = draw_landscape(image.prompt, image.seed, image.index, size)
    return blend(landscape, image.sources) if image.sources else landscape
