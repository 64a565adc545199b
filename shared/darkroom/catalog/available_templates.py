"""The available templates: those in the catalog whose provider is configured in this deployment.

A template that is off by default is available only if the deployment enables it. The parameters
have only the values that the moderation limits of this deployment allow.
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
        if _is_available(template)
    ]


def available_template(code: str, version: int | None = None) -> Template:
    """Return an available template: its current version, or the version given.

    Raises NotFound if there is none, or if this deployment does not offer it.
    """
    found = catalog.template(code, version)
    if not _is_available(found):
        raise NotFound("template")
    return found.limited(settings().moderation_limits)


def _is_available(template: Template) -> bool:
    is_enabled = not template.off_by_default or template.code in settings().enabled_templates
    return is_enabled and template.provider in settings().providers


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
