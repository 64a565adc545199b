"""The built-in templates: one TOML file for each.

The file of a current version is `<code>.toml`. The file of an earlier version, which is no longer
available for new jobs, is `past/<code>.<version>.toml`. A file is parsed on its first use, so an
invocation that accepts a job parses one file only.
"""

import tomllib
from functools import cache
from importlib.resources import files

from darkroom.catalog.parsing import BrokenTemplate, parse_template
from darkroom.domain.errors import NotFound
from darkroom.domain.templates import Template


@cache
def codes() -> tuple[str, ...]:
    """Return the codes of the current templates, sorted."""
    return _names("")


def templates() -> dict[str, Template]:
    """Return all current templates, by code. Raises BrokenTemplate, which names the file."""
    return {code: template(code) for code in codes()}


def past_templates() -> dict[tuple[str, int], Template]:
    """Return the earlier versions, by code and version. Old jobs refer to them."""
    past = [_read(f"past/{name}") for name in _names("past")]
    return {(template.code, template.version): template for template in past}


def template(code: str, version: int | None = None) -> Template:
    """Return a template: its current version, or the version given.

    Raises NotFound if there is none, and BrokenTemplate if its file is not valid.
    """
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
        current, past = f"{found.code}.toml", f"past/{found.code}.{found.version}.toml"
        raise BrokenTemplate(f"{name}.toml: must be named {current} or {past}")
    return found
