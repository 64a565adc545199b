"""The built SAM template, translated to CloudFormation.

`sam build` writes paths for code, layers and state machine definitions. `sam deploy` uploads them
and writes S3 locations, which AWS's translator requires. Here each path becomes the key in the
bucket `BUILD_BUCKET`, and `built_path` finds the file again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local.cloudformation.account import REGION

BUILD_BUCKET = "sam-build"
_PATHS = ("CodeUri", "ContentUri", "DefinitionUri")


def read_template(build_dir: Path) -> dict[str, Any]:
    """Read the template that `sam build --build-dir` wrote.

    Raises FileNotFoundError that says how to build.
    """
    path = build_dir / "template.yaml"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; build the stack first (make build-local).")
    template: dict[str, Any] = yaml_parse(path.read_text())
    return template


def translate(template: dict[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Translate a built template to CloudFormation, by AWS's own SAM translator."""
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for name in _PATHS:
            if isinstance(properties.get(name), str):
                properties[name] = {"Bucket": BUILD_BUCKET, "Key": properties[name]}
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    translated: dict[str, Any] = translator.translate(
        template, {"AWS::Region": REGION, **parameters}
    )
    # Unpublished metrics would cause a warning at exit. Publishing sends them nowhere.
    translator.metrics.publish()
    return translated


def built_path(build_dir: Path, location: Mapping[str, Any]) -> Path:
    """Find the file or folder of an S3 location in the translated template."""
    bucket, key = (location.get(f"S3{name}", location.get(name)) for name in ("Bucket", "Key"))
    if bucket != BUILD_BUCKET or not isinstance(key, str):
        raise ValueError(f"not something that was built here: {dict(location)}")
    path = (build_dir / key).resolve()
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; build the stack again (make build-local).")
    return path
