"""The built SAM template, translated to CloudFormation.

`sam build` writes paths for code, layers and state machine definitions. `sam deploy` uploads the
files and writes S3 locations, which AWS's translator requires. Here each path becomes a key in the
bucket `BUILD_BUCKET`, and `built_path` returns the file of a key.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local.cloudformation.account import REGION
from local.cloudformation.intrinsics import parameter_value

BUILD_BUCKET = "sam-build"
_PATHS = ("CodeUri", "ContentUri", "DefinitionUri")


def read_template(build_dir: Path) -> dict[str, Any]:
    """Read the template that `sam build --build-dir` wrote.

    Raises FileNotFoundError if there is no build.
    """
    path = build_dir / "template.yaml"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist. Build the stack first with `make build-local`."
        )
    template: dict[str, Any] = json.loads(_parsed(path.read_text()))
    return template


def translate(template: dict[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Translate a built template to CloudFormation with AWS's own SAM translator.

    Changes the paths in `template` to S3 locations. The translator resolves references to
    parameters, so it gets lists as lists, as from CloudFormation.
    """
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for name in _PATHS:
            if isinstance(properties.get(name), str):
                properties[name] = {"Bucket": BUILD_BUCKET, "Key": properties[name]}
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    translated: dict[str, Any] = translator.translate(
        template, {"AWS::Region": REGION, **parameters, **_lists(template, parameters)}
    )
    # Unpublished metrics cause a warning at exit. Here, `publish` sends nothing.
    translator.metrics.publish()
    return translated


# A process of the tests starts many stacks, and parsing is a quarter of a start.
@cache
def _parsed(text: str) -> str:
    return json.dumps(yaml_parse(text))


def _lists(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, list[str]]:
    values = {
        name: parameter_value(declaration, parameters.get(name, declaration.get("Default", "")))
        for name, declaration in template.get("Parameters", {}).items()
    }
    return {name: value for name, value in values.items() if isinstance(value, list)}


def built_path(build_dir: Path, location: Mapping[str, Any]) -> Path:
    """Return the built file or folder of an S3 location in the translated template.

    Raises ValueError for a location outside the build, and FileNotFoundError if it is missing.
    """
    bucket, key = (location.get(f"S3{name}", location.get(name)) for name in ("Bucket", "Key"))
    if bucket != BUILD_BUCKET or not isinstance(key, str):
        raise ValueError(f"this location is not in the local build: {dict(location)}")
    path = (build_dir / key).resolve()
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist. Build the stack again with `make build-local`."
        )
    return path
