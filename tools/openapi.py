"""Write the OpenAPI document, which the API serves as /openapi.json: python -m tools.openapi.

Powertools makes a document of each function's routes and merges them. This module adds what no
route declares, and removes what Powertools adds although the API does not do it.
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge
from aws_lambda_powertools.event_handler.openapi.models import (
    Contact,
    HTTPBearer,
    License,
    Server,
    Tag,
)
from pydantic import TypeAdapter

from darkroom.api.openapi import SCHEMAS, SIGNATURE
from darkroom.schemas.responses import JobEventResponse
from darkroom.schemas.service_responses import MessageResponse, ProblemResponse

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "shared/darkroom/api/openapi.json"
"""The committed document. docs/openapi.json is a link to it."""

# The settings without a default. The document does not depend on their values.
_REQUIRED_SETTINGS = (
    "TABLE_NAME", "MEDIA_BUCKET", "EVENT_BUS_NAME", "STATE_MACHINE_ARN", "DELIVERY_HOSTS",
    "REPLICATE_BASE_URL", "REPLICATE_TOKEN_SECRET", "REPLICATE_WEBHOOK_SECRET",
    "CALLBACK_QUEUE_URL",
)  # fmt: skip
_DESCRIPTION = """\
Darkroom turns a prompt into stored images and videos, and keeps a ledger of credits.

**Sign in.** Send the ID token of your user as `Authorization: Bearer <token>`.

**Submit a job.** List the templates, then send `POST /jobs` with a template and its parameters.
Send an `Idempotency-Key` too. Then you can repeat the request after a timeout, and there is only \
one job.

**Wait for its end.** Poll `GET /jobs/{job_id}`, or give the job a `callback_url`.

**Errors.** An error is a problem document (RFC 9457). Its `type` is the path of a page that says \
what to do. A refused request changes nothing and charges nothing. The gateway in front of the API \
sends a few errors itself, as `{"message": …}`.
"""
_TAGS = {
    "jobs": "Submit, read, cancel and delete jobs.",
    "templates": "The available models, their parameters and their prices.",
    "uploads": "Images of users, as inputs of jobs.",
    "credits": "The balance and the ledger entries of your account.",
    "callbacks": "Signed requests to your server when a job has ended (Standard Webhooks).",
    "administration": "For administrators.",
    "service": "The API itself. No token is needed.",
    "provider": "For providers of models only.",
}
_METHODS = ("get", "post", "put", "delete")
_HEADERS = {
    "Location": ("The path of the job.", "string"),
    "ETag": ("Send it as `If-None-Match`. If nothing has changed, the response is 304.", "string"),
    "Cache-Control": ("Which caches may store the response, and for how long.", "string"),
    "Idempotency-Replayed": (
        "`true` if the same request was accepted before. The response then has its job.",
        "string",
    ),
    "Accept-Encoding": (
        "The accepted codings of a body. Sent with the refusal of a compressed body.",
        "string",
    ),
    "Retry-After": ("The seconds to wait before the next request.", "integer"),
}
_HEADER_NAMES = {name.lower(): name for name in ("Idempotency-Key", "If-None-Match")}
_NULL = {"type": "null"}


def document() -> dict[str, Any]:
    """Make the document of all functions that serve HTTP routes."""
    for name in _REQUIRED_SETTINGS:
        os.environ.setdefault(name, "")
    # The functions read their settings when they are imported.
    from functions.api.handler import app as api  # noqa: PLC0415
    from functions.prepare_upload.handler import app as prepare_upload  # noqa: PLC0415
    from functions.receive_prediction.handler import app as receive_prediction  # noqa: PLC0415

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    merge = OpenAPIMerge(
        title="Darkroom",
        version=project["version"],
        description=_DESCRIPTION,
        contact=Contact(name="The Darkroom authors"),
        license_info=License(name="MIT", identifier="MIT"),
        servers=[Server(url="/")],
        tags=[Tag(name=name, description=text) for name, text in _TAGS.items()],
        security=[{"bearer": []}],
        security_schemes={
            "bearer": HTTPBearer(bearerFormat="JWT", description="The ID token of a user.")
        },
        on_conflict="error",
    )
    for app in (api, prepare_upload, receive_prediction):
        merge.add_schema(json.loads(app.get_openapi_json_schema()))
    merge.add_schema({"components": _components()})
    described: dict[str, Any] = json.loads(merge.get_openapi_json_schema())
    paths = sorted(_tidied(described["paths"]).items(), key=_place)
    described["paths"] = {
        path: {method: _operation(methods[method]) for method in _METHODS if method in methods}
        for path, methods in paths
    }
    described["webhooks"] = {"jobEnded": {"post": _callback()}}
    described["components"]["schemas"] = {
        name.removesuffix("Response"): _tidied(schema)
        for name, schema in sorted(described["components"]["schemas"].items())
        if not name.endswith("ValidationError")
    }
    return described


def _components() -> dict[str, Any]:
    """Return the schemas and headers that routes only refer to."""
    views: list[Any] = [ProblemResponse, MessageResponse, JobEventResponse]
    _, found = TypeAdapter.json_schemas(
        [(view, "validation", TypeAdapter(view)) for view in views],
        ref_template=f"{SCHEMAS}{{model}}",
    )
    headers = {
        name: {"description": text, "schema": {"type": kind}}
        for name, (text, kind) in _HEADERS.items()
    }
    return {"schemas": found["$defs"], "headers": headers}


def document_text() -> str:
    """Write the document as it is committed and served."""
    return json.dumps(document(), ensure_ascii=False, indent=2) + "\n"


def _place(item: tuple[str, dict[str, Any]]) -> tuple[int, str]:
    path, methods = item
    (tag,) = next(iter(methods.values()))["tags"]
    return list(_TAGS).index(tag), path


def _operation(operation: dict[str, Any]) -> dict[str, Any]:
    """Correct what Powertools cannot declare: parameters without null, responses without a body.

    Powertools also writes header names in lower case and adds a 422 to every route.
    """
    for parameter in operation.get("parameters", ()):
        parameter["name"] = _HEADER_NAMES.get(parameter["name"], parameter["name"])
        options = [option for option in parameter["schema"].pop("anyOf", ()) if option != _NULL]
        parameter["schema"] |= dict(*options)
        parameter["schema"].pop("description", None)
    responses = {
        status: response
        for status, response in operation["responses"].items()
        if "HTTPValidationError" not in json.dumps(response)
    }
    for response in responses.values():
        if not response["content"]:
            del response["content"]
    return operation | {"responses": dict(sorted(responses.items()))}


def _callback() -> dict[str, Any]:
    return {
        "operationId": "job_ended",
        "summary": "A job has ended",
        "description": (
            "Darkroom sends this request to the `callback_url` of a job that has ended. Verify the "
            "signature (Standard Webhooks). A repeated delivery has the same `webhook-id`. Respond "
            "with 2xx. Respond with 410 to receive no more requests for this job."
        ),
        "tags": ["callbacks"],
        "security": [],
        "parameters": list(SIGNATURE),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}JobEvent"}}},
        },
        "responses": {
            "2XX": {"description": "The event is accepted."},
            "410": {"description": "No more deliveries are wanted."},
        },
    }


def _tidied(value: Any) -> Any:  # noqa: ANN401 (any part of a JSON document)
    """Remove titles that repeat a name, write 1.0 as 1, and name schemas without "Response"."""
    match value:
        case dict():
            return {
                key: _tidied(part)
                for key, part in value.items()
                if not (key == "title" and isinstance(part, str))
            }
        case list():
            return [_tidied(part) for part in value]
        case str() if value.startswith(SCHEMAS):
            return value.removesuffix("Response")
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


if __name__ == "__main__":
    DOCUMENT.write_text(document_text(), encoding="utf-8")
