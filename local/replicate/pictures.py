"""Output files: a picture that depends only on what was asked, drawn when somebody wants to see it."""

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Literal

from local.replicate.landscape import draw_landscape

type Format = Literal["webp", "png", "jpg"]

PICTURES_REMEMBERED_MAX = 32

_CONTENT_TYPES = {"webp": "image/webp", "png": "image/png", "jpg": "image/jpeg"}
_PILLOW_FORMATS = {"webp": "WEBP", "png": "PNG", "jpg": "JPEG"}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """The same values are the same picture, to the byte. `quality` is from 0 to 100; PNG has none."""

    prompt: str
    seed: int
    index: int
    width: int
    height: int
    format: Format
    quality: int

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


@lru_cache(maxsize=PICTURES_REMEMBERED_MAX)
def _render(picture: Picture) -> bytes:
    drawn = draw_landscape(picture.prompt, picture.seed, picture.index, (picture.width, picture.height))
    file = BytesIO()
    drawn.save(file, _PILLOW_FORMATS[picture.format], quality=picture.quality)
    return file.getvalue()
