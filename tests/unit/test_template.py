"""The stack as it will be deployed: what can be said of it without deploying it."""

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

RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
OPEN_TO_EVERYBODY = {
    ("GET", "/health"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/problems/{slug}"),
    ("ANY", "/webhooks/replicate"),
    ("ANY", "$default"),
}


@pytest.fixture(scope="module")
def translated() -> dict[str, Any]:
    """What CloudFormation is given."""
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
    """Every resource that a value leads to."""
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


def test_no_resource_waits_for_itself(translated: dict[str, Any]) -> None:
    resources = translated["Resources"]
    graph = {}
    for name, resource in resources.items():
        depends_on = resource.get("DependsOn", [])
        graph[name] = set(references_in(resource.get("Properties"), set(resources))) | set(
            [depends_on] if isinstance(depends_on, str) else depends_on
        )

    assert graph["ApiFunctionRole"] >= {"Table", "MediaBucket"}, "references are found at all"
    assert set(TopologicalSorter(graph).static_order()) >= resources.keys()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_described_by_the_first_sentence_of_its_handler(function: str) -> None:
    source = (ROOT / "functions" / folder_of(function) / "handler.py").read_text()
    docstring = ast.get_docstring(ast.parse(source))

    assert docstring
    assert FUNCTIONS[function]["Description"] == docstring.split("\n\n")[0]


def test_every_folder_is_a_function_and_every_function_a_folder() -> None:
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

    # Who takes every method of a path says by itself which of them it does not serve.
    for method, path in declared:
        assert {route for route in served if route[1] == path and method in (route[0], "ANY")}, path
    assert {path for _, path in served} == {path for _, path in declared}


def test_only_a_few_routes_are_open_to_everybody() -> None:
    authorizers = RESOURCES["HttpApi"]["Properties"]["Auth"]
    without = {
        route
        for function in FUNCTIONS
        for route, event in routes_of(function).items()
        if event.get("Auth", {}).get("Authorizer", authorizers["DefaultAuthorizer"]) == "NONE"
    }

    assert authorizers["DefaultAuthorizer"] == "Jwt"
    assert without == OPEN_TO_EVERYBODY


def test_the_translated_api_requests_a_token_everywhere_else(translated: dict[str, Any]) -> None:
    paths = translated["Resources"]["HttpApi"]["Properties"]["Body"]["paths"]
    operations = {
        (method.upper(), path): operation
        for path, methods in paths.items()
        for method, operation in methods.items()
        if isinstance(operation, dict)
    }
    without = {
        route
        for route, operation in operations.items()
        if not [scheme for scheme in operation.get("security", []) if "Jwt" in scheme]
        and route[0] != "OPTIONS"
    }

    assert ("GET", "/jobs") in operations
    assert {path for _, path in without} == {"/health", "/webhooks/replicate", "/$default"} or {
        path for _, path in without
    } == {path for _, path in OPEN_TO_EVERYBODY}


def test_a_recovery_that_failed_or_waits_is_not_tried_again_beside_the_next_one() -> None:
    recovery = FUNCTIONS["RecoverJobsFunction"]

    assert recovery["EventInvokeConfig"] == {
        "MaximumRetryAttempts": 0,
        "MaximumEventAgeInSeconds": 60,
    }
    assert recovery["Events"]["EveryMinute"]["Properties"]["RetryPolicy"] == {
        "MaximumRetryAttempts": 0
    }


def test_nobody_may_do_everything() -> None:
    granted = list(statements())
    assert granted
    for name, statement in granted:
        actions = (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
        assert statement["Effect"] == "Allow"
        assert not [action for action in actions if "*" in action], name
        assert statement["Resource"] != "*", name


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_permission_tests_read_the_statements_that_cloudformation_is_given(
    function: str, translated: dict[str, Any]
) -> None:
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

    assert sorted(map(json.dumps, statements_of(RESOURCES[function]))) == sorted(
        map(json.dumps, granted)
    )


def test_every_text_that_names_the_state_machine_has_its_name(translated: dict[str, Any]) -> None:
    text = json.dumps(substituted(translated["Resources"]))
    named = re.findall(r':(?:stateMachine|execution):([^"]+?)(?::\*)?"', text)

    assert len(named) > 1
    assert [{"Fn::Sub": name} for name in set(named)] == [
        RESOURCES["Workflow"]["Properties"]["Name"]
    ]


def test_only_steps_that_need_it_may_read_secrets() -> None:
    readers = {
        name
        for name, statement in statements()
        if "secretsmanager:GetSecretValue" in statement["Action"]
    }

    assert readers == {
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
        "RequestPredictionFunction",
        "ReceivePredictionFunction",
        "StoreOutputFunction",
        "RefundJobFunction",
        "RecoverJobsFunction",
    }
    assert not {"ReplicateTokenSecret", "RunwayKeySecret", "StableDiffusionLoginSecret"} & set(
        re.findall(r"\w+Secret", own)
    )


def test_only_the_users_delete_and_the_retention_reach_stored_media() -> None:
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
        ("PrepareUploadFunction", inputs),
    }


def test_nobody_may_delete_what_is_kept_in_bulk() -> None:
    assert not re.search(
        r'"\w+:(DeleteTable|DeleteBucket|BatchWrite|DeleteObjectVersion)',
        json.dumps([statement for _, statement in statements()]),
    )


@pytest.mark.parametrize("resource", ["Table", "MediaBucket", "UserPool"])
def test_what_cannot_be_made_again_outlives_the_stack(resource: str) -> None:
    assert (
        RESOURCES[resource]["DeletionPolicy"]
        == RESOURCES[resource]["UpdateReplacePolicy"]
        == "Retain"
    )


def test_the_table_can_be_wound_back_and_forgets_what_expires() -> None:
    table = RESOURCES["Table"]["Properties"]

    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_the_bucket_is_private_encrypted_and_reached_by_tls_alone() -> None:
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


def test_a_callback_that_fails_too_often_becomes_a_dead_letter() -> None:
    queue = RESOURCES["CallbackQueue"]["Properties"]

    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == "CallbackDeadLetters.Arn" or queue[
        "RedrivePolicy"
    ]["deadLetterTargetArn"] == {"Fn::GetAtt": ["CallbackDeadLetters", "Arn"]}
    assert queue["SqsManagedSseEnabled"] is True


def test_secrets_have_no_value_in_the_template() -> None:
    for secret in ("ReplicateTokenSecret", "ReplicateWebhookSecret"):
        assert RESOURCES[secret]["Properties"].keys() == {"Description"}


def test_a_user_cannot_choose_a_platform() -> None:
    client = RESOURCES["UserPoolClient"]["Properties"]

    assert "custom:platform" in client["ReadAttributes"]
    assert "custom:platform" not in client["WriteAttributes"]


def test_only_functions_that_decode_carry_the_media_layer() -> None:
    assert [
        name
        for name, properties in FUNCTIONS.items()
        if {"Ref": "MediaLayer"} in properties.get("Layers", [])
    ] == [
        "PrepareUploadFunction",
        "StoreOutputFunction",
    ]
