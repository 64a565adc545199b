"""The types of resources that moto simulates.

Each resource is created by the API call that CloudFormation makes. moto's own CloudFormation is
not used: it lacks user pools, secrets and other types, ignores the substitutions of a state
machine, and creates state machines that never run. moto's other APIs have these features.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from local.cloudformation.account import REGION, URL_SUFFIX, Client, arn
from local.cloudformation.intrinsics import Value
from local.cloudformation.state_machines import definition_json, publish_version


@dataclass(frozen=True)
class PhysicalResource:
    """A created resource: its value of Ref, and its values of Fn::GetAtt by attribute."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CreateRequest:
    """A request to create a resource.

    `name` is the default physical name. A name in the properties overrides it.
    """

    logical_id: str
    name: str
    properties: dict[str, Any]
    client: Callable[[str], Client]
    build_dir: Path


def call(
    client: Client, operation: str, method: str, properties: Mapping[str, Any]
) -> dict[str, Any]:
    """Call an operation with those properties that are its arguments. Returns the response.

    CloudFormation mostly uses the API's names. It also accepts numbers and booleans as text
    ("5", "true"), and mappings where the API needs a JSON document.
    """
    shape = client.meta.service_model.operation_model(operation).input_shape
    response: dict[str, Any] = getattr(client, method)(**_cast(properties, shape))
    return response


def _cast(value: Value, shape: Shape) -> Value:
    match shape:
        case StructureShape():
            return {
                name: _cast(item, shape.members[name])
                for name, item in value.items()
                if name in shape.members
            }
        case MapShape():
            return {name: _cast(item, shape.value) for name, item in value.items()}
        case ListShape():
            return [_cast(item, shape.member) for item in value]
    return _SCALARS.get(shape.type_name, _unchanged)(value)


def _unchanged(value: Value) -> Value:
    return value


_SCALARS: Mapping[str, Callable[[Value], Value]] = {
    "boolean": lambda value: str(value).lower() == "true",
    "integer": int,
    "long": int,
    "string": lambda value: value if isinstance(value, str) else json.dumps(value),
}


def _table(request: CreateRequest) -> PhysicalResource:
    properties = {"TableName": request.name, **request.properties}
    table = call(request.client("dynamodb"), "CreateTable", "create_table", properties)[
        "TableDescription"
    ]
    attributes = {"Arn": table["TableArn"]}
    if "LatestStreamArn" in table:
        attributes["StreamArn"] = table["LatestStreamArn"]
    return PhysicalResource(table["TableName"], attributes)


def _bucket(request: CreateRequest) -> PhysicalResource:
    s3 = request.client("s3")
    name = request.properties.get("BucketName", request.name.lower())
    s3.create_bucket(Bucket=name)
    if versioning := request.properties.get("VersioningConfiguration"):
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    if cors := request.properties.get("CorsConfiguration"):
        s3.put_bucket_cors(
            Bucket=name,
            CORSConfiguration={"CORSRules": [_cors_rule(rule) for rule in cors["CorsRules"]]},
        )
    domains = {
        "DomainName": f"{name}.s3.{URL_SUFFIX}",
        "RegionalDomainName": f"{name}.s3.{REGION}.{URL_SUFFIX}",
    }
    return PhysicalResource(name, {"Arn": f"arn:aws:s3:::{name}", **domains})


def _cors_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    names = {"ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds", "Id": "ID"}
    return {names.get(name, name): value for name, value in rule.items()}


def _queue(request: CreateRequest) -> PhysicalResource:
    sqs = request.client("sqs")
    settings = {
        name: value
        for name, value in request.properties.items()
        if name not in ("QueueName", "Tags")
    }
    name = request.properties.get("QueueName", request.name)
    url = call(sqs, "CreateQueue", "create_queue", {"QueueName": name, "Attributes": settings})[
        "QueueUrl"
    ]
    return PhysicalResource(url, {"Arn": arn("sqs", name), "QueueName": name, "QueueUrl": url})


def _event_bus(request: CreateRequest) -> PhysicalResource:
    properties = {"Name": request.name, **request.properties}
    bus_arn = call(request.client("events"), "CreateEventBus", "create_event_bus", properties)[
        "EventBusArn"
    ]
    return PhysicalResource(properties["Name"], {"Arn": bus_arn, "Name": properties["Name"]})


def _rule(request: CreateRequest) -> PhysicalResource:
    events = request.client("events")
    properties = {"Name": request.name, **request.properties}
    rule_arn = call(events, "PutRule", "put_rule", properties)["RuleArn"]
    if properties.get("Targets"):
        call(events, "PutTargets", "put_targets", {"Rule": properties["Name"], **properties})
    bus = properties.get("EventBusName", "default")
    return PhysicalResource(
        properties["Name"] if bus == "default" else f"{bus}|{properties['Name']}", {"Arn": rule_arn}
    )


def _user_pool(request: CreateRequest) -> PhysicalResource:
    properties = {
        "PoolName": request.properties.get("UserPoolName", request.name),
        **request.properties,
    }
    pool = call(request.client("cognito-idp"), "CreateUserPool", "create_user_pool", properties)[
        "UserPool"
    ]
    provider = f"cognito-idp.{REGION}.{URL_SUFFIX}/{pool['Id']}"
    attributes = {
        "Arn": pool["Arn"],
        "UserPoolId": pool["Id"],
        "ProviderName": provider,
        "ProviderURL": f"https://{provider}",
    }
    return PhysicalResource(pool["Id"], attributes)


def _user_pool_client(request: CreateRequest) -> PhysicalResource:
    properties = {"ClientName": request.name, **request.properties}
    made = call(
        request.client("cognito-idp"), "CreateUserPoolClient", "create_user_pool_client", properties
    )
    client_id = made["UserPoolClient"]["ClientId"]
    return PhysicalResource(client_id, {"ClientId": client_id})


def _user_pool_group(request: CreateRequest) -> PhysicalResource:
    properties = {"GroupName": request.name, **request.properties}
    call(request.client("cognito-idp"), "CreateGroup", "create_group", properties)
    return PhysicalResource(properties["GroupName"])


def _secret(request: CreateRequest) -> PhysicalResource:
    secrets = request.client("secretsmanager")
    properties = {"Name": request.name, **request.properties}
    if (rules := properties.get("GenerateSecretString")) is not None:
        password = call(secrets, "GetRandomPassword", "get_random_password", rules)[
            "RandomPassword"
        ]
        template = rules.get("SecretStringTemplate")
        filled = (
            {**json.loads(template), rules["GenerateStringKey"]: password} if template else password
        )
        properties["SecretString"] = json.dumps(filled) if template else password
    secret_arn = call(secrets, "CreateSecret", "create_secret", properties)["ARN"]
    return PhysicalResource(secret_arn, {"Id": secret_arn})


def _state_machine(request: CreateRequest) -> PhysicalResource:
    properties = request.properties
    name = properties.get("StateMachineName", request.name)
    arguments = {
        "name": name,
        "definition": definition_json(properties, request.build_dir),
        "roleArn": properties["RoleArn"],
        "type": properties.get("StateMachineType", "STANDARD"),
    }
    machine_arn = request.client("stepfunctions").create_state_machine(**arguments)[
        "stateMachineArn"
    ]
    # CloudFormation's name for the revision of a new state machine.
    attributes = {"Arn": machine_arn, "Name": name, "StateMachineRevisionId": "INITIAL"}
    return PhysicalResource(machine_arn, attributes)


def _state_machine_version(request: CreateRequest) -> PhysicalResource:
    version_arn = publish_version(
        request.client("stepfunctions"), request.properties["StateMachineArn"]
    )
    return PhysicalResource(version_arn, {"Arn": version_arn})


def _state_machine_alias(request: CreateRequest) -> PhysicalResource:
    properties = request.properties
    routes = properties.get("RoutingConfiguration") or [properties["DeploymentPreference"]]
    alias_arn = request.client("stepfunctions").create_state_machine_alias(
        name=properties["Name"],
        routingConfiguration=[
            {
                "stateMachineVersionArn": route["StateMachineVersionArn"],
                "weight": int(route.get("StateMachineVersionWeight", 100)),
            }
            for route in routes
        ],
    )["stateMachineAliasArn"]
    return PhysicalResource(alias_arn, {"Arn": alias_arn})


CREATORS: Mapping[str, Callable[[CreateRequest], PhysicalResource]] = {
    "AWS::Cognito::UserPool": _user_pool,
    "AWS::Cognito::UserPoolClient": _user_pool_client,
    "AWS::Cognito::UserPoolGroup": _user_pool_group,
    "AWS::DynamoDB::Table": _table,
    "AWS::Events::EventBus": _event_bus,
    "AWS::Events::Rule": _rule,
    "AWS::S3::Bucket": _bucket,
    "AWS::SQS::Queue": _queue,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::StepFunctions::StateMachine": _state_machine,
    "AWS::StepFunctions::StateMachineAlias": _state_machine_alias,
    "AWS::StepFunctions::StateMachineVersion": _state_machine_version,
}
