"""The bodies and parameters of requests, as Pydantic models."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from darkroom.domain.errors import FieldError, InvalidRequest
from darkroom.domain.jobs import JobStatus
from darkroom.settings import settings


def _digits(text: object) -> object:
    """Refuse a number that only Python accepts: `+5`, ` 5`, `05`, `5_0`, non-ASCII digits."""
    if isinstance(text, str) and not (
        text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
    ):
        raise ValueError("must be a number in digits")
    return text


def _to_integer(number: object) -> object:
    """Convert 7.0 to 7, because both are integers in JSON Schema."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _to_utc(time: object) -> object:
    """Parse a date and time with a zone. Raises ValueError.

    Pydantic alone would also accept seconds since 1970 and times without a zone.
    """
    if not isinstance(time, str):
        return time
    if not _ISO_TIME.fullmatch(time):
        raise ValueError("must be a date and time with a zone, such as 2026-11-29T12:00:00Z")
    try:
        return datetime.fromisoformat(time).astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a date between the years 1 and 9999") from None


def _to_list(values: object) -> object:
    """Return the values of a parameter that may repeat, without the empty values.

    API Gateway joins the values by commas. Powertools splits them if there are several.
    """
    found = values.split(",") if isinstance(values, str) else values
    return [value for value in found if value] if isinstance(found, list) else found


# ISO 8601 as RFC 3339 limits it: the seconds may be missing, the zone may not.
_ISO_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
Time = Annotated[datetime, BeforeValidator(_to_utc)]
Statuses = Annotated[list[JobStatus], BeforeValidator(_to_list)]
TemplateCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,64}$")]
PageSize = Annotated[int, Ge(1), Le(settings().page_size_max), BeforeValidator(_digits)]
Version = Annotated[int, Ge(1), BeforeValidator(_digits)]
Whole = Annotated[int, BeforeValidator(_to_integer)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class NewJob(BaseModel):
    """A request for a job of a template."""

    model_config = ConfigDict(frozen=True)

    template: Name
    parameters: dict[str, Any]
    rerun_of: None = None


class Rerun(BaseModel):
    """A request to repeat a job that has ended, with its template and parameters."""

    model_config = ConfigDict(frozen=True)

    rerun_of: str
    template: None = None
    parameters: None = None


def _tag(members: Mapping[str, object]) -> str:
    return "new" if members["rerun_of"] is None else "rerun"


_KINDS: TypeAdapter[NewJob | Rerun] = TypeAdapter(
    Annotated[Annotated[NewJob, Tag("new")] | Annotated[Rerun, Tag("rerun")], Discriminator(_tag)]
)


class JobRequest(BaseModel):
    """A new job: a template with its parameters, or an ended job to repeat.

    Send `template` and `parameters`, or `rerun_of`. `callback_url` receives a signed request when
    the job has ended. `metadata` is stored with the job and returned with it.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "template": "flux-schnell",
                    "parameters": {"prompt": "a lighthouse at dawn", "num_outputs": 2},
                }
            ]
        },
    )

    template: Name | None = None
    parameters: dict[str, Any] | None = None
    rerun_of: str | None = None
    callback_url: Annotated[str, Field(json_schema_extra={"format": "uri"})] | None = None
    metadata: dict[str, JsonValue] | None = None

    @property
    def kind(self) -> NewJob | Rerun:
        """The request as a NewJob or a Rerun. Raises InvalidRequest if it is neither or both."""
        try:
            return _KINDS.validate_python(
                {
                    "template": self.template,
                    "parameters": self.parameters,
                    "rerun_of": self.rerun_of,
                }
            )
        except ValidationError as error:
            message = (
                "Is required without rerun_of."
                if self.rerun_of is None
                else "Is not allowed together with rerun_of."
            )
            raise InvalidRequest(
                [FieldError(str(found["loc"][-1]), message) for found in error.errors()]
            ) from None

    @field_validator("metadata")
    @classmethod
    def must_be_small(cls, metadata: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        """Limit the size, because every response of the job contains the metadata."""
        if len(json.dumps(metadata, ensure_ascii=False).encode()) > settings().metadata_bytes_max:
            raise ValueError(f"must have at most {settings().metadata_bytes_max} bytes as JSON")
        return metadata


class QuoteRequest(BaseModel):
    """The parameters of a job whose price is requested."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    parameters: dict[str, Any]


class UploadRequest(BaseModel):
    """The image to upload. `bytes` is the maximum size of the file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    content_type: Literal[
        "image/jpeg",
        "image/jpg",
        "image/png",
        "image/webp",
        "image/gif",
        "image/avif",
        "image/heic",
        "image/heif",
    ]
    bytes: Whole = Field(ge=1, le=settings().upload_bytes_max)


class CallbackTestRequest(BaseModel):
    """The URL that receives a test callback."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    callback_url: str = Field(json_schema_extra={"format": "uri"})


class PauseRequest(BaseModel):
    """Whether new jobs are paused, and why. Administrators see the `reason`, and users do not."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    paused: bool
    reason: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


class SuspendRequest(BaseModel):
    """Why an account is suspended. Administrators see the `reason`, and users do not."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None


class GrantRequest(BaseModel):
    """Credits for an account. A negative `amount` corrects the balance.

    `reference` identifies the grant, for example an order number. Each reference is granted once.
    `create` allows a grant to an account that has never sent a request with a token.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    amount: Whole = Field(
        ge=-settings().grant_credits_max,
        le=settings().grant_credits_max,
        json_schema_extra={"not": {"const": 0}},
    )
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    reference: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    create: bool = False

    @field_validator("amount")
    @classmethod
    def must_change_something(cls, amount: int) -> int:
        """Refuse zero, because the entry would change nothing."""
        if not amount:
            raise ValueError("must not be zero")
        return amount
