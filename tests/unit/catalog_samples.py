"""Parameters of the catalog's templates, as users send them."""

from __future__ import annotations

from typing import Any

from darkroom import catalog
from darkroom.domain.parameters import check_parameters
from darkroom.domain.templates import Template, image_schema

UPLOAD = "01999999-aaaa-7bbb-8ccc-dddddddddddd"
URL = "https://example.com/image.png"
PROMPT_CHARACTERS_MAX = 5_000


def sample_parameters(template: Template, **more: Any) -> dict[str, Any]:
    """Return values for the required parameters, and the parameters that a test sets."""
    return {name: _sample(template, name) for name in template.required} | more


def image_sample(template: Template, name: str) -> str:
    """Return an https URL for an image, or the id of an upload if no URL is accepted."""
    image = image_schema(template.parameters[name])
    return UPLOAD if image and "pattern" in image else URL


def _sample(template: Template, name: str) -> Any:
    if name in template.image_parameters:
        return UPLOAD
    return template.parameters[name].get("enum", ["a lighthouse"])[-1]


def checked_sample(code: str, **more: Any) -> dict[str, Any]:
    """Return the sample parameters of a template with presets and defaults filled in."""
    template = catalog.template(code)
    return check(template, sample_parameters(template, **more))


def check(template: Template, parameters: dict[str, Any]) -> dict[str, Any]:
    return check_parameters(template, parameters, prompt_characters_max=PROMPT_CHARACTERS_MAX)
