"""`env.json` and a copy of the built template, for `sam local` beside the running stack.

SAM CLI passes a function only the variables that the template declares. The copy declares all
variables of the running function, among them AWS_ENDPOINT_URL, and `env.json` has their values.
The deployed template declares none of the variables that only a local function needs.
"""

from __future__ import annotations

import platform
import shlex
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_dump

from local.cloudformation.template import read_template
from local.description import DIRECTORY, PATH, StackDescription, write_private
from local.lambda_runtime.functions import FunctionSpec

ENV_PATH = DIRECTORY / "env.json"
TEMPLATE_PATH = DIRECTORY / "sam-local" / "template.yaml"
EVENTS_DIRECTORY = DIRECTORY / "events"
IDENTITY_LAYER = "LocalIdentityLayer"
_IDENTITY_DIRECTORY = Path(__file__).parent / "layer"
_PATHS = ("CodeUri", "ContentUri", "DefinitionUri")
# The container sets these variables itself.
_OF_THE_RUNTIME = {
    "AWS_EXECUTION_ENV",
    "AWS_SAM_LOCAL",
    "HOME",
    "LAMBDA_TASK_ROOT",
    "LANG",
    "PATH",
    "TZ",
    "_HANDLER",
}


def function_variables(spec: FunctionSpec) -> dict[str, str]:
    """Return the variables of a function, without those that belong to its runtime."""
    return {
        name: value
        for name, value in spec.variables.items()
        if name not in _OF_THE_RUNTIME and not name.startswith("AWS_LAMBDA_")
    }


def write_files(
    stack: StackDescription,
    build_dir: Path = Path(".aws-sam/local"),
    *,
    directory: Path = DIRECTORY,
) -> None:
    """Write the description of the stack, `env.json` and the copy of the template.

    Raises FileNotFoundError if there is no build.
    """
    template_path = directory / TEMPLATE_PATH.relative_to(DIRECTORY)
    variables = {name: function_variables(spec) for name, spec in stack.functions.items()}
    template_path.parent.mkdir(parents=True, exist_ok=True)
    template_path.write_text(
        yaml_dump(local_template(read_template(build_dir), build_dir, variables))
    )
    write_private(directory / ENV_PATH.name, variables)
    stack.write(directory / PATH.name)


def local_template(
    template: dict[str, Any], build_dir: Path, variables: dict[str, dict[str, str]]
) -> dict[str, Any]:
    """Return the copy of a built template.

    - Paths are absolute, and the processor of this machine is the default.
    - Each function declares its own variables, and no variables are common.
    - Functions with a JWT route add the claims of the request's token to the event.
    """
    resources = {
        logical_id: _with_paths(resource, build_dir)
        for logical_id, resource in template["Resources"].items()
    }
    for logical_id, declared in variables.items():
        properties = resources[logical_id]["Properties"]
        properties["Environment"] = {"Variables": dict.fromkeys(declared, "")}
        if _has_jwt_route(properties):
            properties["Handler"] = "local_identity.handler"
            properties["Layers"] = [*properties.get("Layers", []), {"Ref": IDENTITY_LAYER}]
    resources[IDENTITY_LAYER] = {
        "Type": "AWS::Serverless::LayerVersion",
        "Properties": {"ContentUri": str(_IDENTITY_DIRECTORY)},
    }
    parameters = {name: dict(value) for name, value in template["Parameters"].items()}
    parameters["Architecture"]["Default"] = (
        "arm64" if platform.machine().lower() in ("aarch64", "arm64") else "x86_64"
    )
    common = template["Globals"]["Function"]
    of_functions = {name: value for name, value in common.items() if name != "Environment"}
    return {
        **template,
        "Globals": {"Function": of_functions},
        "Parameters": parameters,
        "Resources": resources,
    }


def invoke_command(logical_id: str, event: Path) -> list[str]:
    """Return the command by which `sam local` invokes a function with an event."""
    return [
        "sam",
        "local",
        "invoke",
        logical_id,
        "-t",
        str(TEMPLATE_PATH),
        "--env-vars",
        str(ENV_PATH),
        "-e",
        str(event),
    ]


def invoke_line(logical_id: str, event: Path) -> str:
    """Return the same command as a line to paste into a terminal."""
    return shlex.join([".venv/bin/sam", *invoke_command(logical_id, event)[1:]])


def _with_paths(resource: dict[str, Any], build_dir: Path) -> dict[str, Any]:
    properties = dict(resource.get("Properties", {}))
    for name in _PATHS:
        if isinstance(properties.get(name), str):
            properties[name] = str((build_dir / properties[name]).resolve())
    return {**resource, "Properties": properties}


def _has_jwt_route(properties: dict[str, Any]) -> bool:
    return any(
        event["Type"] == "HttpApi" and "Auth" not in event["Properties"]
        for event in properties.get("Events", {}).values()
    )
