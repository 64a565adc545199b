"""The bodies of responses, as types. The OpenAPI document has their docstrings and fields.

This module evaluates annotations at once (no `from __future__ import annotations`). Otherwise
typing compiles each annotation at every cold start.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, TypedDict, is_typeddict

from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import JobStatus


@dataclass(frozen=True, slots=True)
class _Format:
    """The `format` of a string in the OpenAPI document. Pydantic calls the method."""

    name: str

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:  # noqa: ANN401
        return {**handler(schema), "format": self.name}


type Time = Annotated[str, _Format("date-time")]
type Url = Annotated[str, _Format("uri")]
type EntryKind = Literal["grant", "correction", "hold", "settle", "release"]


class TemplateVersionResponse(TypedDict):
    """The template of a job, in the version that the job was made from."""

    code: str
    version: int
    name: str
    category: str


class JobCreditsResponse(TypedDict):
    """The credits of a job.

    `quoted` is the price and never changes. `held` is set aside while the job is open. When the
    job has ended, `charged` + `refunded` = `quoted`.
    """

    quoted: int
    held: int
    charged: int
    refunded: int


class OutputResponse(TypedDict):
    """An image or a video of a job.

    `url` and `thumbnail_url` are signed links that expire at the job's `links_expire_at`.
    `placeholder` is a tiny image as a `data:` URL. `seconds` is the length of a video.
    """

    url: Url
    thumbnail_url: Url | None
    placeholder: str | None
    content_type: str
    bytes: int
    width: int
    height: int
    seconds: float | None


class JobErrorResponse(TypedDict):
    """Why a job failed. `retryable` is true if a second job like it may succeed."""

    code: FailureCode
    message: str
    retryable: bool


class JobResponse(TypedDict):
    """A job. A pending or processing job is open. Every other status is final.

    `deadline_at` is the time at which an open job is ended. `attempts` counts the requests to the
    provider. `waiting_since` is set while the job waits for a provider slot or a busy provider.
    """

    id: str
    status: JobStatus
    template: TemplateVersionResponse
    parameters: dict[str, Any]
    credits: JobCreditsResponse
    outputs: list[OutputResponse]
    links_expire_at: Time | None
    error: JobErrorResponse | None
    metadata: dict[str, Any]
    deadline_at: Time | None
    attempts: int
    waiting_since: Time | None
    cancel_requested_at: Time | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    processing_seconds: float | None


class JobPageResponse(TypedDict):
    """A page of jobs, newest first.

    `next_cursor` is null on the last page. `total` counts all jobs of the account, without the
    filter.
    """

    jobs: list[JobResponse]
    next_cursor: str | None
    total: int


class JobEventResponse(TypedDict):
    """The event in a callback. `data` is the job as it was when it ended."""

    type: str
    timestamp: Time
    data: JobResponse


class BalanceResponse(TypedDict):
    """The balance of an account in credits: `granted` = `available` + `held` + `spent`.

    `in_flight` is the number of open jobs.
    """

    available: int
    held: int
    spent: int
    granted: int
    in_flight: int


class EntryResponse(TypedDict):
    """A ledger entry: the signed changes that one transaction made to the balance.

    In each entry, `granted` = `available` + `held` + `spent`.
    """

    id: str
    kind: EntryKind
    granted: int
    available: int
    held: int
    spent: int
    job_id: str | None
    reference: str | None
    created_at: Time


class EntryPageResponse(TypedDict):
    """A page of ledger entries, newest first. `next_cursor` is null on the last page."""

    entries: list[EntryResponse]
    next_cursor: str | None


class UploadResponse(TypedDict):
    """An upload. It is a valid input of jobs until `expires_at`."""

    upload_id: str
    content_type: str | None
    width: int | None
    height: int | None
    expires_at: Time


class UploadFormResponse(TypedDict):
    """The form of an upload.

    Send a multipart form to `url`: first these `fields`, then the file as the field `file`.
    """

    upload_id: str
    url: Url
    fields: dict[str, str]


class TemplateResponse(TypedDict):
    """A template: a model with its parameters.

    `parameters` is a JSON Schema (2020-12). A client can build its input form from it.
    """

    code: str
    version: int
    name: str
    description: str
    category: str
    expected_seconds: int
    seconds_max: int
    commercial_use: bool
    parameters: dict[str, Any]


class TemplatesResponse(TypedDict):
    """The available templates."""

    templates: list[TemplateResponse]


class QuoteResponse(TypedDict):
    """The price of a job in credits."""

    credits: int


class SecretResponse(TypedDict):
    """The secret that signs callbacks (Standard Webhooks).

    After a rotation, the `previous` secret signs too until `previous_until`.
    """

    secret: str
    previous: str | None
    previous_until: Time | None


class DeliveryResponse(TypedDict):
    """The result of a test callback.

    `delivered` is true if the response was 2xx. `status` is null if no response arrived in time.
    """

    delivered: bool
    status: int | None


class NotedResponse(TypedDict):
    """The effect of a webhook: `started`, `finished`, `late` or `stray`."""

    noted: str


class PausedResponse(TypedDict):
    """Whether new jobs are paused."""

    paused: bool


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
    refused. It is absent if the result of the request is unknown.
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


class MessageResponse(TypedDict):
    """An error of the gateway in front of the API."""

    message: str


# At run time Powertools creates a type adapter for each response of a route, but uses none of them.
# So Pydantic builds their schemas only when the OpenAPI document is made.
for _view in [view for view in vars().values() if is_typeddict(view)]:
    _view.__pydantic_config__ = {"defer_build": True}
