"""Builds the problem document (RFC 9457) and the headers of an error."""

from __future__ import annotations

from darkroom.api.problem_types import PROBLEMS
from darkroom.api.problem_types.problem import Problem
from darkroom.domain import errors
from darkroom.schemas.service_responses import ProblemResponse


def problem_of(error: errors.DarkroomError) -> Problem:
    """Return the type of problem of an error. Raises KeyError if the error has none."""
    return PROBLEMS[type(error)]


def problem_by_slug(slug: str) -> Problem:
    """Return the type of problem with this slug. Raises NotFound."""
    for problem in PROBLEMS.values():
        if problem.slug == slug:
            return problem
    raise errors.NotFound("type of problem")


def document_of(error: errors.DarkroomError) -> ProblemResponse:
    """Build the problem document of an error."""
    found = problem_of(error)
    document: ProblemResponse = {
        "type": found.type,
        "title": found.title,
        "status": found.status.value,
        "detail": found.detail.format_map({"message": str(error), **vars(error)}),
        "retryable": found.retry_after_seconds is not None,
    }
    if found.is_refusal:
        document["charged"] = 0
    match error:
        case errors.InvalidRequest() if error.errors:
            document["errors"] = [
                {"field": wrong.field, "message": wrong.message} for wrong in error.errors
            ]
        case errors.InsufficientCredits():
            document |= {
                "required": error.required,
                "available": error.available,
                "missing": error.missing,
            }
        case errors.InternalError():
            document["request_id"] = error.request_id
        case errors.ModelUnavailable():
            document["template"] = error.template
    return document


def headers_of(error: errors.DarkroomError) -> dict[str, str]:
    """Return the headers of an error's response.

    A refused content coding names the accepted ones (RFC 9110, sections 12.5.3 and 15.5.16).
    """
    headers: dict[str, str] = {}
    match error:
        case errors.MethodNotAllowed():
            headers["Allow"] = error.allowed
        case errors.BodyEncoded():
            headers["Accept-Encoding"] = "identity"
    seconds = (
        error.retry_after_seconds
        if isinstance(error, errors.LimitReached | errors.ProviderPaused | errors.ModelUnavailable)
        else problem_of(error).retry_after_seconds
    )
    if seconds is not None:
        headers["Retry-After"] = str(seconds)
    return headers
