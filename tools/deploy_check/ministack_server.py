"""Start MiniStack on 127.0.0.1, with its HTTP API repaired: python ministack_server.py PORT.

MiniStack's own environment runs this file. MiniStack 1.5.33 ignores the property Body of an
AWS::ApiGatewayV2::Api, so the API has no routes and no authorizers. This file adds them to the
records that MiniStack's requests read.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
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


if __name__ == "__main__":
    os.environ.update(
        BIND_HOST=_LOOPBACK, GATEWAY_PORT=sys.argv.pop(1), IOT_MTLS_ENABLED="0", SFTP_HOST=_LOOPBACK
    )
    confine_to_loopback()
    extract_each_archive_once(Path(tempfile.mkdtemp(prefix="archives-")))
    repair_http_api()
    import_module("ministack.app").main()
