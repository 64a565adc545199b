"""The words in which a model describes its inputs."""

import hashlib
from typing import Any

from local.simulators.replicate.validation import Schema


def text(default: str | None = None) -> Schema:
    """Say that it is any text."""
    return {"type": "string"} if default is None else {"type": "string", "default": default}


def uri() -> Schema:
    """Say that it is a file, by its URL."""
    return {"type": "string", "format": "uri"}


def flag(*, default: bool) -> Schema:
    """Say that it is yes or no."""
    return {"type": "boolean", "default": default}


def integer(default: int | None = None, **limits: int) -> Schema:
    """Say that it is a whole number, with limits in JSON Schema's words."""
    schema: dict[str, Any] = {"type": "integer", **limits}
    return schema if default is None else {**schema, "default": default}


def number(default: float, **limits: float) -> Schema:
    """Say that it is a number, with limits in JSON Schema's words."""
    return {"type": "number", "default": default, **limits}


def choice(default: str, *others: str) -> Schema:
    """Say that it is one of several texts; the first is the default."""
    return {"type": "string", "enum": [default, *others], "default": default}


def simulated_version(full_name: str) -> str:
    """Return a version id of the real form, for an official model, whose real id nobody needs to name."""
    return hashlib.sha256(full_name.encode()).hexdigest()


def uris(**limits: int) -> Schema:
    """Say that it is several files, by their URLs."""
    return {"type": "array", "items": uri(), **limits}


def numbers(default: int, *others: int) -> Schema:
    """Say that it is one of several whole numbers; the first is the default."""
    return {"type": "integer", "enum": sorted([default, *others]), "default": default}
