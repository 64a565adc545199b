"""A deployment takes effect: what the workflow and the API call are aliases, and an alias moves only when a new version is published."""

from __future__ import annotations

import pytest
from samcli.yamlhelper import yaml_parse

from local.cloudformation.template import translate
from tests.aws import ROOT


def versions(
    *,
    code: str = "code",
    shared: str = "shared",
    dependencies: str = "dependencies",
    media: str = "media",
) -> dict[str, str]:
    """Translate the template as if this had been built, and give each function's version resource."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    layers = {"DarkroomLayer": shared, "DependenciesLayer": dependencies, "MediaLayer": media}
    for name, resource in template["Resources"].items():
        if "CodeUri" in resource.get("Properties", {}):
            resource["Properties"]["CodeUri"] = f"{code}-{name}"
        elif name in layers:
            resource["Properties"]["ContentUri"] = layers[name]
    translated = translate(template, {})["Resources"]
    return {
        resource["Properties"]["FunctionName"]["Ref"]: name
        for name, resource in translated.items()
        if resource["Type"] == "AWS::Lambda::Version"
    }


def test_the_same_build_publishes_nothing_new() -> None:
    assert versions() == versions()


def test_every_function_has_a_version() -> None:
    assert len(versions()) == len(list((ROOT / "functions").iterdir()))


@pytest.mark.parametrize("layer", ["shared", "dependencies"])
def test_a_new_layer_alone_publishes_a_new_version_of_every_function(layer: str) -> None:
    before, after = versions(), versions(**{layer: "new"})

    assert not set(before.values()) & set(after.values())


def test_a_new_media_layer_publishes_a_new_version_of_who_uses_it_alone() -> None:
    before, after = versions(), versions(media="new")

    assert {name for name in before if before[name] != after[name]} == {
        "PrepareUploadFunction",
        "StoreOutputFunction",
    }
