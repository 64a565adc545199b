"""The bodies of problems and of responses about the service, as types.

This module evaluates annotations at once (no `from __future__ import annotations`). Otherwise
typing compiles each annotation at every cold start.
"""

from typing import Any, NotRequired, TypedDict

from darkroom.schemas.formats import Time, defer_builds


class NotedResponse(TypedDict):
    """The effect of a webhook: `started`, `finished`, `late` or `stray`."""

    noted: str


class PausedResponse(TypedDict):
    """Whether new jobs are paused.

    `reason`, `by` and `at` belong to the last change. `by` is the account of the administrator, as
    `platform/user`. All three are null if new jobs were never paused.
    """

    paused: bool
    reason: str | None
    by: str | None
    at: Time | None


class DocumentResponse(TypedDict):
    """An OpenAPI document (spec.openapis.org/oas/v3.1.0)."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


class HealthResponse(TypedDict):
    """The state of the API. `status` is `ok`."""

    status: str


class FieldErrorResponse(TypedDict):
    """An invalid field of the request. `message` says what is wrong or what the field must be."""

    field: str
    message: str


class ProblemResponse(TypedDict):
    """A problem document (RFC 9457).

    `type` identifies the kind of problem. It is the path of a page that says what to do.
    `retryable` is true if the same request may succeed later. `charged` is 0 if the request was
    refused. It is absent if the result of the request is unknown. `template` is the code of a
    template whose model is not available.
    """

    type: str
    title: str
    status: int
    detail: str
    retryable: bool
    charged: NotRequired[int]
    errors: NotRequired[list[FieldErrorResponse]]
    required: NotRequired[int]
    available: NotRequired[int]
    missing: NotRequired[int]
    request_id: NotRequired[str]
    template: NotRequired[str]


class MessageResponse(TypedDict):
    """An error of the gateway in front of the API."""

    message: str


defer_builds(vars())
