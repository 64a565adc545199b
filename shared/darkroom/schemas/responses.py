"""What is shown, as types: the API's description of itself is made of them, and nothing else reads them at run time.

Annotations are no texts in this module: typing would compile each of them, at every cold start.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict, is_typeddict

from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import JobStatus


@dataclass(frozen=True, slots=True)
class _Format:
    """The `format` of a string in the OpenAPI document. Pydantic calls the method."""

    name: str

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:  # noqa: ANN401 (Pydantic's protocol)
        return {**handler(schema), "format": self.name}


type Time = Annotated[str, _Format("date-time")]
type Url = Annotated[str, _Format("uri")]
type EntryKind = Literal["grant", "correction", "hold", "settle", "release"]


class TemplateVersionResponse(TypedDict):
    """The template that a job was made from, in the version that it was made from."""

    code: str
    version: int
    name: str
    category: str


class JobCreditsResponse(TypedDict):
    """What a job costs: quoted never changes, held is what is held now, and once the job is final charged + refunded = quoted."""

    quoted: int
    held: int
    charged: int
    refunded: int


class OutputResponse(TypedDict):
    """One result. The links are signed and good until links_expire_at; placeholder is a tiny image as a data: URL; seconds is how long a video is."""

    url: Url
    thumbnail_url: Url | None
    placeholder: str | None
    content_type: str
    bytes: int
    width: int
    height: int
    seconds: float | None


class JobErrorResponse(TypedDict):
    """Why a job has no result. retryable says whether submitting the same job again may help."""

    code: FailureCode
    message: str
    retryable: bool


class JobResponse(TypedDict):
    """A job. Pending and processing are open, the other three are final."""

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
    """Some jobs, newest first. total counts all jobs of the account, whatever the filter; next_cursor is null on the last page."""

    jobs: list[JobResponse]
    next_cursor: str | None
    total: int


class JobEventResponse(TypedDict):
    """What a callback tells: the job as its owner would read it when it has ended."""

    type: str
    timestamp: Time
    data: JobResponse


class BalanceResponse(TypedDict):
    """The balance of an account, in credits: granted = available + held + spent."""

    available: int
    held: int
    spent: int
    granted: int
    in_flight: int


class EntryResponse(TypedDict):
    """One transaction of the ledger, as the signed changes that it made; granted = available + held + spent in each."""

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
    """Some entries, newest first. next_cursor is null on the last page."""

    entries: list[EntryResponse]
    next_cursor: str | None


class UploadResponse(TypedDict):
    """An image that is fit to be an input, until it expires."""

    upload_id: str
    content_type: str | None
    width: int | None
    height: int | None
    expires_at: Time


class UploadFormResponse(TypedDict):
    """Where an image goes: post a multipart form with these fields, and the file as its last one, to the url."""

    upload_id: str
    url: Url
    fields: dict[str, str]


class TemplateResponse(TypedDict):
    """What can be generated. parameters is a JSON Schema (2020-12), from which a form can be drawn."""

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
    """Everything that is in the catalog."""

    templates: list[TemplateResponse]


class QuoteResponse(TypedDict):
    """What a job with these parameters would cost."""

    credits: int


class SecretResponse(TypedDict):
    """What callbacks are signed with, by Standard Webhooks. After a rotation the previous secret signs beside the new one for a while."""

    secret: str
    previous: str | None
    previous_until: Time | None


class DeliveryResponse(TypedDict):
    """How a test callback went: delivered when the answer was 2xx, and no status when there was none in time."""

    delivered: bool
    status: int | None


class NotedResponse(TypedDict):
    """What became of a webhook: started, finished, late, or stray."""

    noted: str


class PausedResponse(TypedDict):
    """Whether new jobs are taken."""

    paused: bool


class DocumentResponse(TypedDict):
    """The description of the API itself (spec.openapis.org/oas/v3.1.0)."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


class HealthResponse(TypedDict):
    """The API is up."""

    status: str


# At run time Powertools asks Pydantic for a model of each response of a route. Nothing uses the
# model, so Pydantic builds it only when the OpenAPI document is made.
for _view in [view for view in vars().values() if is_typeddict(view)]:
    _view.__pydantic_config__ = {"defer_build": True}
