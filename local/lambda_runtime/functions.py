"""The configuration of each function: code, layers, handler, environment variables, limits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.cloudformation.account import REGION, role_access_key
from local.cloudformation.resources import Resources
from local.cloudformation.template import built_path

# Lambda API Reference, "Invoke": a name, name:qualifier, a partial ARN or a full one.
_NAME_IN_REFERENCE = re.compile(
    r"(?:(?:arn:[^:]+:lambda:[^:]*:)?\d{12}:function:|function:)?"
    r"(?P<name>[A-Za-z0-9_-]+)(?::[^:/]+)?"
)


_COMMON_VARIABLES = {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_REGION": REGION,
    # SAM CLI also sets this variable. It disables the tracer, which would need an X-Ray daemon.
    "AWS_SAM_LOCAL": "true",
    "AWS_SESSION_TOKEN": "local-session-token",
    # Lambda's user has no home directory. With this machine's HOME, the SDK would read the
    # configuration of the machine's user.
    "HOME": "/nonexistent",
    "LANG": "en_US.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "TZ": ":UTC",
}


@dataclass(frozen=True)
class FunctionSpec:
    """The configuration of one function.

    `variables` are the template's environment variables and Lambda's reserved ones. They include
    the access key of `role_arn`, and no environment variables of this machine.
    """

    logical_id: str
    name: str
    handler: str
    task_root: Path
    layers: tuple[Path, ...]
    variables: Mapping[str, str]
    timeout_seconds: int
    memory_mb: int
    role_arn: str = ""


def read_functions(
    resources: Resources, build_dir: Path, aws_url: str, variables: Mapping[str, str]
) -> dict[str, FunctionSpec]:
    """Read the functions of the stack, by physical name.

    `variables` are added to each function's own environment variables, and override them.
    """
    layers = {
        resources.ref(logical_id): built_path(build_dir, properties["Content"])
        for logical_id, properties in resources.of_type("AWS::Lambda::LayerVersion").items()
    }
    specs = [
        _spec(
            logical_id,
            properties,
            name=resources.ref(logical_id),
            layers=layers,
            build_dir=build_dir,
            aws_url=aws_url,
            variables=variables,
        )
        for logical_id, properties in resources.of_type("AWS::Lambda::Function").items()
    ]
    return {spec.name: spec for spec in specs}


def function_name(reference: str) -> str:
    """Return the name in a name, a partial ARN or a full ARN, with or without a qualifier.

    Raises ValueError for other text.
    """
    found = _NAME_IN_REFERENCE.fullmatch(reference)
    if not found:
        raise ValueError(f"{reference} is not the name or the ARN of a function")
    return found["name"]


def _spec(
    logical_id: str,
    properties: Mapping[str, Any],
    *,
    name: str,
    layers: Mapping[str, Path],
    build_dir: Path,
    aws_url: str,
    variables: Mapping[str, str],
) -> FunctionSpec:
    task_root = built_path(build_dir, properties["Code"])
    timeout_seconds = int(properties.get("Timeout", 3))
    memory_mb = int(properties.get("MemorySize", 128))
    own_variables = {
        key: str(value)
        for key, value in properties.get("Environment", {}).get("Variables", {}).items()
    }
    access_key = role_access_key(properties["Role"])
    reserved = {
        **_COMMON_VARIABLES,
        "AWS_ACCESS_KEY_ID": access_key.id,
        "AWS_ENDPOINT_URL": aws_url,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{properties.get('Runtime', '')}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_seconds),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_SECRET_ACCESS_KEY": access_key.secret,
        "LAMBDA_TASK_ROOT": str(task_root),
        "_HANDLER": properties["Handler"],
    }
    return FunctionSpec(
        logical_id=logical_id,
        name=name,
        handler=properties["Handler"],
        task_root=task_root,
        layers=tuple(layers[layer] for layer in properties.get("Layers", [])),
        variables={**own_variables, **variables, **reserved},
        timeout_seconds=timeout_seconds,
        memory_mb=memory_mb,
        role_arn=properties["Role"],
    )
