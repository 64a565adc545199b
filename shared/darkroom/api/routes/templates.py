"""Routes of the templates: what can be generated, and what it costs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.responses import KnownTags, cacheable_json, json_response, json_text, returns
from darkroom.catalog.available_templates import available_template, available_templates
from darkroom.domain import errors
from darkroom.schemas import responses
from darkroom.schemas.requests import QuoteRequest, Version
from darkroom.schemas.views import template_response
from darkroom.services.submit_job import price

routes = Routes()


@routes.get("/templates", tags=["templates"])
@returns(
    {HTTPStatus.OK: responses.TemplatesResponse, HTTPStatus.NOT_MODIFIED: None},
    headers=("ETag", "Cache-Control"),
)
def list_templates(if_none_match: KnownTags = None) -> Response[str]:
    """Show what can be generated, and with which parameters."""
    routes.user()
    text = json_text(
        {"templates": [template_response(template) for template in available_templates()]}
    )
    return cacheable_json(text, if_none_match, "private, max-age=300")


@routes.get("/templates/<code>", tags=["templates"])
@returns({HTTPStatus.OK: responses.TemplateResponse}, problems=(errors.NotFound,))
def read_template(code: str, version: Annotated[Version | None, Query()] = None) -> Response[str]:
    """Show one template, in its current version, or as it was in the version that an old job was made from."""
    routes.user()
    return json_response(HTTPStatus.OK, template_response(available_template(code, version)))


@routes.post("/templates/<code>/quote", tags=["templates"])
@returns({HTTPStatus.OK: responses.QuoteResponse}, problems=(errors.NotFound,))
def quote(code: str, request: Annotated[QuoteRequest, Body()]) -> Response[str]:
    """Say what a job would cost, or why it would be refused, without taking it."""
    account = routes.user().account
    return json_response(
        HTTPStatus.OK,
        {"credits": price(available_template(code), request.parameters, account, now=clock.now())},
    )
