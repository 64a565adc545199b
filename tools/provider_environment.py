"""The providers of a stack, or of this machine's environment, as variables of `darkroom.settings`.

template.yaml tells which variable of the functions is a parameter and which is a secret. The name
of a provider's module is the prefix of its variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

from tools.stacks import outputs_of, parameter_of

_TEMPLATE = Path(__file__).parents[1] / "template.yaml"


@dataclass(frozen=True)
class ProviderEnvironment:
    """Variables for the settings, and the values of secrets that no stack has, by secret id."""

    variables: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Reference:
    """A variable of a provider: its URL, which is a parameter, or its key, which is a secret.

    `key_variable` is the variable of this machine with the key. It is empty for a URL.
    """

    variable: str
    name: str
    key_variable: str

    @property
    def is_key(self) -> bool:
        return bool(self.key_variable)


def environment_of_stack(stack: str, providers: Iterable[str]) -> ProviderEnvironment:
    """Return the providers of a stack, as its functions know them. The keys stay in the stack.

    Raises ClientError or BotoCoreError if the stack cannot be read.
    """
    outputs, variables, names = outputs_of(stack), dict[str, str](), []
    for provider in providers:
        found = {
            each.variable: outputs.get(f"{each.name}Arn", "")
            if each.is_key
            else parameter_of(stack, each.name) or ""
            for each in _references(provider)
        }
        variables |= found
        if all(found[each.variable] for each in _references(provider) if not each.is_key):
            names.append(provider)
    return ProviderEnvironment({**variables, "PROVIDERS": ",".join(names)})


def environment_of(
    environment: Mapping[str, str], providers: Iterable[str]
) -> ProviderEnvironment | None:
    """Return the providers whose key or URL is in the environment of this machine.

    Returns None if there is none. A URL that is not in the environment has its default.
    """
    variables, secrets, names = dict[str, str](), dict[str, str](), []
    for provider in providers:
        references = _references(provider)
        given = [each for each in references if environment.get(each.key_variable or each.variable)]
        urls = {
            each.variable: environment.get(each.variable) or _default(each.name)
            for each in references
            if not each.is_key
        }
        if not given or not all(urls.values()):
            continue
        keys = {each.variable: environment[each.key_variable] for each in given if each.is_key}
        names.append(provider)
        variables |= urls | {variable: variable for variable in keys}
        secrets |= keys
    if not names:
        return None
    return ProviderEnvironment({**variables, "PROVIDERS": ",".join(names)}, secrets)


def names_of_variables(providers: Iterable[str]) -> list[str]:
    """Return the names of the variables of this machine that choose a provider."""
    return sorted(
        each.key_variable or each.variable
        for provider in providers
        for each in _references(provider)
        if each.is_key or not _default(each.name)
    )


def _references(provider: str) -> list[_Reference]:
    template = _template()
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    found = []
    for variable, value in variables.items():
        name = _referred(value)
        if not variable.startswith(f"{provider.upper()}_") or not name:
            continue
        metadata = template["Resources"].get(name, {}).get("Metadata", {})
        key_variable = str(metadata.get("SecretVariable", ""))
        is_url = name in template["Parameters"] and variable.endswith("URL")
        if is_url or key_variable:
            found.append(_Reference(variable, name, key_variable))
    return found


def _referred(value: Any) -> str:  # noqa: ANN401 (a value of the template)
    """Return the name in `!Ref name`, also in the first branch of `!If`."""
    if isinstance(value, dict) and "Fn::If" in value:
        value = value["Fn::If"][1]
    return str(value.get("Ref", "")) if isinstance(value, dict) else ""


def _default(parameter: str) -> str:
    return str(_template()["Parameters"][parameter].get("Default", ""))


@cache
def _template() -> dict[str, Any]:
    template: dict[str, Any] = yaml_parse(_TEMPLATE.read_text())
    return template
