"""The finished build: a workflow in JSON, and a revision that every change changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from samcli.yamlhelper import yaml_parse

from local.cloudformation.state_machines import definition_json
from local.cloudformation.template import BUILD_BUCKET, translate
from tests.aws import ROOT, TEMPLATE
from tools.deployment.account import Account
from tools.deployment.build import PARAMETER, deploy_template, deployed_revision, finish
from tools.deployment.commands import Plan, deploy
from tools.deployment.refusals import DeploymentRefused
from tools.deployment.settings import Deployment

# A stack with the parts that the revision concerns.
SMALL = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  JobsPerMinuteMax: {Type: Number, Default: 120}
  Revision: {Type: String, Default: ""}
Globals:
  Function:
    Runtime: python3.13
    Handler: handler.handler
    AutoPublishAlias: live
    Layers: [!Ref Layer]
    Environment: {Variables: {REVISION: !Ref Revision, JOBS_PER_MINUTE_MAX: !Ref JobsPerMinuteMax}}
Resources:
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: Layer, PublishLambdaVersion: true}
  FirstFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: FirstFunction, MemorySize: 1024, AutoPublishCodeSha256: !Ref Revision}
  SecondFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: SecondFunction, AutoPublishCodeSha256: !Ref Revision}
  Workflow:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: ../../workflow.asl.yaml
      DefinitionSubstitutions: {RequestPredictionFunctionArn: !Ref FirstFunction.Alias}
"""


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A small build, with one file for each function and layer."""
    directory = tmp_path / ".aws-sam/local"
    directory.mkdir(parents=True)
    shutil.copy(ROOT / "workflow.asl.yaml", tmp_path)
    for name in ("Layer", "FirstFunction", "SecondFunction"):
        (directory / name).mkdir()
        (directory / name / "code.py").write_text(f"# {name}\n")
    (directory / "template.yaml").write_text(SMALL)
    return directory


def built_template(build: Path) -> dict[str, Any]:
    template: dict[str, Any] = yaml_parse((build / "template.yaml").read_text())
    return template


def versions(template: dict[str, Any]) -> dict[str, str]:
    """Return the logical id of each function's version, and its REVISION."""
    resources = translate(template, {})["Resources"]
    functions = {
        name: resource["Properties"]["Environment"]["Variables"]["REVISION"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    return {
        name: functions[resource["Properties"]["FunctionName"]["Ref"]]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Version"
    }


def test_the_workflow_is_deployed_as_the_same_document_in_json(build: Path) -> None:
    finish(build)

    uri = built_template(build)["Resources"]["Workflow"]["Properties"]["DefinitionUri"]
    text = (build / uri).read_text()
    assert uri == "workflow.asl.json"
    assert json.loads(text) == yaml.safe_load((ROOT / "workflow.asl.yaml").read_text())
    assert '"BackoffRate": 2.0' in text
    assert '"BackoffRate": 2,' not in text


def test_the_local_stack_reads_the_json_definition(build: Path) -> None:
    finish(build)
    names = TEMPLATE["Resources"]["Workflow"]["Properties"]["DefinitionSubstitutions"]
    location = {"Bucket": BUILD_BUCKET, "Key": "workflow.asl.json"}

    definition = definition_json(
        {"DefinitionS3Location": location, "DefinitionSubstitutions": dict.fromkeys(names, "arn")},
        build,
    )

    states = json.loads(definition)["States"]
    assert states["RequestPrediction"]["Parameters"]["FunctionName"] == "arn"


def test_every_function_gets_the_revision_and_no_parameter_is_left(build: Path) -> None:
    revision = finish(build)

    template = built_template(build)
    found = versions(template)
    assert "Revision" not in template["Parameters"]
    assert len(found) == 2
    assert set(found.values()) == {revision}
    assert template["Metadata"]["Revision"] == revision


def test_a_second_finish_changes_nothing(build: Path) -> None:
    first = finish(build)
    text = (build / "template.yaml").read_text()

    assert finish(build) == first
    assert (build / "template.yaml").read_text() == text


def test_the_revision_ignores_times_and_bytecode(build: Path) -> None:
    copy = build.with_name("copy")
    shutil.copytree(build, copy, copy_function=shutil.copyfile)
    (copy / "FirstFunction/__pycache__").mkdir()
    (copy / "FirstFunction/__pycache__/code.cpython-313.pyc").write_bytes(b"other")
    (copy / ".ready").touch()

    assert finish(build) == finish(copy)


@pytest.mark.parametrize(
    "changed",
    ["FirstFunction/code.py", "Layer/code.py", "template.yaml", "../../workflow.asl.yaml"],
)
def test_every_change_of_the_content_changes_the_revision(build: Path, changed: str) -> None:
    copy = build.with_name("copy")
    shutil.copytree(build, copy)
    before = finish(build)
    text = (copy / changed).read_text()
    (copy / changed).write_text(text.replace("MemorySize: 1024", "MemorySize: 1025") + "# new\n")
    if changed.endswith("workflow.asl.yaml"):
        (copy / changed).write_text(text.replace("MaxAttempts: 15", "MaxAttempts: 16"))

    assert finish(copy) != before


def test_a_changed_parameter_publishes_a_new_version_of_every_function(build: Path) -> None:
    finish(build)
    deployed = [
        versions(yaml_parse(deploy_template(build, values).read_text()))
        for values in (
            {"JobsPerMinuteMax": "3"},
            {"JobsPerMinuteMax": "3"},
            {"JobsPerMinuteMax": "4"},
        )
    ]

    assert deployed[0] == deployed[1]
    assert not deployed[1].keys() & deployed[2].keys()
    assert len(set(deployed[2].values())) == 1


def test_the_deployed_template_differs_only_by_the_revision(build: Path) -> None:
    built = finish(build)

    path = deploy_template(build, {"A": "1"})

    revision = deployed_revision(built, {"A": "1"})
    assert path.read_text() == (build / "template.yaml").read_text().replace(built, revision)


def test_a_deployment_requires_a_finished_build(build: Path) -> None:
    for directory in (build, build.with_name("missing")):
        with pytest.raises(DeploymentRefused, match=r"no finished build\. Type: make build"):
            deploy_template(directory, {})


def test_a_revision_is_text_for_yaml_and_a_name_for_cloudformation(build: Path) -> None:
    revision = finish(build)

    assert yaml.safe_load(f"value: {revision}")["value"] == revision
    assert revision.isalnum()
    assert revision[0] == "r"


def test_each_function_of_the_template_refers_to_the_revision() -> None:
    functions = [
        resource["Properties"]
        for resource in TEMPLATE["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]

    assert len(functions) == len(list((ROOT / "functions").iterdir()))
    for function in functions:
        assert function["AutoPublishCodeSha256"] == {"Ref": PARAMETER}, function["Description"]
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["REVISION"] == {"Ref": PARAMETER}


@pytest.mark.parametrize(("pipeline", "asks"), [("", True), ("true", False)])
def test_only_a_pipeline_deploys_without_a_question(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipeline: str, asks: bool
) -> None:
    finish(build)
    calls = tmp_path / "calls"
    sam = tmp_path / "bin/sam"
    sam.parent.mkdir()
    sam.write_text(f'#!/bin/sh\necho "$@" > {calls}\n')
    sam.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sam.parent}:/bin")
    monkeypatch.setenv("CI", pipeline)
    account = Account(region="eu-central-1", identifier="123456789012", caller="a role")

    deploy(Plan(Deployment("prod", "darkroom-prod", {}), account, {}, {}), build)

    assert ("--no-confirm-changeset" in calls.read_text()) is not asks
