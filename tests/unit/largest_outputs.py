"""The largest output of a template, computed from the JSON Schemas of its parameters."""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.domain.templates import Template

# PNG with alpha that does not compress: https://www.w3.org/TR/png-3/ (filters), RFC 1951 (stored).
IMAGE_BYTES_PER_PIXEL = 4.01
# Blu-ray Disc allows 40 Mbit/s of video, which is 0.8 bits a pixel for 1080 lines at 24 frames.
VIDEO_BITS_PER_PIXEL = 0.8
FRAMES_PER_SECOND = 30
WIDEST_RATIO = 16 / 9
# The largest output of the models whose parameters do not state it, in pixels.
IMAGE_PIXELS = {
    # The size of the image to edit. Uploads have at most this side; see also the size of a URL.
    "background-remover": 2048 * 2048,
    # github.com/replicate/cog-flux: MAX_IMAGE_SIZE, with an image to start from.
    "flux-dev": 1440 * 1440,
    # About one megapixel of any ratio, for example 1568 × 672.
    "flux-kontext-pro": 1_060_000,
    # Ideogram's API reference, "resolution": up to 1344 × 768 and 1536 × 512.
    "ideogram-v3-turbo": 1_060_000,
    # 768 × 1024, or with `crop` the size of the image of the person.
    "idm-vton": 1024 * 1024,
    # The texts of the inputs: 2560 × 1440 pixels or less, if no larger size is named.
    "gpt-image-2": 2560 * 1440,
    # The size `source`: that of an upload. See also the size of a URL.
    "ideogram-4-5": 2048 * 2048,
    # 4K has about 16 megapixels of any ratio. The bound has room for rounded sides.
    "nano-banana-2": 20_000_000,
    "nano-banana-pro": 20_000_000,
    # The largest of `size` is 1280 × 896. An aspect_ratio has about the same number of pixels.
    "recraft-v4": 1280 * 896,
    # The model's page: "1 megapixel".
    "stable-diffusion-3.5-large": 1_060_000,
}
# The models whose lines are set by a parameter other than `resolution`.
VIDEO_LINES = {"kling-v2.1": 1080, "kling-v3-video": 1080}


@dataclass(frozen=True)
class LargestOutput:
    """Upper bounds. `pixels` is the size of an image or of a frame of a video."""

    pixels: float
    bytes: float


def largest_output(template: Template) -> LargestOutput:
    """Return the bounds. Raises LookupError if nothing states the size of the outputs."""
    if template.category == "image":
        pixels = image_pixels(template)
        return LargestOutput(pixels, pixels * IMAGE_BYTES_PER_PIXEL)
    pixels = frame_pixels(template)
    frames = seconds(template) * FRAMES_PER_SECOND
    return LargestOutput(pixels, pixels * frames * VIDEO_BITS_PER_PIXEL / 8)


def image_pixels(template: Template) -> float:
    parameters, found = template.parameters, [IMAGE_PIXELS.get(template.code, 0.0)]
    if template.scale_parameter:
        (rules,) = template.image_rules.values()
        largest_input = rules.pixels_max or rules.max_side**2
        found.append(largest_input * template.scale_max**2)
    if {"width", "height"} <= parameters.keys():
        found.append(parameters["width"]["maximum"] * parameters["height"]["maximum"])
    for name in {"megapixels", "output_megapixels", "resolution"} & parameters.keys():
        megapixels = [each.removesuffix(" MP") for each in parameters[name].get("enum", ())]
        found += [float(each) * 1_060_000 for each in megapixels if each.replace(".", "").isdigit()]
    if not any(found):
        raise LookupError(f"{template.code}: state the largest output in IMAGE_PIXELS")
    return max(found)


def frame_pixels(template: Template) -> float:
    parameters = template.parameters
    if "ratio" in parameters:
        sizes = [map(int, ratio.split(":")) for ratio in parameters["ratio"]["enum"]]
        return max(width * height for width, height in sizes)
    lines = VIDEO_LINES.get(template.code, 0)
    if "resolution" in parameters:
        lines = max(int(each.removesuffix("p")) for each in parameters["resolution"]["enum"])
    if not lines:
        raise LookupError(f"{template.code}: state the lines in VIDEO_LINES")
    return lines**2 * widest_ratio(template)


def widest_ratio(template: Template) -> float:
    """Return the largest ratio of a video's sides: of a parameter, or of the first image."""
    ratios = [WIDEST_RATIO]
    ratios += [rules.aspect_ratio_max or 1 for rules in template.image_rules.values()]
    for ratio in template.parameters.get("aspect_ratio", {}).get("enum", []):
        width, height = map(int, ratio.split(":")) if ":" in ratio else (1, 1)
        ratios += [width / height, height / width]
    return max(ratios)


def seconds(template: Template) -> float:
    parameters = template.parameters
    if "num_frames" in parameters:
        slowest = parameters["frames_per_second"]["minimum"]
        return float(parameters["num_frames"]["maximum"] / slowest)
    duration = parameters["duration"]
    return float(max(duration.get("enum", [duration.get("maximum")])))
