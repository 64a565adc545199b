"""The API's description of itself (OpenAPI 3.1), made of its routes when somebody asks for it.

Parameters and bodies are what Powertools checks requests with; answers are what `returns` says beside each route; problems are the table of
problems. Only what another function serves is written down by hand, in `other_routes`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Route
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from darkroom.api.app import HttpApi
from darkroom.api.other_routes import ROUTES_OF_OTHER_FUNCTIONS, Operation
from darkroom.api.problems import PROBLEMS, Problem, ProblemResponse
from darkroom.api.responses import json_text, responses_of
from darkroom.domain import errors
from darkroom.domain.accounts import NAME_BYTES_MAX
from darkroom.schemas.responses import JobEventResponse
from darkroom.settings import settings

VERSION = "0.1.0"
_METHODS = ("get", "post", "put", "delete")
_SCHEMAS = "#/components/schemas/"
_SUFFIX = "Response"
_DESCRIPTION = (
    "Turns a prompt into stored images and videos, and keeps the ledger.\n\n"
    "Sign in, and send the **ID token** as `Authorization: Bearer <token>`. Send each `POST /jobs` with an `Idempotency-Key`: then it may be repeated "
    "until there is an answer, and is one job. Whatever is refused is a problem document (RFC 9457) whose `type` leads to a page about it, and charges "
    "nothing. A few answers come from the gateway in front, as `{message}`."
)
_TAGS = {
    "jobs": "What was asked for, and what became of it.",
    "templates": "What can be generated, and what it costs.",
    "uploads": "Images that users bring along.",
    "credits": "The ledger of the caller's account.",
    "callbacks": "Being called when a job has ended, signed by Standard Webhooks.",
    "administration": "For members of the group admin.",
    "service": "About the API itself.",
    "provider": "For the provider of the models alone.",
}
_HEADERS = {
    "Location": ("The path of the job.", "string"),
    "ETag": ("Send it as If-None-Match, and what has not changed is answered 304.", "string"),
    "Cache-Control": ("Who may keep the answer, and for how long.", "string"),
    "Idempotency-Replayed": (
        "`true` when the same request was accepted before, and this is its job.",
        "string",
    ),
    "Retry-After": ("After how many seconds it is worth asking again.", "integer"),
    "Allow": ("The methods that the path takes.", "string"),
}
_FORMATS = {"Time": "date-time", "Url": "uri"}
_MESSAGE = {
    "type": "object",
    "description": "An answer of the gateway in front of the API.",
    "properties": {"message": {"type": "string"}},
    "required": ["message"],
}
_LINKS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "submit_job": {"job_id": ("/id", ("read_job", "cancel_job", "delete_job"))},
    "announce_upload": {"upload_id": ("/upload_id", ("complete_upload",))},
    "list_templates": {"code": ("/templates/0/code", ("read_template", "quote"))},
}
"""For each operation, what its answer names, where it stands there, and which operations take it."""
_PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "platform": {"enum": list(settings().platforms)},
    "user": {"minLength": 1, "pattern": "^[^/]+$"},
    "slug": {"enum": sorted(problem.slug for problem in PROBLEMS.values())},
}
_PARAMETERS = {
    "Idempotency-Key": "1 to 255 printable ASCII characters that name this request for the next hours. The body is compared byte by byte.",
    "If-None-Match": "The ETag of the answer that the caller has.",
    "limit": "How many to show at most.",
    "cursor": "next_cursor of the page before.",
    "status": "Only jobs of this status; a page may then be short and still have a next one.",
    "user": f"The sub of the user's token, at most {NAME_BYTES_MAX} bytes. A sub with a slash, a question mark or a percent sign is percent-encoded twice.",
    "version": "Another version than the current one.",
    "job": "The reference that the webhook's URL was given.",
}


@cache
def document_text(app: HttpApi) -> str:
    """Write the description of this API and of the routes that other functions serve."""
    return json_text(document(app))


def document(app: HttpApi) -> dict[str, Any]:
    """Describe this API and the routes that other functions serve."""
    described: dict[str, Any] = _tidy(json.loads(app.get_openapi_json_schema()))
    operations = [*_operations_of(app, described["paths"]), *ROUTES_OF_OTHER_FUNCTIONS]
    views = {
        view
        for operation in operations
        for view in operation.responses.bodies.values()
        if view not in (None, str)
    }
    references, schemas = _schemas_of({*views, ProblemResponse, JobEventResponse})
    requests = {
        name: schema
        for name, schema in described["components"]["schemas"].items()
        if not name.endswith("ValidationError")
    }
    paths: dict[str, dict[str, Any]] = {}
    for operation in sorted(
        operations,
        key=lambda operation: (
            list(_TAGS).index(operation.tag),
            operation.path,
            _METHODS.index(operation.method),
        ),
    ):
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Darkroom",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "webhooks": {"jobEnded": {"post": _callback(references)}},
        "components": {
            "schemas": dict(sorted((requests | schemas | {"Message": _MESSAGE}).items())),
            "headers": {
                name: {"description": text, "schema": {"type": kind}}
                for name, (text, kind) in _HEADERS.items()
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An ID token.",
                }
            },
        },
    }


def _operations_of(app: HttpApi, described: Mapping[str, Any]) -> Iterator[Operation]:
    routes: Iterable[Route] = (*app._static_routes, *app._dynamic_routes)  # noqa: SLF001 (Powertools names no other way to its routes)
    for route in routes:
        known = described[route.openapi_path][route.method.lower()]
        yield Operation(
            method=route.method.lower(),
            path=route.openapi_path,
            name=route.func.__name__,
            text=route.func.__doc__ or "",
            tag=next(iter(route.tags)),
            responses=responses_of(route.func),
            parameters=tuple(_parameter(parameter) for parameter in known.get("parameters", ())),
            request_body=known.get("requestBody"),
        )


def _operation(operation: Operation, references: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    summary, _, rest = operation.text.partition("\n\n")
    first, dot, more = summary.partition(". ")
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": first + dot.rstrip(),
        "tags": [operation.tag],
    }
    if text := "\n\n".join(filter(None, (more, rest))):
        described["description"] = text
    if operation.responses.is_public:
        described["security"] = []
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.request_body:
        described["requestBody"] = operation.request_body
    return described | {
        "responses": dict(
            sorted((_successes(operation, references) | _problems(operation, references)).items())
        )
    }


def _successes(operation: Operation, references: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    found = {}
    for status, view in operation.responses.bodies.items():
        response: dict[str, Any] = {"description": f"{status.phrase}."}
        if operation.responses.headers:
            response |= _headers(operation.responses.headers)
        if view is str:
            response |= {"content": {"text/html": {"schema": {"type": "string"}}}}
        elif view is not None:
            response |= {"content": {"application/json": {"schema": references[view]}}} | _links(
                operation
            )
        found[str(status.value)] = response
    return found


def _links(operation: Operation) -> dict[str, Any]:
    links = {
        name: {"operationId": name, "parameters": {parameter: f"$response.body#{pointer}"}}
        for parameter, (pointer, names) in _LINKS.get(operation.name, {}).items()
        for name in names
    }
    return {"links": links} if links else {}


def _problems(operation: Operation, references: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    """Describe what is refused, by us as problem documents and by the gateway as messages, for each status together."""
    problems = [PROBLEMS[error] for error in dict.fromkeys(_problems_of(operation))]
    statuses = {problem.status for problem in problems} | _gateway_statuses(operation)
    return {
        str(status.value): _refusal(
            status,
            [problem for problem in problems if problem.status is status],
            operation,
            references,
        )
        for status in statuses
    }


def _refusal(
    status: HTTPStatus,
    problems: list[Problem],
    operation: Operation,
    references: Mapping[Any, dict[str, Any]],
) -> dict[str, Any]:
    schemas: dict[str, dict[str, Any]] = {}
    if problems:
        types = {"properties": {"type": {"enum": [problem.type for problem in problems]}}}
        schemas["application/problem+json"] = references[ProblemResponse] | types
    if status in _gateway_statuses(operation):
        schemas["application/json"] = {"$ref": f"{_SCHEMAS}Message"}
    # Who generates a client keeps one schema for a status, whatever the media type, and must be able to read either answer.
    either = {"anyOf": list(schemas.values())} if len(schemas) > 1 else None
    content = {media_type: {"schema": either or schema} for media_type, schema in schemas.items()}
    response = {
        "description": " ".join(f"{problem.title}." for problem in problems) or f"{status.phrase}.",
        "content": content,
    }
    return response | (
        _headers(("Retry-After",))
        if any(problem.retry_after_seconds for problem in problems)
        else {}
    )


def _problems_of(operation: Operation) -> Iterator[type[errors.DarkroomError]]:
    if not operation.responses.is_public:
        yield from (errors.NotSignedIn, errors.Forbidden)
    if operation.request_body:
        yield from (errors.NotJson, errors.BodyTooLarge)
    if operation.request_body or any(
        parameter["in"] == "query" for parameter in operation.parameters
    ):
        yield errors.InvalidRequest
    yield from (*operation.responses.problems, errors.InternalError, errors.Unavailable)


def _gateway_statuses(operation: Operation) -> set[HTTPStatus]:
    own = {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
    own |= set() if operation.responses.is_public else {HTTPStatus.UNAUTHORIZED}
    return own | ({HTTPStatus.REQUEST_ENTITY_TOO_LARGE} if operation.request_body else set())


def _callback(references: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    signed = {"webhook-id": "string", "webhook-timestamp": "string", "webhook-signature": "string"}
    return {
        "operationId": "job_ended",
        "summary": "Your own callback_url is called when the job has ended.",
        "description": "Signed by Standard Webhooks; a repeat has the same webhook-id. Answer 2xx; 410 if you want no more of them.",
        "tags": ["callbacks"],
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": kind}}
            for name, kind in signed.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": references[JobEventResponse]}},
        },
        "responses": {
            "2XX": {"description": "Taken."},
            "410": {"description": "Not wanted any more."},
        },
    }


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}}


class _Untitled(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 (Pydantic's own signature)
        return False


def _schemas_of(views: Iterable[Any]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """Give a reference to the schema of each view, and all schemas by their names."""
    named: list[tuple[Any, Any, TypeAdapter[Any]]] = [
        (view, "serialization", TypeAdapter(view))
        for view in sorted(views, key=lambda view: view.__name__)
    ]
    references, found = TypeAdapter.json_schemas(
        named, ref_template=f"{_SCHEMAS}{{model}}", schema_generator=_Untitled
    )
    schemas = {name.removesuffix(_SUFFIX): schema for name, schema in _tidy(found["$defs"]).items()}
    for name, text_format in _FORMATS.items():
        schemas[name]["format"] = text_format
    return {view: _tidy(reference) for (view, _), reference in references.items()}, schemas


def _parameter(described: Mapping[str, Any]) -> dict[str, Any]:
    """Give a parameter its name as headers are written, and a schema without the null that nobody can send."""
    name = described["name"].title() if described["in"] == "header" else described["name"]
    schema = dict(described["schema"])
    alternatives = [
        alternative for alternative in schema.pop("anyOf", []) if alternative != {"type": "null"}
    ]
    texts = {"description": _PARAMETERS[name]} if name in _PARAMETERS else {}
    schema |= dict(*alternatives) | (
        _PATH_PARAMETERS.get(name, {}) if described["in"] == "path" else {}
    )
    return {
        "name": name,
        "in": described["in"],
        "required": described.get("required", False),
        **texts,
        "schema": schema,
    }


def _tidy(value: Any) -> Any:  # noqa: ANN401 (any part of a JSON document)
    """Drop the titles that only repeat a name, write whole numbers as such, and call the views what they show."""
    match value:
        case dict():
            return {
                key: _tidy(part)
                for key, part in value.items()
                if not (key == "title" and isinstance(part, str))
            }
        case str() if value.startswith(_SCHEMAS):
            return value.removesuffix(_SUFFIX)
        case list():
            return [_tidy(part) for part in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
