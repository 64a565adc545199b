"""Routes about the API itself. They are public."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from darkroom.api.app import Routes
from darkroom.api.problems import PROBLEMS, problem_by_slug
from darkroom.api.responses import KnownTags, cacheable_json, json_response, returns
from darkroom.domain import errors
from darkroom.schemas import responses

routes = Routes()


@routes.get("/openapi.json", tags=["service"])
@returns(
    {HTTPStatus.OK: responses.DocumentResponse, HTTPStatus.NOT_MODIFIED: None},
    headers=("ETag", "Cache-Control"),
    is_public=True,
)
def read_openapi(if_none_match: KnownTags = None) -> Response[str]:
    """Describe this API in OpenAPI 3.1."""
    from darkroom.api import openapi  # noqa: PLC0415 (no other request pays for it)

    return cacheable_json(openapi.document_text(routes.api), if_none_match, "public, max-age=300")


@routes.get("/docs", tags=["service"])
@returns({HTTPStatus.OK: str}, headers=("Cache-Control",), is_public=True)
def read_docs() -> Response[str]:
    """Show what this API is, to people."""
    from darkroom.api import docs_page, openapi  # noqa: PLC0415 (no other request pays for it)

    return docs_page.docs_page(openapi.document(routes.api), PROBLEMS.values())


@routes.get("/problems/<slug>", tags=["service"])
@returns(
    {HTTPStatus.OK: str}, headers=("Cache-Control",), problems=(errors.NotFound,), is_public=True
)
def read_problem(slug: str) -> Response[str]:
    """Show what a type of problem means and what to do about it, to people."""
    from darkroom.api import docs_page  # noqa: PLC0415 (no other request pays for it)

    return docs_page.problem_page(problem_by_slug(slug))


@routes.get("/health", tags=["service"])
@returns({HTTPStatus.OK: responses.HealthResponse}, is_public=True)
def read_health() -> Response[str]:
    """Answer that the API is up."""
    return json_response(HTTPStatus.OK, {"status": "ok"})
