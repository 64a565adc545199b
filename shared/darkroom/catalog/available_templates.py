"""The available templates: those in the catalog whose provider is configured in this deployment.

Their parameters have only the values that the moderation limits of this deployment allow.
"""

from __future__ import annotations

from darkroom import catalog
from darkroom.domain.errors import FieldError, InvalidRequest, NotFound
from darkroom.domain.templates import Template
from darkroom.settings import settings


def available_templates() -> list[Template]:
    """Return the current version of each available template, sorted by code.

    Raises BrokenTemplate, which names the file.
    """
    limits = settings().moderation_limits
    return [
        template.limited(limits)
        for template in catalog.templates().values()
        if template.provider in settings().providers
    ]


def available_template(code: str, version: int | None = None) -> Template:
    """Return an available template: its current version, or the version given.

    Raises NotFound if there is none, or if its provider is not configured.
    """
    found = catalog.template(code, version)
    if found.provider not in settings().providers:
        raise NotFound("template")
    return found.limited(settings().moderation_limits)


def require_not_retired(code: str, *, field: str) -> None:
    """Raise InvalidRequest if the template is retired.

    The message names the successor, if it is available in this deployment.
    """
    successor = catalog.successor_of(code)
    if successor is None:
        return
    try:
        available_template(successor)
    except NotFound:
        advice = "GET /templates lists the available ones."
    else:
        advice = f"Use {successor} instead."
    raise InvalidRequest([FieldError(field, f"The template {code} is retired. {advice}")])
