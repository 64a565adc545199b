"""New code and new layers publish new versions of the functions.

The workflow and the API call aliases. An alias moves only when a new version is published.
"""

from __future__ import annotations

from samcli.yamlhelper import yaml_parse

from local.cloudformation.template import translate
from tests.aws import ROOT


def version_resources(
    *,
    code: str = "code",
    shared: str = "shared",
    dependencies: str = "dependencies",
    media: str = "media",
) -> dict[str, str]:
    """Translate the template with these builds. Returns the version resource of each function."""
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


def test_the_same_build_publishes_no_new_version() -> None:
    assert version_resources() == version_resources()


def test_every_function_has_a_version() -> None:
    assert len(version_resources()) == len(list((ROOT / "functions").iterdir()))


def test_a_new_shared_or_dependencies_layer_updates_every_function() -> None:
    before = version_resources()

    for layer in ("shared", "dependencies"):
        after = version_resources(**{layer: "new"})

        assert not set(before.values()) & set(after.values()), layer


def test_a_new_media_layer_updates_only_the_functions_that_use_it() -> None:
    before, after = version_resources(), version_resources(media="new")

    assert {name for name in before if before[name] != after[name]} == {
        "PrepareUploadFunction",
        "StoreOutputFunction",
    }
