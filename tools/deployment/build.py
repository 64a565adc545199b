"""Finishes what `sam build` wrote: the workflow as JSON, fewer files, and a revision.

    python -m tools.deployment.build DIRECTORY

`sam build` leaves the workflow's definition where it is. This module puts it into the build, as
JSON. It removes the API descriptions of the AWS services that no function calls. It also replaces
the parameter `Revision` by a value, so that plain `sam deploy` publishes a new version of each
function if the build has changed. See docs/decisions/0028-revision-in-the-built-template.md.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_dump, yaml_parse

from tools.deployment import api_descriptions
from tools.deployment.refusals import DeploymentRefused

PARAMETER = "Revision"
# `deploy_template` writes this file beside the built template.
DEPLOYED = "template.deploy.yaml"
# Hexadecimal digits of a revision: 64 bits. The letter before them keeps YAML from a number.
_LENGTH = 16


def finish(directory: Path) -> str:
    """Finish a build in place. Returns the revision of its content.

    A second call does nothing.
    """
    path = directory / "template.yaml"
    template = yaml_parse(path.read_text())
    if revision := template.get("Metadata", {}).get(PARAMETER):
        return str(revision)
    _write_definitions(template, directory)
    api_descriptions.remove_unused(directory)
    revision = content_hash(template, directory)
    path.write_text(yaml_dump(_with_revision(template, revision)))
    return revision


def content_hash(template: Mapping[str, Any], directory: Path) -> str:
    """Return a hash of the built template and of every file that the build contains.

    Times do not count. Bytecode does not count either: it follows from the sources, and Python
    does not write the same bytecode each time.
    """
    digest = hashlib.sha256(json.dumps(template, sort_keys=True, default=str).encode())
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        if len(relative.parts) == 1 and path.suffix != ".json":
            continue
        if path.is_file() and path.suffix != ".pyc":
            digest.update(f"\n{relative.as_posix()}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"r{digest.hexdigest()[:_LENGTH]}"


def deployed_revision(revision: str, parameters: Mapping[str, str]) -> str:
    """Return the revision of a build that is deployed with these values of all parameters."""
    text = json.dumps([revision, dict(parameters)], sort_keys=True)
    return f"r{hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]}"


def deploy_template(directory: Path, parameters: Mapping[str, str]) -> Path:
    """Write the template to deploy, with the revision of the build and the parameters.

    Raises DeploymentRefused if there is no finished build.
    """
    try:
        template = yaml_parse((directory / "template.yaml").read_text())
        built = str(template["Metadata"][PARAMETER])
    except (FileNotFoundError, KeyError):
        raise DeploymentRefused(f"{directory} has no finished build.", "make build") from None
    path = directory / DEPLOYED
    revision = deployed_revision(built, parameters)
    path.write_text(
        yaml_dump(_mapped(template, lambda value: revision if value == built else value))
    )
    return path


def _write_definitions(template: dict[str, Any], directory: Path) -> None:
    """Write each state machine's definition into the build as JSON, and refer to that file."""
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::Serverless::StateMachine":
            continue
        source = directory / resource["Properties"]["DefinitionUri"]
        target = directory / f"{source.name.partition('.')[0]}.asl.json"
        definition = _with_decimal_rates(yaml_parse(source.read_text()))
        target.write_text(json.dumps(definition, indent=2) + "\n")
        resource["Properties"]["DefinitionUri"] = target.name


def _with_decimal_rates(value: Any) -> Any:  # noqa: ANN401 (a definition)
    """Write each BackoffRate as a decimal number, as statelint requires."""
    if isinstance(value, Mapping):
        return {
            name: float(item) if name == "BackoffRate" else _with_decimal_rates(item)
            for name, item in value.items()
        }
    return [_with_decimal_rates(item) for item in value] if isinstance(value, list) else value


def _with_revision(template: dict[str, Any], revision: str) -> dict[str, Any]:
    """Replace each reference to the parameter Revision, and remove the parameter.

    `sam deploy` keeps a stack's value of each parameter that it does not get. A parameter would
    keep the old revision.
    """
    template["Parameters"].pop(PARAMETER, None)
    template.setdefault("Metadata", {})[PARAMETER] = revision
    replaced: dict[str, Any] = _mapped(
        template, lambda value: revision if value == {"Ref": PARAMETER} else value
    )
    return replaced


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:  # noqa: ANN401 (a template)
    """Return the value with every part changed."""
    changed = change(value)
    if isinstance(changed, Mapping):
        # The SAM CLI writes an OrderedDict in its order, and sorts any other mapping.
        return OrderedDict((name, _mapped(item, change)) for name, item in changed.items())
    return [_mapped(item, change) for item in changed] if isinstance(changed, list) else changed


if __name__ == "__main__":
    finish(Path(sys.argv[1]))
