"""Refusals of a create that a valid request can get. The fault `refuse` chooses one of them.

Each body is from a public report. Without a report, it has the form of the others.
"""

from collections.abc import Mapping
from http import HTTPStatus

from local.simulators.replicate import problems
from local.simulators.replicate.problems import Problem
from local.simulators.replicate.validation import InvalidField


def _problem(
    status: HTTPStatus, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Problem:
    return Problem(status, {"title": title, "detail": detail}, dict(headers or {}))


def _field(field: str, description: str) -> Problem:
    return problems.invalid([InvalidField("invalid", field, description)])


REFUSALS: Mapping[str, Problem] = {
    "invalid_version": problems.invalid_version(),
    "not_found": problems.not_found(),
    "not_allowed": _problem(
        HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed", "Method POST is not allowed."
    ),
    "gone": _problem(HTTPStatus.GONE, "Gone", "This model has been retired."),
    "moved": _problem(
        HTTPStatus.PERMANENT_REDIRECT,
        "Permanent redirect",
        "The model was renamed.",
        {"Location": "/v1/models/other/name/predictions"},
    ),
    "bad_request": _problem(
        HTTPStatus.BAD_REQUEST, "Bad request", "image: the file is not a JPEG or PNG image"
    ),
    "too_large": _problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too large", "The request is larger than 10 MB."
    ),
    "invalid_field": _field("input.prompt", "Must be at most 10 characters"),
    "invalid_webhook": _field("webhook", "Does not match format 'https URL'"),
    "detail_only": _problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Input validation failed",
        "- input: prompt is too long\n",
    ),
    "sensitive": _problem(
        HTTPStatus.BAD_REQUEST,
        "Bad request",
        "The request failed because the input image may contain sensitive information.",
    ),
    "spend_limit": _problem(
        HTTPStatus.PAYMENT_REQUIRED,
        "Monthly spend limit reached",
        "Go to https://replicate.com/account/billing#limits to increase or remove the limit.",
    ),
    "no_permission": _problem(
        HTTPStatus.FORBIDDEN, "Forbidden", "You do not have permission to perform this action."
    ),
    "legal": _problem(
        HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS, "Unavailable", "Not offered in this country."
    ),
}
"""The refusals by their names."""
