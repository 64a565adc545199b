"""Draw a landscape for a prompt.

The prompt selects the colours. The prompt, the seed and the index determine the shapes.
"""

import math
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from local.simulators.common.seeded_random import seeded_random

type Colour = tuple[int, int, int]
type Size = tuple[int, int]

# Masks are drawn larger by this factor and then reduced, for smooth edges.
_OVERSAMPLING = 2
_CREST_POINTS = 128
# The level of Pillow's radial gradient at the middle of an edge; it is 255 only in the corners. The
# glow ends at this level, or the edges of its square would be visible.
_GRADIENT_AT_THE_EDGE = 179
_MOUNTAIN_LAYERS = 2


@dataclass(frozen=True)
class Light:
    """The colours of the sky from zenith to horizon, the sun or moon, and the nearest hill."""

    zenith: Colour
    middle: Colour
    horizon: Colour
    disc: Colour
    near: Colour
    stars: bool = False


LIGHTS = (
    Light((38, 70, 130), (240, 150, 110), (255, 214, 150), (255, 244, 214), (38, 30, 60)),
    Light((70, 130, 180), (160, 205, 220), (250, 236, 205), (255, 252, 235), (24, 66, 72)),
    Light((60, 30, 90), (205, 80, 120), (255, 175, 125), (255, 226, 180), (40, 16, 56)),
    Light((12, 20, 48), (34, 60, 104), (110, 140, 170), (246, 244, 228), (8, 14, 32), stars=True),
    Light((18, 60, 80), (64, 150, 140), (226, 226, 170), (255, 250, 220), (10, 44, 48)),
    Light((120, 150, 190), (226, 190, 200), (255, 226, 205), (255, 248, 238), (84, 66, 100)),
    Light((24, 16, 56), (92, 50, 120), (226, 120, 150), (255, 220, 220), (18, 10, 40), stars=True),
    Light((196, 88, 56), (244, 160, 84), (255, 222, 150), (255, 250, 220), (70, 26, 30)),
)


def draw_landscape(prompt: str, seed: int, index: int, size: Size) -> Image.Image:
    """Draw a landscape with the prompt as its caption.

    The same arguments produce the same pixels.
    """
    light = LIGHTS[seeded_random(f"light {prompt}").randrange(len(LIGHTS))]
    random = seeded_random(f"{prompt}\0{seed}\0{index}")
    image = _vertical_gradient(size, (light.zenith, light.middle, light.horizon))
    if light.stars:
        _scatter_stars(image, random)
    _raise_disc(image, light, random)
    _stack_hills(image, light, random)
    _write_caption(image, prompt)
    return image


def _vertical_gradient(size: Size, stops: tuple[Colour, ...]) -> Image.Image:
    """Draw a gradient of evenly spaced colours, from top to bottom."""
    column = Image.new("RGB", (1, size[1]))
    for y in range(size[1]):
        position = y / max(1, size[1] - 1) * (len(stops) - 1)
        upper = min(int(position), len(stops) - 2)
        column.putpixel((0, y), _mix(stops[upper], stops[upper + 1], position - upper))
    return column.resize(size)


def _mix(first: Colour, second: Colour, share_of_second: float) -> Colour:
    red, green, blue = (
        round(a + (b - a) * share_of_second) for a, b in zip(first, second, strict=True)
    )
    return red, green, blue


def _scatter_stars(image: Image.Image, random: Random) -> None:
    width, height = image.size
    draw = ImageDraw.Draw(image, "RGBA")
    for _ in range(width * height // 5000):
        x, y = random.uniform(0, width), random.uniform(0, height * 0.55)
        radius = random.choice((0.5, 0.5, 1.0, 1.5)) * height / 1024
        fade = 1 - y / (height * 0.55)
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius),
            (255, 255, 255, round(60 + 180 * fade)),
        )


def _raise_disc(image: Image.Image, light: Light, random: Random) -> None:
    """Draw the sun or the moon with its glow."""
    width, height = image.size
    short = min(width, height)
    radius = short * random.uniform(0.055, 0.1)
    centre = (width * random.uniform(0.22, 0.78), height * random.uniform(0.22, 0.46))
    for reach, strength in ((short * 0.62, 0.55), (radius * 2.4, 0.5)):
        glow = Image.radial_gradient("L").resize((round(2 * reach), round(2 * reach)))
        glow = glow.point(
            [
                round(255 * strength * max(0, 1 - level / _GRADIENT_AT_THE_EDGE) ** 2)
                for level in range(256)
            ]
        )
        image.paste(light.disc, _corner(centre, reach), glow)
    side = round(2 * radius)
    disc = Image.new("L", (side * _OVERSAMPLING, side * _OVERSAMPLING))
    ImageDraw.Draw(disc).ellipse((0, 0, disc.width - 1, disc.height - 1), 255)
    image.paste(light.disc, _corner(centre, radius), disc.reduce(_OVERSAMPLING))


def _corner(centre: tuple[float, float], reach: float) -> tuple[int, int]:
    return round(centre[0] - reach), round(centre[1] - reach)


def _stack_hills(image: Image.Image, light: Light, random: Random) -> None:
    """Draw the hills from far and light to near and dark. Each hill is lighter at its foot."""
    count = random.randint(4, 6)
    for layer in range(count):
        nearness = (layer + 1) / count
        crest = (
            _mountain_line(image.size, random)
            if layer < _MOUNTAIN_LAYERS
            else _hill_line(image.size, random, nearness)
        )
        mask = _below(image.size, crest, trees=random if layer >= count - 2 else None)
        colour = _mix(light.horizon, light.near, 0.18 + 0.82 * nearness**1.3)
        foot = _mix(colour, light.horizon, 0.45 * (1 - nearness) + 0.08)
        top = max(0, round(min(crest)))
        hill = Image.new("RGB", image.size, colour)
        hill.paste(_vertical_gradient((image.width, image.height - top), (colour, foot)), (0, top))
        image.paste(hill, (0, 0), mask)


def _mountain_line(size: Size, random: Random) -> list[float]:
    """Return the y coordinates of a crest, one per pixel column, by midpoint displacement."""
    width, height = size
    line = [random.uniform(0.48, 0.6), random.uniform(0.48, 0.6)]
    roughness = 0.13
    while len(line) <= _CREST_POINTS:
        between = [(a + b) / 2 + random.uniform(-roughness, roughness) for a, b in pairwise(line)]
        line = [y for pair in zip(line, between, strict=False) for y in pair] + line[-1:]
        roughness *= 0.52
    return [height * _interpolate(line, x / width) for x in range(width)]


def _interpolate(line: list[float], share: float) -> float:
    position = share * (len(line) - 1)
    left = int(position)
    return line[left] + (line[left + 1] - line[left]) * (position - left)


def _hill_line(size: Size, random: Random, nearness: float) -> list[float]:
    width, height = size
    waves = [
        (random.uniform(0.6, 1.4) * 1.9**n, random.uniform(0, math.tau), 0.05 / 1.8**n)
        for n in range(4)
    ]
    base = 0.48 + 0.36 * nearness
    return [
        height
        * (
            base
            + sum(
                tall * math.sin(often * math.tau * x / width + phase)
                for often, phase, tall in waves
            )
        )
        for x in range(width)
    ]


def _below(size: Size, crest: list[float], *, trees: Random | None) -> Image.Image:
    """Return a mask of the area below the crest. `trees` draws firs on the crest."""
    width, height = size
    mask = Image.new("L", (width * _OVERSAMPLING, height * _OVERSAMPLING))
    draw = ImageDraw.Draw(mask)
    points = [(x * _OVERSAMPLING, y * _OVERSAMPLING) for x, y in enumerate(crest)]
    draw.polygon(
        [(0, mask.height), *points, (mask.width, points[-1][1]), (mask.width, mask.height)], 255
    )
    if trees is not None:
        for _ in range(trees.randint(18, 40)):
            x = trees.randrange(width)
            _plant_fir(draw, points[x], min(size) * _OVERSAMPLING * trees.uniform(0.025, 0.07))
    return mask.reduce(_OVERSAMPLING)


def _plant_fir(draw: ImageDraw.ImageDraw, foot: tuple[float, float], tall: float) -> None:
    x, y = foot
    draw.rectangle((x - tall * 0.03, y - tall * 0.2, x + tall * 0.03, y + tall * 0.1), 255)
    for tier in range(3):
        bottom, half = y - tall * (0.12 + 0.25 * tier), tall * (0.24 - 0.055 * tier)
        draw.polygon([(x - half, bottom), (x, bottom - tall * 0.42), (x + half, bottom)], 255)


def _write_caption(image: Image.Image, prompt: str) -> None:
    """Write the prompt as one line in white on a soft shadow, shortened to the image's width."""
    width, height = image.size
    pixels = max(10, min(width, height) // 42)
    font = ImageFont.load_default(size=pixels)
    text = _shorten(_printable(prompt), font, width * 0.92)
    position = (width * 0.04, height - pixels * 1.5)
    shade = Image.new("L", image.size)
    ImageDraw.Draw(shade).text(position, text, 255, font=font, anchor="ls")
    soft = shade.filter(ImageFilter.GaussianBlur(pixels / 6))
    image.paste((0, 0, 0), (0, 0), ImageChops.add(soft, soft))
    ImageDraw.Draw(image).text(position, text, (255, 255, 255), font=font, anchor="ls")


def _printable(text: str) -> str:
    """Return the ASCII characters, which Pillow's own font has. Drop accents and other scripts."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return " ".join(letters.split())


def _shorten(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[: -max(1, len(text) // 20)]
    return text + "..."
