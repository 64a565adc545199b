"""Draw the example images of the template cards: python -m tools.web.examples.

The images are drawings, not outputs of the models. An operator may replace a file by a real output
of the template: `web/examples/CODE.webp`, a few kilobytes.
"""

from __future__ import annotations

import colorsys
import io
import sys
from collections.abc import Callable, Sequence
from itertools import cycle

from PIL import Image, ImageDraw, ImageFilter

from darkroom import catalog
from darkroom.domain.templates import Template
from tools.node_tools import ROOT

FOLDER = ROOT / "web/examples"
BYTES_MAX = 4_000
WIDTH, HEIGHT = 256, 192
_GOLDEN_ANGLE = 0.381966

type Color = tuple[int, int, int]
type Scene = Callable[[ImageDraw.ImageDraw, Sequence[Color]], None]


def palette(number: int) -> list[Color]:
    """Return four colors of a hue of its own, from dark to light."""
    hue = number * _GOLDEN_ANGLE % 1
    tones = ((hue, 0.6, 0.25), (hue, 0.5, 0.5), (hue + 0.08, 0.45, 0.8), (hue + 0.5, 0.25, 0.98))
    return [_color(*tone) for tone in tones]


def _color(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _sky(draw: ImageDraw.ImageDraw, colors: Sequence[Color]) -> None:
    for row in range(HEIGHT):
        part = row / HEIGHT
        mixed = [round(a + (b - a) * part) for a, b in zip(colors[1], colors[3], strict=True)]
        draw.line((0, row, WIDTH, row), fill=tuple(mixed))


def hills(draw: ImageDraw.ImageDraw, colors: Sequence[Color]) -> None:
    """Draw hills below a sun."""
    _sky(draw, colors)
    draw.ellipse((160, 40, 208, 88), fill=colors[3])
    draw.ellipse((-60, 100, 180, 300), fill=colors[2])
    draw.ellipse((90, 120, 340, 320), fill=colors[1])
    draw.ellipse((-120, 150, 160, 330), fill=colors[0])


def lighthouse(draw: ImageDraw.ImageDraw, colors: Sequence[Color]) -> None:
    """Draw a lighthouse at the sea."""
    _sky(draw, colors)
    draw.polygon(((130, 56), (256, 20), (256, 90)), fill=colors[3])
    draw.polygon(((106, 150), (112, 66), (140, 66), (146, 150)), fill=(245, 245, 240))
    draw.polygon(((108, 120), (110, 94), (142, 94), (144, 120)), fill=colors[0])
    draw.rectangle((112, 46, 140, 66), fill=colors[0])
    draw.rectangle((0, 150, WIDTH, HEIGHT), fill=colors[1])


def city(draw: ImageDraw.ImageDraw, colors: Sequence[Color]) -> None:
    """Draw houses with lit windows."""
    _sky(draw, colors)
    for left, top in ((10, 90), (58, 50), (106, 110), (150, 30), (204, 76)):
        draw.rectangle((left, top, left + 42, HEIGHT), fill=colors[0])
        for row in range(top + 12, HEIGHT, 22):
            draw.rectangle((left + 8, row, left + 16, row + 10), fill=colors[3])
            draw.rectangle((left + 26, row, left + 34, row + 10), fill=colors[2])


def flower(draw: ImageDraw.ImageDraw, colors: Sequence[Color]) -> None:
    """Draw a flower."""
    _sky(draw, colors)
    draw.line((128, 90, 128, HEIGHT), fill=colors[0], width=8)
    for x, y in ((128, 44), (164, 70), (150, 112), (106, 112), (92, 70)):
        draw.ellipse((x - 30, y - 30, x + 30, y + 30), fill=colors[2])
    draw.ellipse((106, 60, 150, 104), fill=colors[3])


def poster(draw: ImageDraw.ImageDraw, colors: Sequence[Color]) -> None:
    """Draw a poster with a headline and lines of text."""
    draw.rectangle((0, 0, WIDTH, HEIGHT), fill=colors[3])
    draw.ellipse((150, 30, 236, 116), fill=colors[2])
    draw.text((20, 26), "Aa", fill=colors[0], font_size=84)
    for row in (136, 152, 168):
        draw.rectangle((22, row, 214 - row // 2, row + 6), fill=colors[1])


def dress(draw: ImageDraw.ImageDraw, colors: Sequence[Color]) -> None:
    """Draw a dress on a hanger."""
    _sky(draw, colors)
    draw.line(((90, 56), (128, 36), (166, 56)), fill=colors[0], width=4)
    draw.polygon(
        ((104, 50), (152, 50), (146, 94), (186, 172), (70, 172), (110, 94)), fill=colors[0]
    )


def cutout(draw: ImageDraw.ImageDraw, colors: Sequence[Color]) -> None:
    """Draw a vase on the squares that stand for transparent pixels."""
    for left in range(0, WIDTH, 32):
        for top in range(0, HEIGHT, 32):
            shade = 250 if (left + top) // 32 % 2 else 215
            draw.rectangle((left, top, left + 31, top + 31), fill=(shade, shade, shade))
    draw.ellipse((84, 76, 172, 176), fill=colors[1])
    draw.rectangle((112, 40, 144, 90), fill=colors[1])
    draw.ellipse((104, 30, 152, 50), fill=colors[0])


_OF_TEMPLATES: dict[str, Scene] = {
    "background-remover": cutout,
    "idm-vton": dress,
    "gpt-image-2": poster,
    "ideogram-4-5": poster,
    "ideogram-v3-turbo": poster,
    "nano-banana-pro": poster,
    "recraft-v4": poster,
}
_ENLARGERS = {"real-esrgan", "topaz-image-upscale"}


def draw_example(template: Template, number: int, scene: Scene) -> Image.Image:
    """Draw the example of a template. A video has a triangle, and an enlarger two halves."""
    colors = palette(number)
    image = Image.new("RGB", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    scene(draw, colors)
    if template.code in _ENLARGERS:
        coarse = image.resize((WIDTH // 16, HEIGHT // 16)).resize(image.size, Image.Resampling.BOX)
        image.paste(coarse.crop((0, 0, WIDTH // 2, HEIGHT)), (0, 0))
        draw.line((WIDTH // 2, 0, WIDTH // 2, HEIGHT), fill=(255, 255, 255), width=3)
    if template.category == "video":
        draw.ellipse((104, 72, 152, 120), fill=colors[0])
        draw.polygon(((120, 82), (120, 110), (143, 96)), fill=(255, 255, 255))
    return image.filter(ImageFilter.SMOOTH)


def examples() -> dict[str, bytes]:
    """Return the file of each template in the catalog, by code."""
    scenes = cycle((hills, lighthouse, city, flower))
    files = {}
    for number, (code, template) in enumerate(catalog.templates().items()):
        image = draw_example(template, number, _OF_TEMPLATES.get(code) or next(scenes))
        file = io.BytesIO()
        image.save(file, "WEBP", quality=60, method=6)
        files[code] = file.getvalue()
    return files


def main() -> int:
    """Write the files. Fails if one has too many bytes."""
    FOLDER.mkdir(exist_ok=True)
    large = []
    for code, data in examples().items():
        (FOLDER / f"{code}.webp").write_bytes(data)
        if len(data) > BYTES_MAX:
            large.append(code)
    sys.stdout.write(f"examples: {len(list(FOLDER.glob('*.webp')))} files\n")
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main())
