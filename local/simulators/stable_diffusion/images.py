"""The images of a run."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from PIL import Image, ImageOps, PngImagePlugin

from local.simulators.common.image_transform import blend, open_image
from local.simulators.common.landscape import draw_landscape
from local.simulators.stable_diffusion.kinds import Resize

_GRAY = (128, 128, 128)


def draw(
    run_input: Mapping[str, Any], seed: int, source: bytes | None, resize: Resize
) -> Image.Image:
    """Draw the image of a prompt. With a source, blend the fitted source and the prompt's image."""
    size = (run_input["width"], run_input["height"])
    if source is None:
        return draw_landscape(run_input["prompt"], seed, 0, size)
    fitted = fit_source(source, size, resize)
    landscape = draw_landscape(run_input["prompt"], seed, 0, fitted.size)
    return blend(landscape, [_png(fitted, "")])


def fit_source(source: bytes, size: tuple[int, int], resize: Resize) -> Image.Image:
    """Fit the initial image to the size of the run."""
    image = open_image(source).convert("RGB")
    match resize:
        case Resize.NONE:
            return image
        case Resize.STRETCH:
            return image.resize(size)
        case Resize.CROP:
            return ImageOps.fit(image, size)
        case Resize.FILL:
            return ImageOps.pad(image, size)


def half_drawn(image: Image.Image) -> Image.Image:
    """Return the image of a run that was interrupted: its lower half is gray."""
    image = image.convert("RGB")
    image.paste(_GRAY, (0, image.height // 2, image.width, image.height))
    return image


def encode(image: Image.Image, infotext: str) -> str:
    """Return a PNG file in Base64. The text `parameters` of the file is the infotext."""
    return base64.b64encode(_png(image, infotext)).decode()


def infotext(run_input: Mapping[str, Any], seed: int) -> str:
    """Return the description of an image."""
    return (
        f"{run_input['prompt']}\n"
        f"Negative prompt: {run_input['negative_prompt']}\n"
        f"Steps: {run_input['steps']}, Sampler: {run_input['sampler_name']}, "
        f"Schedule type: {run_input['scheduler']}, "
        f"CFG scale: {run_input['cfg_scale']}, Seed: {seed}, "
        f"Size: {run_input['width']}x{run_input['height']}"
    )


def _png(image: Image.Image, text: str) -> bytes:
    metadata = PngImagePlugin.PngInfo()
    metadata.add_text("parameters", text)
    file = BytesIO()
    image.save(file, "PNG", pnginfo=metadata)
    return file.getvalue()
