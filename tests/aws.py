"""Simulated AWS in the test process (moto), set up from template.yaml and workflow.asl.yaml."""

from __future__ import annotations

import json
import os
import re
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.dynamodb.responses import DynamoHandler
from samcli.yamlhelper import yaml_parse
from samtranslator.policy_template_processor.processor import PolicyTemplatesProcessor

from darkroom.aws import secrets
from darkroom.media.outputs import download
from darkroom.providers.stable_diffusion import server
from darkroom.settings import settings
from darkroom.storage import accounts, provider_state
from local.cloudformation.state_machines import start_by_alias
from local.cloudformation.task_failures import task_failures
from local.simulators.replicate import SimulatedReplicate

ROOT = Path(__file__).parents[1]
TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
CONTEXT = SimpleNamespace(
    function_name="test",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:test",
    aws_request_id="test",
    get_remaining_time_in_millis=lambda: 60_000,
)
_TABLE_PROPERTIES = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


def forget_settings() -> None:
    """Clear the cached settings, secrets, accounts and states of providers.

    AWS clients stay cached, because they start slowly.
    """
    for cached in (settings, download._session):
        cached.cache_clear()
    secrets._cache.clear()
    server.forget_capabilities()
    accounts._recorded.clear()
    provider_state._recent_states.clear()


@cache
def client(service: str) -> Any:
    """Return a boto3 client. A cached client also works with a new moto account."""
    return boto3.client(service)  # type: ignore[call-overload]


@pytest.fixture
def one_dynamodb_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moto handle one request to DynamoDB at a time, from any thread.

    moto reads an item while another thread changes the item, and then raises an error. DynamoDB
    reads and writes an item as a whole.
    """
    lock, call_action = threading.RLock(), DynamoHandler.call_action

    def call_action_alone(handler: Any) -> Any:
        with lock:
            return call_action(handler)

    monkeypatch.setattr(DynamoHandler, "call_action", call_action_alone)


@pytest.fixture
def aws(one_dynamodb_request_at_a_time: None) -> Iterator[None]:
    """An AWS account with the template's table, bucket, bus and secrets, all empty."""
    config = {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}
    with mock_aws(config=config), start_by_alias(), task_failures():
        forget_settings()
        table = TEMPLATE["Resources"]["Table"]["Properties"]
        client("dynamodb").create_table(
            TableName=os.environ["TABLE_NAME"], **{name: table[name] for name in _TABLE_PROPERTIES}
        )
        client("s3").create_bucket(Bucket=os.environ["MEDIA_BUCKET"])
        client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")
        client("events").create_event_bus(Name=os.environ["EVENT_BUS_NAME"])
        client("secretsmanager").create_secret(
            Name=os.environ["REPLICATE_TOKEN_SECRET"], SecretString="r8_test"
        )
        client("secretsmanager").create_secret(Name=os.environ["REPLICATE_WEBHOOK_SECRET"])
        yield
    forget_settings()


@pytest.fixture
def simulated_replicate(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedReplicate]:
    """A simulated Replicate. The settings and the webhook secret of the functions match it."""
    with SimulatedReplicate() as replicate:
        monkeypatch.setenv("REPLICATE_BASE_URL", f"{replicate.base_url}/v1")
        monkeypatch.setenv("DELIVERY_HOSTS", replicate.base_url.removeprefix("http://"))
        client("secretsmanager").put_secret_value(
            SecretId=os.environ["REPLICATE_WEBHOOK_SECRET"], SecretString=replicate.webhook_secret
        )
        forget_settings()
        yield replicate


@dataclass(frozen=True)
class Workflow:
    """The deployed workflow definition. Its states call the real handlers and retry after 1 s."""

    definition: dict[str, Any]
    broken: dict[str, Callable[[Any], Any]]

    def break_function(self, name: str, instead: Callable[[Any], Any]) -> None:
        """Replace a function's handler from now on."""
        self.broken[name] = instead


@pytest.fixture
def workflow(aws: None, monkeypatch: pytest.MonkeyPatch) -> Workflow:
    """Create the state machine of workflow.asl.yaml. Its tasks call the handlers in functions/."""
    broken: dict[str, Callable[[Any], Any]] = {}
    monkeypatch.setattr(
        LambdaSimpleBackend,
        "invoke",
        lambda _, function, __, body, ___, response_headers: _invoke(
            function, body, response_headers, broken
        ),
    )
    role = client("iam").get_role(RoleName="any")["Role"]["Arn"]
    substitutions = TEMPLATE["Resources"]["Workflow"]["Properties"]["DefinitionSubstitutions"]
    arns = {
        key: _arn_of(value["Ref"].removesuffix(".Alias")) for key, value in substitutions.items()
    }
    text = re.sub(
        r"\$\{(\w+)\}", lambda match: arns[match[1]], (ROOT / "workflow.asl.yaml").read_text()
    )
    definition = yaml_parse(text)
    for state in definition["States"].values():
        for retry in state.get("Retry", []):
            retry |= {"IntervalSeconds": 1, "BackoffRate": 1}
    name = os.environ["STATE_MACHINE_ARN"].rpartition(":")[2]
    created = client("stepfunctions").create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=role, publish=True
    )
    client("stepfunctions").create_state_machine_alias(
        name=TEMPLATE["Resources"]["Workflow"]["Properties"]["AutoPublishAlias"],
        routingConfiguration=[
            {"stateMachineVersionArn": created["stateMachineVersionArn"], "weight": 100}
        ],
    )
    return Workflow(definition, broken)


def handler_of(function: str) -> Callable[[Any, Any], Any]:
    """Return the handler in a folder of functions/."""
    found: Callable[[Any, Any], Any] = import_module(f"functions.{function}.handler").handler
    return found


def folder_of(logical_id: str) -> str:
    """Return the folder of a function of the template."""
    folder: str = TEMPLATE["Resources"][logical_id]["Properties"]["CodeUri"]
    return Path(folder).name


def statements_of(resource: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each policy statement of a function or of the state machine.

    This includes its own statements, the statements of SAM's policy templates, and the statements
    of the managed policies that it refers to.
    """
    for policy in resource["Properties"]["Policies"]:
        match policy:
            case {"Statement": statements}:
                yield from statements
            case {"Ref": name}:
                yield from TEMPLATE["Resources"][name]["Properties"]["PolicyDocument"]["Statement"]
            case _:
                ((name, parameters),) = policy.items()
                yield from substituted(_policy_templates().convert(name, parameters)["Statement"])


def substituted(value: Any) -> Any:
    """Replace the variables of each `Fn::Sub` in its text, for example `event-bus/${EventBus}`."""
    match value:
        case {"Fn::Sub": [str(text), dict(variables)]}:
            return {
                "Fn::Sub": re.sub(
                    r"\$\{(\w+)\}",
                    lambda match: (
                        _as_text(variables[match[1]]) if match[1] in variables else match[0]
                    ),
                    text,
                )
            }
        case dict():
            return {key: substituted(part) for key, part in value.items()}
        case list():
            return [substituted(part) for part in value]
        case _:
            return value


def _as_text(value: Any) -> str:
    match value:
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::Sub": str(text)}:
            return text
        case {"Fn::If": [_, first, _]}:
            return _as_text(first)
        case str():
            return value
        case _:
            raise NotImplementedError(value)


@cache
def _policy_templates() -> PolicyTemplatesProcessor:
    return PolicyTemplatesProcessor(PolicyTemplatesProcessor.get_default_policy_templates_json())


def _arn_of(logical_id: str) -> str:
    return f"arn:aws:lambda:us-east-1:123456789012:function:{folder_of(logical_id)}"


def _invoke(
    function_arn: str,
    body: bytes | str,
    response_headers: dict[str, str],
    broken: dict[str, Callable[[Any], Any]],
) -> bytes:
    name = function_arn.rpartition(":")[2]
    event = json.loads(body)
    try:
        result = broken[name](event) if name in broken else handler_of(name)(event, CONTEXT)
    except Exception as error:  # noqa: BLE001 (Lambda also catches every exception)
        # Lambda returns an exception as a document with these fields.
        response_headers["x-amz-function-error"] = "Unhandled"
        failed = {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "stackTrace": traceback.format_exc().splitlines(),
        }
        return json.dumps(failed).encode()
    return json.dumps(result).encode()
