"""Routes about the API itself. They are public."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from darkroom.api import pages
from darkroom.api.app import Routes
from darkroom.api.events import prefixed_document
from darkroom.api.json_text import json_text
from darkroom.api.openapi import HTML, JAVASCRIPT, PUBLIC, problems, response
from darkroom.api.problem_types import PROBLEMS
from darkroom.api.problems import problem_by_slug
from darkroom.api.responses import KnownTags, cacheable_response, json_response
from darkroom.domain import errors
from darkroom.schemas.service_responses import DocumentResponse, HealthResponse

routes = Routes()

Slug = Annotated[
    str,
    Path(
        description="The last part of the `type` of a problem.",
        json_schema_extra={"enum": sorted(problem.slug for problem in PROBLEMS.values())},
    ),
]


@routes.get(
    "/openapi.json",
    operation_id="read_openapi",
    summary="Read this document",
    description="Returns the OpenAPI 3.1 document of this API.",
    tags=["service"],
    openapi_extensions=PUBLIC,
    responses={
        200: response("The OpenAPI document.", DocumentResponse, headers=("ETag", "Cache-Control")),
        304: response("The client's copy is current.", headers=("ETag", "Cache-Control")),
        **problems(),
    },
)
def read_openapi(if_none_match: KnownTags = None) -> Response[str]:
    """Return the OpenAPI document that `make openapi` wrote."""
    text = json_text(json.loads((FilePath(__file__).parents[1] / "openapi.json").read_bytes()))
    if prefix := routes.api.link_prefix():
        text = prefixed_document(text, prefix)
    return cacheable_response(text, if_none_match, "public, max-age=300")


@routes.get(
    "/docs",
    operation_id="read_docs",
    summary="Read the documentation",
    description="Returns an HTML page with the reference of this API.",
    tags=["service"],
    openapi_extensions=PUBLIC,
    responses={
        200: response("The page.", HTML, headers=("ETag", "Cache-Control")),
        304: response("The client's copy is current.", headers=("ETag", "Cache-Control")),
        **problems(),
    },
)
def read_docs(if_none_match: KnownTags = None) -> Response[str]:
    """Return the page of the API reference."""
    return pages.docs_page(if_none_match)


@routes.get(
    "/docs/rapidoc-min.js",
    operation_id="read_docs_script",
    summary="Read the script of the documentation",
    description="Returns the script that renders the reference of this API (RapiDoc).",
    tags=["service"],
    openapi_extensions=PUBLIC,
    responses={
        200: response("The script.", JAVASCRIPT, headers=("ETag", "Cache-Control")),
        304: response("The client's copy is current.", headers=("ETag", "Cache-Control")),
        **problems(),
    },
)
def read_docs_script(if_none_match: KnownTags = None) -> Response[str]:
    """Return the script of the API reference."""
    return pages.docs_script(if_none_match)


@routes.get(
    "/problems/<slug>",
    operation_id="read_problem",
    summary="Read about a problem",
    description="Returns an HTML page about a type of problem: what it means and what to do.",
    tags=["service"],
    openapi_extensions=PUBLIC,
    responses={
        200: response("The page.", HTML, headers=("Cache-Control",)),
        **problems(errors.NotFound),
    },
)
def read_problem(slug: Slug) -> Response[str]:
    """Return the page of a type of problem."""
    return pages.problem_page(problem_by_slug(slug), link_prefix=routes.api.link_prefix())


@routes.get(
    "/health",
    operation_id="read_health",
    summary="Check the health",
    description="Returns `ok` if the API can be reached. It checks nothing else.",
    tags=["service"],
    openapi_extensions=PUBLIC,
    responses={
        200: response("The API can be reached.", HealthResponse),
        **problems(),
    },
)
def read_health() -> Response[str]:
    """Return that the API can be reached."""
    return json_response(HTTPStatus.OK, {"status": "ok"})
