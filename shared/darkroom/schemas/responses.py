"""The bodies of responses about jobs, templates and uploads, as types.

The OpenAPI document has their docstrings and fields.

This module evaluates annotations at once (no `from __future__ import annotations`). Otherwise
typing compiles each annotation at every cold start.
"""

from typing import Any, NotRequired, TypedDict

from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import JobStatus
from darkroom.schemas.formats import Time, Url, defer_builds
from darkroom.schemas.usage_responses import CheckedResponse, CostResponse


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


class PreviewResponse(TypedDict):
    """A smaller image of an output, as WebP.

    `url` is a signed link that expires at the job's `links_expire_at`.
    """

    url: Url
    width: int
    height: int
    content_type: str
    bytes: int


class ProvenanceResponse(TypedDict):
    """What an output says about its origin.

    `c2pa` tells whether the file contains a C2PA manifest, which is not verified. It is null for an
    output of an earlier release.
    """

    c2pa: bool | None


class OutputResponse(TypedDict):
    """An image or a video of a job.

    `url`, `download_url` and `thumbnail_url` are signed links that expire at the job's
    `links_expire_at`. A browser that opens `download_url` saves the file under a readable name.
    `placeholder` is a tiny image as a `data:` URL. `previews` fit a square of 512 and 1,024 pixels,
    the smaller one first. A small output has one preview of its own size. `seconds` is the length
    of a video or an animation, `frames` the number of images in an animation.
    """

    url: Url
    download_url: Url
    thumbnail_url: Url | None
    placeholder: str | None
    previews: list[PreviewResponse]
    content_type: str
    bytes: int
    width: int
    height: int
    seconds: float | None
    frames: int | None
    provenance: ProvenanceResponse


class JobErrorResponse(TypedDict):
    """Why a job failed. `retryable` is true if a second job like it may succeed."""

    code: FailureCode
    message: str
    retryable: bool


class QueueResponse(TypedDict):
    """The position of a job that waits for a provider slot.

    `ahead_of_yours` counts the account's own jobs that come first. `expected_start_at` is a coarse
    estimate.
    """

    ahead_of_yours: int
    expected_start_at: Time


class CallbackDeliveryResponse(TypedDict):
    """A try of a callback.

    `status` is null if there was no response. `next_at` is null after the last try, or about the
    time of the next one.
    """

    at: Time
    status: int | None
    seconds: float
    next_at: Time | None


class JobResponse(TypedDict):
    """A job. A pending or processing job is open. Every other status is final.

    `queue_until` is the time at which a job that was not requested from the provider fails.
    `deadline_at` is the time at which a requested job is ended. It is null before the first
    request. `attempts` counts the requests to the provider. `waiting_since` is set while the job
    waits for a provider slot or a busy provider. `queue` is null unless the job waits for a slot.
    `deliveries` has the last 50 tries of the callback, oldest first, with `include=deliveries`.
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
    queue_until: Time
    queue: QueueResponse | None
    deadline_at: Time | None
    attempts: int
    waiting_since: Time | None
    cancel_requested_at: Time | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    processing_seconds: float | None
    deliveries: NotRequired[list[CallbackDeliveryResponse]]


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
    `credits` is what a job with the default parameters and the smallest required inputs costs at
    most. Other parameters cost more or less: a quote has the price.
    Administrators see `cost_usd`, what the provider bills, and `checked`, the source of the
    parameters. `checked` is null for a past version without a recorded source.
    """

    code: str
    version: int
    name: str
    description: str
    category: str
    expected_seconds: int
    seconds_max: int
    commercial_use: bool
    credits: int
    parameters: dict[str, Any]
    cost_usd: NotRequired[CostResponse]
    checked: NotRequired[CheckedResponse | None]


class TemplatesResponse(TypedDict):
    """The available templates."""

    templates: list[TemplateResponse]


class QuoteResponse(TypedDict):
    """The price of a job in credits."""

    credits: int


defer_builds(vars())
