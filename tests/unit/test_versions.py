"""New code and new layers publish new versions of the functions, a new definition one of the
workflow.

The workflow and the API call aliases. An alias moves only when a new version is published.
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from functools import cache
from typing import Any

import pytest
from samcli.cli.types import CfnParameterOverridesType
from samcli.yamlhelper import yaml_parse

from local.cloudformation.template import translate
from tests.aws import ROOT, TEMPLATE


def version_resources(
    *,
    code: str = "code",
    shared: str = "shared",
    dependencies: str = "dependencies",
    media_inputs: str = "media_inputs",
    media_outputs: str = "media_outputs",
    **parameters: str,
) -> dict[str, str]:
    """Translate the template with these builds. Returns the version resource of each function."""
    return {
        resource["Properties"]["FunctionName"]["Ref"]: name
        for name, resource in translated(
            code=code,
            shared=shared,
            dependencies=dependencies,
            media_inputs=media_inputs,
            media_outputs=media_outputs,
            **parameters,
        ).items()
        if resource["Type"] == "AWS::Lambda::Version"
    }


@cache
def translated(
    *,
    code: str = "code",
    shared: str = "shared",
    dependencies: str = "dependencies",
    media_inputs: str = "media_inputs",
    media_outputs: str = "media_outputs",
    **parameters: str,
) -> dict[str, Any]:
    """Translate the template with these builds and parameters. Returns the resources."""
    template = copy.deepcopy(TEMPLATE)
    layers = {
        "DarkroomLayer": shared,
        "DependenciesLayer": dependencies,
        "MediaInputsLayer": media_inputs,
        "MediaOutputsLayer": media_outputs,
    }
    for name, resource in template["Resources"].items():
        if "CodeUri" in resource.get("Properties", {}):
            resource["Properties"]["CodeUri"] = f"{code}-{name}"
        elif name in layers:
            resource["Properties"]["ContentUri"] = layers[name]
    resources: dict[str, Any] = translate(template, parameters)["Resources"]
    return resources


def samconfig() -> dict[str, Any]:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    return {name: environment for name, environment in config.items() if name != "version"}


def test_the_same_build_publishes_no_new_version() -> None:
    before = version_resources()
    translated.cache_clear()

    assert version_resources() == before


def test_every_function_has_a_version() -> None:
    assert len(version_resources()) == len(list((ROOT / "functions").iterdir()))


def test_a_new_shared_or_dependencies_layer_updates_every_function() -> None:
    before = version_resources()

    for layer in ("shared", "dependencies"):
        after = version_resources(**{layer: "new"})

        assert not set(before.values()) & set(after.values()), layer


@pytest.mark.parametrize(
    ("layer", "function"),
    [("media_inputs", "PrepareUploadFunction"), ("media_outputs", "StoreOutputFunction")],
)
def test_a_new_media_layer_updates_only_the_function_that_uses_it(
    layer: str, function: str
) -> None:
    before, after = version_resources(), version_resources(**{layer: "new"})

    assert [name for name in before if before[name] != after[name]] == [function]


def test_a_new_revision_publishes_a_new_version_of_every_function() -> None:
    before, after = version_resources(Revision="a1b2c3"), version_resources(Revision="d4e5f6")

    assert not set(before.values()) & set(after.values())
    assert before.keys() == after.keys()


def test_the_same_revision_publishes_no_new_version() -> None:
    before = version_resources(Revision="a1b2c3")
    translated.cache_clear()

    assert version_resources(Revision="a1b2c3") == before


def test_a_new_revision_changes_every_function() -> None:
    """Lambda refuses to publish a version of a function that has not changed."""
    resources = translated(Revision="a1b2c3")
    functions = [each for each in resources.values() if each["Type"] == "AWS::Lambda::Function"]

    assert len(functions) == len(version_resources())
    for function in functions:
        assert function["Properties"]["Environment"]["Variables"]["REVISION"] == {"Ref": "Revision"}


def test_without_a_revision_new_code_publishes_new_versions() -> None:
    before, after = version_resources(Revision=""), version_resources(Revision="", code="new")

    assert not set(before.values()) & set(after.values())


def test_the_default_revision_is_empty() -> None:
    """With a fixed text, plain `sam deploy` would never publish new code."""
    assert TEMPLATE["Parameters"]["Revision"]["Default"] == ""


def test_no_environment_sets_a_revision() -> None:
    """The tools write it. A stack would keep a value that it got once."""
    for environment, sections in samconfig().items():
        overrides = CfnParameterOverridesType().convert(
            sections["global"]["parameters"]["parameter_overrides"], None, None
        )

        assert "Revision" not in overrides, environment


def test_a_description_has_room_for_a_revision() -> None:
    """The translator appends Revision to the description, which has at most 256 characters."""
    for resource in TEMPLATE["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            assert len(resource["Properties"]["Description"]) + 1 + 64 <= 256


def test_a_new_revision_of_the_workflow_publishes_a_version_and_moves_the_alias() -> None:
    translated = translate(yaml_parse((ROOT / "template.yaml").read_text()), {})["Resources"]
    version, alias = translated["WorkflowVersion"], translated["WorkflowAliaslive"]

    assert version["Properties"] == {
        "StateMachineArn": {"Ref": "Workflow"},
        "StateMachineRevisionId": {"Fn::GetAtt": ["Workflow", "StateMachineRevisionId"]},
    }
    # A running execution needs its version no more, but a rollback of the alias does.
    assert (version["UpdateReplacePolicy"], version["DeletionPolicy"]) == ("Retain", "Retain")
    assert alias["Properties"] == {
        "Name": "live",
        "DeploymentPreference": {
            "StateMachineVersionArn": {"Ref": "WorkflowVersion"},
            "Type": "ALL_AT_ONCE",
        },
    }


def test_parameters_and_new_code_change_no_revision_of_the_workflow() -> None:
    # A revision changes with the definition, the role, the logs and the traces
    # (docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html). The ARN
    # of a function's alias is the same for each version.
    template = yaml_parse((ROOT / "template.yaml").read_text())
    names = set(template["Parameters"])
    workflow = translate(template, {})["Resources"]["Workflow"]["Properties"]
    references = re.findall(r'"Ref": "(\w+)"|\$\{(\w+)\}', json.dumps(workflow))

    assert references
    assert not names & {name for reference in references for name in reference}
    for substitution in workflow["DefinitionSubstitutions"].values():
        assert substitution["Ref"].endswith("FunctionAliaslive")
