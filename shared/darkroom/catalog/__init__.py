"""The built-in generation templates: one TOML file each in this folder, and in `past` the versions that are no longer available.

A file is named by its template's code, a past one by code and version. Each is read when it is first asked for: an invocation that takes one
job need not read the whole catalog.
"""

import tomllib
from functools import cache
from importlib.resources import files

from darkroom.catalog.parsing import BrokenTemplate, parse_template
from darkroom.domain.errors import NotFound
from darkroom.domain.templates import Template


@cache
def codes() -> tuple[str, ...]:
    """Name the templates that are available, in alphabetical order."""
    return _names("")


def templates() -> dict[str, Template]:
    """Give every template that is available, by code. Raises BrokenTemplate naming the file."""
    return {code: template(code) for code in codes()}


def past_templates() -> dict[tuple[str, int], Template]:
    """Give the earlier versions, by code and version, so that it can be read what an old job was made from."""
    past = [_read(f"past/{name}") for name in _names("past")]
    return {(template.code, template.version): template for template in past}


def template(code: str, version: int | None = None) -> Template:
    """Find one template, in its current version, or in another. NotFound when there is none, BrokenTemplate when its file is."""
    if code in codes() and version in (None, _read(code).version):
        return _read(code)
    if version is not None and f"{code}.{version}" in _names("past"):
        return _read(f"past/{code}.{version}")
    raise NotFound("template")


@cache
def _names(folder: str) -> tuple[str, ...]:
    return tuple(
        sorted(
            file.name.removesuffix(".toml")
            for file in (files(__name__) / folder).iterdir()
            if file.name.endswith(".toml")
        )
    )


@cache
def _read(name: str) -> Template:
    try:
        found = parse_template(
            tomllib.loads((files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))
        )
    except (BrokenTemplate, tomllib.TOMLDecodeError) as error:
        raise BrokenTemplate(f"{name}.toml: {error}") from error
    if name not in (found.code, f"past/{found.code}.{found.version}"):
        raise BrokenTemplate(
            f"{name}.toml: must be named {found.code}.toml, or past/{found.code}.{found.version}.toml"
        )
    return found
