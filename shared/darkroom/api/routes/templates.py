"""Routes of the templates: the available models, their parameters and their prices."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query

from darkroom import clock
from darkroom.api.app import Routes
from darkroom.api.auth import User
from darkroom.api.json_text import json_text
from darkroom.api.openapi import JSON_BODY, SIGNED_IN, links, problems, response
from darkroom.api.responses import KnownTags, cacheable_response, json_response
from darkroom.catalog.available_templates import (
    available_template,
    available_templates,
    require_not_retired,
)
from darkroom.domain import errors
from darkroom.domain.limits import Act
from darkroom.domain.templates import Template
from darkroom.schemas.requests import QuoteRequest, Version
from darkroom.schemas.responses import QuoteResponse, TemplateResponse, TemplatesResponse
from darkroom.schemas.usage_views import priced_template_response
from darkroom.schemas.views import template_response
from darkroom.services import provider_health
from darkroom.services.submit_job import price
from darkroom.storage import rate_limits

routes = Routes()

Code = Annotated[str, Path(description="The `code` of the template.")]
PastVersion = Annotated[
    Version | None,
    Query(description="A past version of the template. Omit it to read the current version."),
]


def _respond_to(user: User) -> Callable[[Template], TemplateResponse]:
    """Return the function that builds a template's response for this user."""
    try:
        user.require_admin()
    except errors.Forbidden:
        return template_response
    return priced_template_response


@routes.get(
    "/templates",
    operation_id="list_templates",
    summary="List the templates",
    description=(
        "Lists every available template with the JSON Schema of its parameters. Administrators "
        "also see `cost_usd` and `checked`."
    ),
    tags=["templates"],
    responses={
        200: response(
            "The available templates.",
            TemplatesResponse,
            headers=("ETag", "Cache-Control"),
            links=links("code", "/templates/0/code", "read_template", "quote"),
        ),
        304: response("The client's copy is current.", headers=("ETag", "Cache-Control")),
        **problems(*SIGNED_IN),
    },
)
def list_templates(if_none_match: KnownTags = None) -> Response[str]:
    """List every available template."""
    respond = _respond_to(routes.user())
    text = json_text({"templates": [respond(template) for template in available_templates()]})
    return cacheable_response(text, if_none_match, "private, max-age=300")


@routes.get(
    "/templates/<code>",
    operation_id="read_template",
    summary="Read a template",
    description=(
        "Returns one template. A job stores the version of its template. Use `version` to read a "
        "past version."
    ),
    tags=["templates"],
    responses={
        200: response("The template.", TemplateResponse),
        **problems(*SIGNED_IN, errors.InvalidRequest, errors.NotFound),
    },
)
def read_template(code: Code, version: PastVersion = None) -> Response[str]:
    """Return one template, in its current version or in a past one."""
    respond = _respond_to(routes.user())
    return json_response(HTTPStatus.OK, respond(available_template(code, version)))


@routes.post(
    "/templates/<code>/quote",
    operation_id="quote",
    summary="Quote a price",
    description=(
        "Checks the parameters and returns the price of a job with them. Creates no job and holds "
        "no credits. A retired template is refused with a 422 that names its successor. A template "
        "whose model the provider does not offer at the moment is refused with a 503."
    ),
    tags=["templates"],
    responses={
        200: response("The price in credits.", QuoteResponse),
        **problems(
            *SIGNED_IN,
            *JSON_BODY,
            errors.NotFound,
            errors.TooManyRequests,
            errors.ModelUnavailable,
        ),
    },
)
def quote(code: Code, request: Annotated[QuoteRequest, Body()]) -> Response[str]:
    """Check the parameters and return the price of a job with them."""
    account, now = routes.user().account, clock.now()
    require_not_retired(code, field="code")
    template = available_template(code)
    rate_limits.count(account, Act.QUOTES, now=now)
    credits_needed = price(template, request.parameters, account, now=now)
    provider_health.require_offered(template.code, template.provider, now=now)
    return json_response(HTTPStatus.OK, {"credits": credits_needed})
