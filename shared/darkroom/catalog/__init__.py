"""The built-in templates: one TOML file for each.

The file of a current version is `<code>.toml`. The file of an earlier version, which is no longer
available for new jobs, is `past/<code>.<version>.toml`. A retired template has past versions only,
and the last of them names its successor. A file is parsed on its first use, so an invocation that
accepts a job parses one file only.
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


def last_version(code: str) -> Template:
    """Return the current version of a template, or the last version of a retired one.

    Raises NotFound if there is none, and BrokenTemplate if its file is not valid.
    """
    past = [name.rpartition(".") for name in _names("past")]
    versions = [int(version) for name, _, version in past if name == code]
    return template(code, None if code in codes() else max(versions, default=None))


def retired() -> dict[str, str]:
    """Return the retired codes, each with the code of its successor.

    Raises BrokenTemplate if a retired template names no current template as its successor.
    """
    past = {name.rpartition(".")[0] for name in _names("past")}
    found = {}
    for code in sorted(past - set(codes())):
        successor = successor_of(code)
        if successor is None or successor not in codes():
            raise BrokenTemplate(f"past/{code}: the last version must name a current successor")
        found[code] = successor
    return found


def successor_of(code: str) -> str | None:
    """Return the code of the successor of a retired template, or None if it is not retired."""
    if code in codes():
        return None
    try:
        return last_version(code).successor
    except NotFound:
        return None


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
    if name == found.code and found.successor is not None:
        raise BrokenTemplate(f"{name}.toml: successor: only a retired template has one")
    if name == found.code and found.checked is None:
        raise BrokenTemplate(f"{name}.toml: checked: must say where the parameters were read")
    return found
