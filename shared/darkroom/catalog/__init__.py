"""The built-in generation templates: one TOML file each in this folder."""

import tomllib
from functools import cache
from importlib.resources import files

from darkroom.domain.errors import NotFound
from darkroom.domain.templates import BrokenTemplate, Template, parse_template


@cache
def templates() -> dict[str, Template]:
    """Load every template, by code. Raises BrokenTemplate naming the file."""
    found: dict[str, Template] = {}
    for file in sorted(files(__name__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            try:
                template = parse_template(tomllib.loads(file.read_text(encoding="utf-8")))
            except (BrokenTemplate, tomllib.TOMLDecodeError) as error:
                raise BrokenTemplate(f"{file.name}: {error}") from error
            if template.code != file.name.removesuffix(".toml"):
                raise BrokenTemplate(f"{file.name}: code: must be the file's name")
            found[template.code] = template
    return found


def template(code: str) -> Template:
    """Find one template; NotFound when there is none of this code."""
    try:
        return templates()[code]
    except KeyError:
        raise NotFound("template") from None
