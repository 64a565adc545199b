"""Parameters of the catalog's templates, as users send them."""

from __future__ import annotations

from typing import Any

from darkroom import catalog
from darkroom.domain.parameters import check_parameters
from darkroom.domain.templates import Template

UPLOAD = "01999999-aaaa-7bbb-8ccc-dddddddddddd"
URL = "https://example.com/image.png"
PROMPT_CHARACTERS_MAX = 5_000


def sample_parameters(template: Template, **more: Any) -> dict[str, Any]:
    """Return values for the required parameters, and the parameters that a test sets."""
    required = {
        name: UPLOAD if name in template.image_parameters else "a lighthouse"
        for name in template.required
    }
    return required | more


def checked_sample(code: str, **more: Any) -> dict[str, Any]:
    """Return the sample parameters of a template with presets and defaults filled in."""
    template = catalog.template(code)
    return check(template, sample_parameters(template, **more))


def check(template: Template, parameters: dict[str, Any]) -> dict[str, Any]:
    return check_parameters(template, parameters, prompt_characters_max=PROMPT_CHARACTERS_MAX)
