"""The properties of template.yaml that can be checked without a deployment."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any

import pytest

from functions.api import handler as api
from functions.receive_prediction import handler as receive_prediction
from local.cloudformation.template import translate
from tests.aws import ROOT, TEMPLATE, folder_of, statements_of, substituted
from tests.unit import resolved_template

RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
WITHOUT_TOKEN = {
    ("GET", "/health"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/rapidoc-min.js"),
    ("GET", "/problems/{slug}"),
    ("ANY", "/webhooks/replicate"),
    ("ANY", "$default"),
}
LOG_DELIVERY_ACTIONS = {
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
}


@pytest.fixture(scope="module")
def translated() -> dict[str, Any]:
    """The template that CloudFormation receives."""
    return translate(copy.deepcopy(TEMPLATE), {})


def routes_of(function: str) -> dict[tuple[str, str], dict[str, Any]]:
    events = FUNCTIONS[function].get("Events", {}).values()
    api_events = [event["Properties"] for event in events if event["Type"] == "HttpApi"]
    return {
        (event.get("Method", "ANY"), event.get("Path", "$default")): event for event in api_events
    }


def routes_in(module: Any) -> set[tuple[str, str]]:
    routes = (*module.app._static_routes, *module.app._dynamic_routes)
    return {(route.method, re.sub(r"<(\w+)>", r"{\1}", route.path)) for route in routes}


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in RESOURCES.items():
        if "Policies" in resource["Properties"] and resource["Type"].startswith("AWS::Serverless"):
            yield from ((name, statement) for statement in statements_of(resource))


def references_in(value: object, names: set[str]) -> Iterator[str]:
    """Yield the resources that a value refers to."""
    match value:
        case {"Ref": str(name)} if name in names:
            yield name
        case {"Fn::GetAtt": attribute}:
            yield attribute.partition(".")[0] if isinstance(attribute, str) else attribute[0]
        case {"Fn::Sub": text}:
            template, variables = (text, {}) if isinstance(text, str) else text
            yield from (
                name
                for name in re.findall(r"\$\{(\w+)", template)
                if name in names and name not in variables
            )
            yield from references_in(variables, names)
        case dict():
            for part in value.values():
                yield from references_in(part, names)
        case list():
            for part in value:
                yield from references_in(part, names)


@pytest.mark.parametrize("preference", ["AllAtOnce", "Canary10Percent5Minutes"])
def test_resources_have_no_circular_references(preference: str) -> None:
    """A canary's alarm must not refer to the API, because the API refers to the alias."""
    resources = resolved_template.translated({"ApiDeploymentPreference": preference})["Resources"]
    graph = {}
    for name, resource in resources.items():
        depends_on = resource.get("DependsOn", [])
        parts = [resource.get("Properties"), resource.get("UpdatePolicy")]
        graph[name] = set(references_in(parts, set(resources))) | set(
            [depends_on] if isinstance(depends_on, str) else depends_on
        )

    assert graph["ApiFunctionRole"] >= {"Table", "MediaBucket"}, "no references were found"
    assert set(TopologicalSorter(graph).static_order()) >= resources.keys()


def test_a_functions_description_is_the_first_paragraph_of_its_docstring() -> None:
    different = []
    for function, properties in FUNCTIONS.items():
        source = (ROOT / "functions" / folder_of(function) / "handler.py").read_text()
        docstring = ast.get_docstring(ast.parse(source)) or ""
        if not docstring or properties["Description"] != docstring.split("\n\n")[0]:
            different.append(function)

    assert FUNCTIONS
    assert not different, f"other descriptions in template.yaml: {', '.join(different)}"


def test_every_function_has_a_folder_and_every_folder_a_function() -> None:
    folders = {
        path.name
        for path in (ROOT / "functions").iterdir()
        if path.is_dir() and path.name != "__pycache__"
    }

    assert {folder_of(function) for function in FUNCTIONS} == folders


@pytest.mark.parametrize(
    ("function", "module"),
    [("ApiFunction", api), ("ReceivePredictionFunction", receive_prediction)],
)
def test_the_routes_of_the_template_and_of_the_code_agree(function: str, module: Any) -> None:
    declared = {route for route in routes_of(function) if route[1] != "$default"}
    served = routes_in(module)

    # A function that receives all methods of a path refuses the methods that it does not serve.
    for method, path in declared:
        assert {route for route in served if route[1] == path and method in (route[0], "ANY")}, path
    assert {path for _, path in served} == {path for _, path in declared}


def test_only_these_routes_need_no_token() -> None:
    authorizers = RESOURCES["HttpApi"]["Properties"]["Auth"]
    without_token = {
        route
        for function in FUNCTIONS
        for route, event in routes_of(function).items()
        if event.get("Auth", {}).get("Authorizer", authorizers["DefaultAuthorizer"]) == "NONE"
    }

    assert authorizers["DefaultAuthorizer"] == "Jwt"
    assert without_token == WITHOUT_TOKEN


def test_the_translated_api_requires_a_token_for_all_other_routes(
    translated: dict[str, Any],
) -> None:
    paths = translated["Resources"]["HttpApi"]["Properties"]["Body"]["paths"]
    operations = {
        (method.upper(), path): operation
        for path, methods in paths.items()
        for method, operation in methods.items()
        if isinstance(operation, dict)
    }
    without_token = {
        path
        for (method, path), operation in operations.items()
        if not [scheme for scheme in operation.get("security", []) if "Jwt" in scheme]
        and method != "OPTIONS"
    }

    assert ("GET", "/jobs") in operations
    assert without_token == {path for _, path in WITHOUT_TOKEN}


def test_a_failed_or_delayed_run_of_recovery_is_not_repeated() -> None:
    recovery = FUNCTIONS["RecoverJobsFunction"]

    assert recovery["EventInvokeConfig"] == {
        "MaximumRetryAttempts": 0,
        "MaximumEventAgeInSeconds": 60,
    }
    assert recovery["Events"]["EveryMinute"]["Properties"]["RetryPolicy"] == {
        "MaximumRetryAttempts": 0
    }


def test_no_policy_allows_all_actions_or_all_resources() -> None:
    granted = list(statements())
    assert granted
    for name, statement in granted:
        actions = (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
        assert statement["Effect"] == "Allow"
        assert not [action for action in actions if "*" in action], name
        # Log deliveries have no ARNs.
        assert statement["Resource"] != "*" or set(actions) == LOG_DELIVERY_ACTIONS, name


def test_the_permission_tests_read_the_statements_that_cloudformation_receives(
    translated: dict[str, Any],
) -> None:
    assert FUNCTIONS
    for function in FUNCTIONS:
        role = translated["Resources"][f"{function}Role"]["Properties"]
        managed = [
            translated["Resources"][policy["Ref"]]["Properties"]
            for policy in role["ManagedPolicyArns"]
            if "Ref" in policy
        ]
        documents = [policy["PolicyDocument"] for policy in (*managed, *role.get("Policies", []))]
        granted = [
            substituted(statement) for document in documents for statement in document["Statement"]
        ]
        read = statements_of(RESOURCES[function])

        assert sorted(map(json.dumps, read)) == sorted(map(json.dumps, granted)), function


def test_all_arns_of_the_state_machine_contain_its_name(translated: dict[str, Any]) -> None:
    text = json.dumps(substituted(translated["Resources"]))
    named = re.findall(r':(?:stateMachine|execution):([^"]+?)(?::\*)?"', text)

    assert len(named) > 1
    assert [{"Fn::Sub": name} for name in set(named)] == [
        RESOURCES["Workflow"]["Properties"]["Name"]
    ]


def test_only_these_functions_may_read_secrets() -> None:
    readers = {
        name
        for name, statement in statements()
        if "secretsmanager:GetSecretValue" in statement["Action"]
    }

    assert readers == {
        "CheckCatalogFunction",
        "RequestPredictionFunction",
        "ReceivePredictionFunction",
        "StoreOutputFunction",
        "RefundJobFunction",
        "RecoverJobsFunction",
    }


def test_functions_that_call_providers_share_one_policy() -> None:
    callers = {
        name
        for name, properties in FUNCTIONS.items()
        if {"Ref": "ProviderAccess"} in properties["Policies"]
    }
    own = json.dumps(
        [
            policy
            for properties in FUNCTIONS.values()
            for policy in properties["Policies"]
            if policy != {"Ref": "ProviderAccess"}
        ]
    )

    assert callers == {
        "CheckCatalogFunction",
        "RequestPredictionFunction",
        "ReceivePredictionFunction",
        "StoreOutputFunction",
        "RefundJobFunction",
        "RecoverJobsFunction",
    }
    assert not {"ReplicateTokenSecret", "RunwayKeySecret", "StableDiffusionLoginSecret"} & set(
        re.findall(r"\w+Secret", own)
    )


def test_only_these_functions_may_delete_objects() -> None:
    deleters = {
        (function, json.dumps(statement["Resource"]))
        for function, statement in statements()
        if "s3:DeleteObject" in json.dumps(statement["Action"])
    }
    media, inputs = (
        '{"Fn::Sub": "${MediaBucket.Arn}/media/*"}',
        '{"Fn::Sub": "${MediaBucket.Arn}/uploads/*"}',
    )

    assert deleters == {
        ("ApiFunction", media),
        ("RecoverJobsFunction", media),
        ("StoreOutputFunction", media),
        ("PrepareUploadFunction", inputs),
    }


def test_no_function_may_delete_the_table_the_bucket_or_in_bulk() -> None:
    assert not re.search(
        r'"\w+:(DeleteTable|DeleteBucket|BatchWrite|DeleteObjectVersion)',
        json.dumps([statement for _, statement in statements()]),
    )


def test_the_table_the_bucket_and_the_user_pool_outlive_the_stack() -> None:
    for name in ("Table", "MediaBucket", "UserPool"):
        assert RESOURCES[name]["DeletionPolicy"] == "Retain", name
        assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain", name


def test_the_table_has_point_in_time_recovery_and_ttl() -> None:
    table = RESOURCES["Table"]["Properties"]

    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_the_bucket_is_private_and_encrypted_and_requires_tls() -> None:
    bucket = RESOURCES["MediaBucket"]["Properties"]
    (statement,) = RESOURCES["MediaBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert (statement["Effect"], statement["Principal"], statement["Condition"]) == (
        "Deny",
        "*",
        {"Bool": {"aws:SecureTransport": "false"}},
    )


def test_a_callback_that_fails_too_often_moves_to_the_dead_letters() -> None:
    queue = RESOURCES["CallbackQueue"]["Properties"]

    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == "CallbackDeadLetters.Arn" or queue[
        "RedrivePolicy"
    ]["deadLetterTargetArn"] == {"Fn::GetAtt": ["CallbackDeadLetters", "Arn"]}
    assert queue["SqsManagedSseEnabled"] is True


def test_secrets_have_no_value_in_the_template() -> None:
    for secret in ("ReplicateTokenSecret", "ReplicateWebhookSecret"):
        assert RESOURCES[secret]["Properties"].keys() == {"Description"}


def test_a_user_cannot_set_a_platform() -> None:
    client = RESOURCES["UserPoolClient"]["Properties"]

    assert "custom:platform" in client["ReadAttributes"]
    assert "custom:platform" not in client["WriteAttributes"]


@pytest.mark.parametrize(
    ("layer", "function"),
    [("MediaInputsLayer", "PrepareUploadFunction"), ("MediaOutputsLayer", "StoreOutputFunction")],
)
def test_one_function_has_each_media_layer(layer: str, function: str) -> None:
    assert [
        name
        for name, properties in FUNCTIONS.items()
        if {"Ref": layer} in properties.get("Layers", [])
    ] == [function]
