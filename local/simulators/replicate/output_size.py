"""The size of a model's output: its inputs name it in different ways."""

import math
import re
from collections.abc import Mapping
from typing import Any

PIXELS_BY_ASPECT_RATIO = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "21:9": (1536, 640),
    "3:2": (1216, 832),
    "2:3": (832, 1216),
    "4:5": (896, 1088),
    "5:4": (1088, 896),
    "4:3": (1152, 896),
    "3:4": (896, 1152),
    "9:16": (768, 1344),
    "9:21": (640, 1536),
    "2:1": (1408, 704),
    "1:2": (704, 1408),
    "16:10": (1280, 800),
    "10:16": (800, 1280),
    "3:1": (1536, 512),
    "1:3": (512, 1536),
}
LINES_BY_RESOLUTION = {"480p": 480, "512p": 512, "720p": 720, "768p": 768, "1080p": 1080}
LINES_BY_MODE = {"standard": 720, "pro": 1080, "4k": 2160}
# The sides of an output compared with those of about one megapixel.
_SIDES_BY_NAME = {"1K": 1.0, "2K": 2.0, "3K": 3.0, "4K": 4.0}
_PIXELS = re.compile(r"(\d+)x(\d+)")
_MEGAPIXELS = re.compile(r"([\d.]+)(?: MP)?")


def size_in_pixels(inputs: Mapping[str, Any]) -> tuple[int, int]:
    """Return the width and the height of the output. `inputs` must include the defaults.

    A video's resolution is the length of its shorter side.
    """
    ratio, size = inputs.get("aspect_ratio", "custom"), inputs.get("size", "")
    if exact := _PIXELS.fullmatch(ratio) or (":" not in ratio and _PIXELS.fullmatch(size)):
        return int(exact[1]), int(exact[2])
    if lines := _lines(inputs):
        across, down = (int(part) for part in (ratio if ":" in ratio else "16:9").split(":"))
        shorter = min(across, down)
        return 2 * round(lines * across / shorter / 2), 2 * round(lines * down / shorter / 2)
    if "width" in inputs and (size == "custom" or (not size and ":" not in ratio)):
        return inputs["width"], inputs.get("height", 1024)
    width, height = PIXELS_BY_ASPECT_RATIO.get(ratio) or _one_megapixel(ratio)
    factor = _factor(inputs)
    return round(width * factor), round(height * factor)


def matches_source(inputs: Mapping[str, Any]) -> bool:
    """Return whether the output has the shape of the first input image.

    Ideogram 4.5 ignores the size if there is a mask.
    """
    is_masked = {"images", "mask"} <= inputs.keys()
    return is_masked or "match_input_image" in inputs.values() or inputs.get("size") == "source"


def _one_megapixel(ratio: str) -> tuple[int, int]:
    if ":" not in ratio:
        return 1024, 1024
    across, down = (int(part) for part in ratio.split(":"))
    return round(1024 * math.sqrt(across / down)), round(1024 * math.sqrt(down / across))


def _lines(inputs: Mapping[str, Any]) -> int | None:
    by_mode = LINES_BY_MODE.get(inputs.get("mode", ""))
    return by_mode or LINES_BY_RESOLUTION.get(inputs.get("resolution", ""))


def _factor(inputs: Mapping[str, Any]) -> float:
    """Return how much longer the sides are than those of about one megapixel."""
    for name in ("resolution", "size"):
        if (factor := _SIDES_BY_NAME.get(inputs.get(name, ""))) is not None:
            return factor
    for name in ("resolution", "output_megapixels", "megapixels"):
        if megapixels := _MEGAPIXELS.fullmatch(inputs.get(name, "")):
            return math.sqrt(float(megapixels[1]))
    return 1
