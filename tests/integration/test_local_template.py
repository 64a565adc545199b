"""The local stack reads a template as CloudFormation does, and names each unknown reference."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import requests

from local.cloudformation.intrinsics import (
    Resolver,
    Unresolvable,
    parameter_values,
    pseudo_parameters,
)
from local.cloudformation.state_machines import definition_json
from local.lambda_runtime.functions import function_name
from local.lambda_runtime.runtime_directory import install_runtime
from local.stack import LocalStack

APPLICATION = Path(__file__).parent / "local_application"


class KnownNames:
    def ref(self, logical_id: str) -> str:
        if logical_id != "Table":
            raise Unresolvable(logical_id)
        return "the-table"

    def attribute(self, logical_id: str, attribute: str) -> str:
        return f"{self.ref(logical_id)}/{attribute}"


def resolver(**sections: Any) -> Resolver:
    values = {**pseudo_parameters("trial"), "Mode": "dev", "Origins": ["a", "b"]}
    return Resolver(sections, values, KnownNames())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Mode"}, "dev"),
        ({"Ref": "Table"}, "the-table"),
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Ref": "Origins"}, ["a", "b"]),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "the-table/Arn"),
        ({"Fn::GetAtt": "Table.Stream.Arn"}, "the-table/Stream.Arn"),
        (
            {"Fn::Sub": "${AWS::StackName}-${Table}-${Table.Arn}-${!Literal}"},
            "trial-the-table-the-table/Arn-${Literal}",
        ),
        ({"Fn::Sub": ["${here}/${Mode}", {"here": {"Ref": "Table"}}]}, "the-table/dev"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Mode"}]]}, "a-dev"),
        ({"Fn::Select": ["1", {"Fn::Split": [",", "a,b"]}]}, "b"),
        ({"Fn::If": ["IsDev", "yes", "no"]}, "yes"),
        ({"Fn::If": ["IsProd", "yes", "no"]}, "no"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Mode"}, "memory"]}, 256),
        (
            {
                "a": {"Ref": "AWS::NoValue"},
                "b": [1, {"Fn::If": ["IsProd", 2, {"Ref": "AWS::NoValue"}]}],
            },
            {"b": [1]},
        ),
        (
            {"Ref": "Mode", "beside": "another key is no function"},
            {"Ref": "Mode", "beside": "another key is no function"},
        ),
    ],
)
def test_resolves_intrinsic_functions_as_cloudformation_does(value: Any, expected: Any) -> None:
    conditions = {
        "IsDev": {"Fn::Equals": [{"Ref": "Mode"}, "dev"]},
        "IsProd": {"Fn::And": [{"Fn::Not": [{"Condition": "IsDev"}]}, {"Condition": "IsDev"}]},
    }

    resolved = resolver(
        Conditions=conditions, Mappings={"Sizes": {"dev": {"memory": 256}}}
    ).resolve(value)

    assert resolved == expected


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"Ref": "Unknown"}, "Unknown"),
        ({"Fn::Sub": "${Unknown.Arn}"}, "Unknown"),
        ({"Fn::If": ["NoCondition", 1, 2]}, "NoCondition"),
        ({"Fn::ImportValue": "x"}, "Fn::ImportValue"),
        ({"Fn::FindInMap": ["Sizes", "dev", "memory"]}, "Sizes"),
        ("{{resolve:ssm:secret}}", "resolve:ssm"),
    ],
)
def test_refuses_an_unresolvable_value_by_its_name(value: Any, name: str) -> None:
    with pytest.raises(Unresolvable, match=name):
        resolver().resolve(value)


def test_parameters_override_their_defaults() -> None:
    template = {
        "Parameters": {
            "Url": {"Type": "String", "Default": ""},
            "Cost": {"Type": "Number", "Default": 10},
            "Origins": {"Type": "CommaDelimitedList", "Default": "a, b"},
        }
    }

    assert parameter_values(template, {"Url": "http://here"}) == {
        "Url": "http://here",
        "Cost": "10",
        "Origins": ["a", "b"],
    }


def test_refuses_an_undeclared_or_missing_parameter_by_its_name() -> None:
    with pytest.raises(Unresolvable, match="Typo"):
        parameter_values({"Parameters": {}}, {"Typo": "x"})
    with pytest.raises(Unresolvable, match="Required"):
        parameter_values({"Parameters": {"Required": {"Type": "String"}}}, {})


def test_finds_a_function_by_its_name_its_alias_and_its_arn() -> None:
    for reference in (
        "api",
        "api:live",
        "function:api",
        "123456789012:function:api:live",
        "arn:aws:lambda:us-east-1:123456789012:function:api",
        "arn:aws:lambda:us-east-1:123456789012:function:api:live",
        "arn:aws:lambda:us-east-1:123456789012:function:api:$LATEST",
    ):
        assert function_name(reference) == "api", reference


def test_substitutions_do_not_change_the_context_object() -> None:
    properties = {
        "DefinitionString": "Token: $$.Task.Token\nName: ${Arn}",
        "DefinitionSubstitutions": {"Arn": "arn:1"},
    }

    assert json.loads(definition_json(properties, APPLICATION)) == {
        "Token": "$$.Task.Token",
        "Name": "arn:1",
    }

    with pytest.raises(KeyError, match="Arn"):
        definition_json({**properties, "DefinitionSubstitutions": {}}, APPLICATION)


def test_a_changed_template_changes_the_stack(tmp_path: Path) -> None:
    build = tmp_path / "build"
    shutil.copytree(APPLICATION, build)
    template = build / "template.yaml"
    changed = (
        template.read_text()
        .replace("Path: /echo/self", "Path: /renamed/self")
        .replace("RETRIES:", "ADDED: new\n        RETRIES:")
    )
    template.write_text(changed)

    with LocalStack(build, runtime_dir=tmp_path / "runtime", log_dir=tmp_path / "logs") as stack:
        headers = {"Authorization": f"Bearer {stack.token('ann')}"}
        renamed = requests.get(f"{stack.api_url}/renamed/self", headers=headers, timeout=10)
        former = requests.get(f"{stack.api_url}/echo/self", headers=headers, timeout=10)

    assert renamed.json()["runtime"]["environment"]["ADDED"] == "new"
    assert former.json()["event"]["routeKey"] == "GET /echo/{id}"


def test_creates_the_runtime_directory_once_with_its_requirements(tmp_path: Path) -> None:
    directory = install_runtime(tmp_path)
    made_at = directory.stat().st_mtime_ns

    assert (directory / "awslambdaric" / "__main__.py").is_file()
    assert (directory / "simplejson").is_dir()
    assert not (directory / "moto").exists()
    assert install_runtime(tmp_path) == directory
    assert directory.stat().st_mtime_ns == made_at
