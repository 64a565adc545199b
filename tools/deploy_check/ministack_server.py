"""Start MiniStack on 127.0.0.1, with its gaps repaired: python ministack_server.py PORT.

MiniStack's own environment runs this file. MiniStack 1.5.33 ignores the property Body of an
AWS::ApiGatewayV2::Api, so the API has no routes and no authorizers. This file adds them to the
records that MiniStack's requests read. MiniStack publishes versions of state machines by its API,
but not by CloudFormation. This file adds these types of resources. MiniStack refuses alarms on
metric math. Here, such an alarm watches its first metric.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

_LOOPBACK = "127.0.0.1"
# An id of MiniStack's HTTP APIs has eight hexadecimal digits.
_ID_LENGTH = 8


def confine_to_loopback() -> None:
    """Refuse every address except 127.0.0.1 to the servers of this process.

    By default, MiniStack's MQTT, SFTP and HTTP servers listen on all addresses.
    """

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.bind" and arguments[1][0] != _LOOPBACK:
            raise PermissionError(f"MiniStack may not listen at {arguments[1]}")

    sys.addaudithook(refuse)


def api_id(stack_name: str) -> str:
    """Return the id of a stack's HTTP API. A deployment knows the URL of the API in advance."""
    return hashlib.sha256(stack_name.encode()).hexdigest()[:_ID_LENGTH]


def authorizers(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the JWT authorizers of an API's Body, by name."""
    schemes = body.get("components", {}).get("securitySchemes", {})
    return {
        name: {
            "authorizerId": name,
            "authorizerType": "JWT",
            "name": name,
            "identitySource": [authorizer["identitySource"]],
            "jwtConfiguration": authorizer["jwtConfiguration"],
        }
        for name, scheme in schemes.items()
        if (authorizer := scheme.get("x-amazon-apigateway-authorizer"))
    }


def routes(body: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each route of an API's Body with its integration."""
    for path, operations in body["paths"].items():
        for method, operation in operations.items():
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            key = "$default" if path == "/$default" else f"{verb} {path}"
            names = [name for each in operation.get("security", ()) for name in each]
            authorizer = next((name for name in names if name != "NONE"), None)
            identifier = hashlib.sha256(key.encode()).hexdigest()[:_ID_LENGTH]
            integration = operation["x-amazon-apigateway-integration"]
            yield (
                {
                    "routeId": identifier,
                    "routeKey": key,
                    "target": f"integrations/{identifier}",
                    "authorizationType": "JWT" if authorizer else "NONE",
                    "authorizerId": authorizer,
                    "authorizationScopes": [],
                    "apiKeyRequired": False,
                },
                {
                    "integrationId": identifier,
                    "integrationType": "AWS_PROXY",
                    "integrationUri": integration["uri"],
                    "integrationMethod": "POST",
                    "payloadFormatVersion": integration["payloadFormatVersion"],
                    "timeoutInMillis": 30_000,
                    "connectionType": "INTERNET",
                },
            )


def cors(body: dict[str, Any]) -> dict[str, Any]:
    """Return the CORS configuration of an API's Body."""
    configuration: dict[str, Any] = body.get("x-amazon-apigateway-cors", {})
    return configuration


def extract_each_archive_once(directory: Path) -> None:
    """Extract each archive into `directory` once, and link to its entries after that.

    MiniStack extracts the layers again for each worker of each function: 100 MB and ten seconds.
    """
    extract, lock = zipfile.ZipFile.extractall, Lock()

    def extract_or_link(archive: zipfile.ZipFile, path: str) -> None:
        contents = [(entry.filename, entry.CRC) for entry in archive.infolist()]
        extracted = directory / hashlib.sha256(repr(contents).encode()).hexdigest()
        with lock:
            if not extracted.exists():
                partial = extracted.with_suffix(".partial")
                extract(archive, partial)
                partial.rename(extracted)
        for entry in extracted.iterdir():
            (Path(path) / entry.name).symlink_to(entry)

    zipfile.ZipFile.extractall = extract_or_link  # type: ignore[method-assign, assignment]


def repair_http_api() -> None:
    """Make MiniStack read the Body of an HTTP API. Each stack's API gets the id `api_id`."""
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    apigateway: Any = import_module("ministack.services.apigateway")
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]  # noqa: SLF001
    create, update = handlers["create"], handlers["update"]

    def read_body(identifier: str, properties: dict[str, Any]) -> None:
        body = properties.get("Body") or {"paths": {}}
        api = apigateway._apis[identifier]  # noqa: SLF001
        api["corsConfiguration"] = cors(body)
        found = list(routes(body))
        for records, values in (
            (apigateway._authorizers, authorizers(body)),  # noqa: SLF001
            (apigateway._routes, {route["routeId"]: route for route, _ in found}),  # noqa: SLF001
            (
                apigateway._integrations,  # noqa: SLF001
                {integration["integrationId"]: integration for _, integration in found},
            ),
        ):
            records[identifier] = values

    def create_with_body(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:  # noqa: ANN401
        properties_with_id = {
            **properties,
            "Tags": {**(properties.get("Tags") or {}), "ms-custom-id": api_id(stack_name)},
        }
        created = create(logical_id, properties_with_id, stack_name)
        read_body(created[0], properties)
        return created

    def update_with_body(
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack_name: str,
        logical_id: str | None = None,
    ) -> Any:  # noqa: ANN401
        updated = update(physical_id, old, new, stack_name, logical_id)
        read_body(updated[0], new)
        return updated

    handlers.update(create=create_with_body, update=update_with_body)


def add_versions_of_state_machines() -> None:
    """Add the resource types of versions and aliases. They call MiniStack's own operations."""
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    states: Any = import_module("ministack.services.stepfunctions")

    def publish(_logical_id: str, properties: dict[str, Any], _stack_name: str) -> Any:  # noqa: ANN401
        version = _called(
            states._publish_state_machine_version,  # noqa: SLF001
            stateMachineArn=properties["StateMachineArn"],
            revisionId=properties["StateMachineRevisionId"],
        )["stateMachineVersionArn"]
        return version, {"Arn": version}

    def create(_logical_id: str, properties: dict[str, Any], _stack_name: str) -> Any:  # noqa: ANN401
        alias = _called(
            states._create_state_machine_alias,  # noqa: SLF001
            name=properties["Name"],
            routingConfiguration=routing(properties),
        )["stateMachineAliasArn"]
        return alias, {"Arn": alias}

    def update(
        physical_id: str, _old: dict[str, Any], new: dict[str, Any], _stack_name: str
    ) -> Any:  # noqa: ANN401
        _called(
            states._update_state_machine_alias,  # noqa: SLF001
            stateMachineAliasArn=physical_id,
            routingConfiguration=routing(new),
        )
        return physical_id, {"Arn": physical_id}

    def delete(physical_id: str, _properties: dict[str, Any]) -> None:
        _called(states._delete_state_machine_alias, stateMachineAliasArn=physical_id)  # noqa: SLF001

    # Without `update`, MiniStack creates a changed version anew, as AWS does. The template retains
    # the versions, so nothing deletes them.
    provisioners._RESOURCE_HANDLERS.update(  # noqa: SLF001
        {
            "AWS::StepFunctions::StateMachineVersion": {
                "create": publish,
                "delete": lambda *_: None,
            },
            "AWS::StepFunctions::StateMachineAlias": {
                "create": create,
                "update": update,
                "delete": delete,
            },
        }
    )


def accept_styles_of_sign_in() -> None:
    """Accept the style of a managed login. MiniStack has no such pages, so nothing is stored."""
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")

    def create(logical_id: str, _properties: dict[str, Any], _stack_name: str) -> Any:  # noqa: ANN401
        return logical_id, {"ManagedLoginBrandingId": logical_id}

    provisioners._RESOURCE_HANDLERS["AWS::Cognito::ManagedLoginBranding"] = {  # noqa: SLF001
        "create": create,
        "delete": lambda *_: None,
    }


def accept_metric_math() -> None:
    """Create each alarm on metric math with the definition of `on_first_metric`."""
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    record = provisioners._cw_metric_alarm_record  # noqa: SLF001

    def record_on_first_metric(name: str, properties: dict[str, Any]) -> Any:  # noqa: ANN401
        return record(name, on_first_metric(properties))

    provisioners._cw_metric_alarm_record = record_on_first_metric  # noqa: SLF001


def on_first_metric(properties: dict[str, Any]) -> dict[str, Any]:
    """Return an alarm's properties with its first metric in place of its metric math."""
    if "Metrics" not in properties:
        return properties
    first = properties["Metrics"][0]["MetricStat"]
    others = {name: value for name, value in properties.items() if name != "Metrics"}
    return {**others, **first["Metric"], "Statistic": first["Stat"], "Period": first["Period"]}


def routing(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the routing of an alias that CloudFormation moves all at once."""
    version = properties["DeploymentPreference"]["StateMachineVersionArn"]
    return [{"stateMachineVersionArn": version, "weight": 100}]


def _called(operation: Any, **request: Any) -> dict[str, Any]:  # noqa: ANN401
    """Call an operation of MiniStack. Raises ValueError for its errors."""
    status, _, body = operation(request)
    if status != HTTPStatus.OK:
        raise ValueError(f"{operation.__name__}: {status} {body!r}")
    document: dict[str, Any] = json.loads(body or "{}")
    return document


if __name__ == "__main__":
    os.environ.update(
        BIND_HOST=_LOOPBACK, GATEWAY_PORT=sys.argv.pop(1), IOT_MTLS_ENABLED="0", SFTP_HOST=_LOOPBACK
    )
    confine_to_loopback()
    extract_each_archive_once(Path(tempfile.mkdtemp(prefix="archives-")))
    repair_http_api()
    add_versions_of_state_machines()
    accept_metric_math()
    accept_styles_of_sign_in()
    import_module("ministack.app").main()
