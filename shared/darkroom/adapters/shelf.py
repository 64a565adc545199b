"""The templates that this deployment sells: those of the catalog whose provider it has."""

from __future__ import annotations

from darkroom import catalog
from darkroom.domain.errors import NotFound
from darkroom.domain.templates import Template
from darkroom.settings import settings


def templates() -> list[Template]:
    """Give what is sold here, by code. Raises BrokenTemplate naming the file."""
    return [template for template in catalog.templates().values() if template.provider in settings().providers]


def template(code: str, version: int | None = None) -> Template:
    """Find one that is sold here, in the version that is sold or in another. Raises NotFound."""
    found = catalog.template(code, version)
    if found.provider not in settings().providers:
        raise NotFound("template")
    return found
