"""The exceptions of Darkroom, and the caller that handles each of them.

DarkroomError
├── RequestError           the API's caller: a problem document with this HTTP status
│   ├── NotSignedIn          401
│   ├── InsufficientCredits  402
│   ├── Forbidden            403
│   ├── Suspended            403
│   ├── NotFound             404
│   ├── MethodNotAllowed     405
│   ├── JobIsFinal           409  an ended job cannot be canceled
│   ├── JobIsOpen            409  an open job cannot be deleted, and has no callback yet
│   ├── NoCallbackUrl        409  the job has no callback to repeat
│   ├── BodyTooLarge         413
│   ├── NotJson              415
│   ├── BodyEncoded          415  the body is compressed
│   ├── InvalidRequest       422  one message for each field
│   ├── IdempotencyKeyReused 422  the same key with a different body
│   ├── TooManyJobs          429  too many open jobs
│   ├── LimitReached         429  a limit of the account, for this minute, hour or day
│   │   ├── RateLimited        too many jobs in this minute
│   │   ├── TooManyRequests    too many quotes or test callbacks
│   │   ├── TooManyUploads     too many uploads, checks of files, or bytes
│   │   └── TooManyCancels     too many canceled jobs
│   ├── Paused               503
│   ├── ModelUnavailable     503  the provider does not offer the template's model
│   └── ProviderPaused       503  the provider has reached the daily ceiling in USD
├── Unavailable            the API's caller: 503, the effect of the request is unknown
├── InternalError          the API's caller: 500, a bug; the log has the details
├── WebhookRejected        the webhook's sender: 401
├── WebhookSecretMissing   the webhook's sender: 503
├── WorkflowUnavailable    the webhook's sender: 503; recovery starts or resumes the execution
├── ProviderBusy           RequestPrediction: becomes RetryLater
│   ├── ProviderUnreachable  the same, and a metric counts it
│   └── ProviderAccountRefused  pauses the provider, and an alarm reports it
├── LookupUnsupported      RequestPrediction: sends no second request
├── RetryLater             the workflow: waits until a time and enters RequestPrediction again
├── ProviderQueueFull      the workflow: waits for a provider slot and enters it again
├── ProviderUnavailable    the workflow: retries
├── OutputUnavailable      the workflow: retries
└── GenerationFailed       the workflow: settles or releases the hold from the job's record

Every other exception is an AWS error or a bug. The workflow retries it. If no retry succeeds, the
workflow settles or releases the hold.

`provider_errors.py` defines those from ProviderBusy to LookupUnsupported, and ProviderUnavailable.

The workflow refers to the last five by their class names. Their messages are codes and times only,
because an execution history stores them and users' data does not belong there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from darkroom.domain.failures import Failure


class DarkroomError(Exception):
    """The base class of the exceptions in this module and in `storage`."""


class RequestError(DarkroomError):
    """The request is refused. It has changed nothing."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request, and a message that tells how to correct it."""

    field: str
    message: str


class InvalidRequest(RequestError):
    """One or more fields of the request are wrong."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        """Store one message for each wrong field."""
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = tuple(errors)


class IdempotencyKeyReused(RequestError):
    """An earlier request had the same Idempotency-Key and a different body."""


class BodyTooLarge(RequestError):
    """The body has more bytes than the endpoint accepts."""

    def __init__(self, bytes_max: int) -> None:
        """Store the limit."""
        super().__init__(f"at most {bytes_max} bytes")
        self.bytes_max = bytes_max


class NotJson(RequestError):
    """The Content-Type of the body is not JSON."""


class BodyEncoded(RequestError):
    """The body has a content coding, for example gzip."""


class InsufficientCredits(RequestError):
    """The job costs more credits than the account has available."""

    def __init__(self, *, required: int, available: int) -> None:
        """Store both amounts and their difference, in credits."""
        super().__init__(f"{required} required, {available} available")
        self.required = required
        self.available = available
        self.missing = required - available


class TooManyJobs(RequestError):
    """The account has reached its limit of open jobs."""

    def __init__(self, in_flight_max: int) -> None:
        """Store the limit."""
        super().__init__(f"{in_flight_max} jobs are in flight")
        self.in_flight_max = in_flight_max


class LimitReached(RequestError):
    """The account has reached its limit of an act in this window (domain/limits.py)."""

    def __init__(self, limit: int, retry_after_seconds: int, act: str) -> None:
        """Store the limit, the seconds until the next window begins, and the act."""
        super().__init__(f"{limit} {act} in this window")
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds
        self.act = act


class RateLimited(LimitReached):
    """The account has reached its limit of accepted jobs in this minute."""


class TooManyRequests(LimitReached):
    """The account has reached its limit of quotes in this hour, or of test callbacks."""


class TooManyUploads(LimitReached):
    """The account has reached its limit of uploads, of checked files, or of bytes."""


class TooManyCancels(LimitReached):
    """The account has reached its limit of canceled jobs in this hour."""


class Paused(RequestError):
    """An administrator has paused the acceptance of new jobs."""


class ProviderPaused(RequestError):
    """The provider is paused until midnight UTC, because of the daily ceiling in USD."""

    def __init__(self, retry_after_seconds: int) -> None:
        """Store the seconds until midnight."""
        super().__init__(f"{retry_after_seconds} seconds until midnight UTC")
        self.retry_after_seconds = retry_after_seconds


class ModelUnavailable(RequestError):
    """The provider does not offer the template's model at the moment."""

    def __init__(self, template: str, retry_after_seconds: int) -> None:
        """Store the template's code, and the seconds until the next check of the model."""
        super().__init__(f"{template}, next check in {retry_after_seconds} seconds")
        self.template = template
        self.retry_after_seconds = retry_after_seconds


class JobIsFinal(RequestError):
    """The job has ended and cannot be canceled. The message is its status."""


class JobIsOpen(RequestError):
    """The job is open, or its end is not announced: it has no callback, and cannot be deleted.

    The message tells which.
    """


class NoCallbackUrl(RequestError):
    """The job was submitted without a callback URL."""


class NotSignedIn(RequestError):
    """The request has no token, or a token that is not an ID token."""


class Forbidden(RequestError):
    """The signed-in user is not allowed to do this."""


class Suspended(RequestError):
    """An administrator has suspended the account. It may not submit jobs."""


class NotFound(RequestError):
    """The object does not exist, or belongs to another account.

    The response is the same for both.
    """


class MethodNotAllowed(RequestError):
    """The path does not support the request's method."""

    def __init__(self, path: str, allowed: str) -> None:
        """Store the path and its methods, in the format of the header `Allow`."""
        super().__init__(f"{path} accepts {allowed}.")
        self.path = path
        self.allowed = allowed


class Unavailable(DarkroomError):
    """A service that the API needs did not respond.

    It is unknown whether the request took effect.
    """


class InternalError(DarkroomError):
    """The API failed because of a bug."""

    def __init__(self, request_id: str) -> None:
        """Store the request id, which finds the details in the log."""
        super().__init__(request_id)
        self.request_id = request_id


class WorkflowUnavailable(DarkroomError):
    """Step Functions did not start or resume an execution. Recovery repeats it."""


class WebhookRejected(DarkroomError):
    """The webhook is unsigned, too old, or forged."""


class WebhookSecretMissing(DarkroomError):
    """Webhooks cannot be verified, because the stack has no webhook secret yet."""


class RetryLater(DarkroomError):
    """The workflow must wait, then enter RequestPrediction again.

    The message is the time in the format that Step Functions parses.
    """

    def __init__(self, at: datetime) -> None:
        """Store the time (UTC) of the next entry."""
        super().__init__(at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.at = at


class ProviderQueueFull(DarkroomError):
    """The job must wait in the provider's queue, then enter RequestPrediction again."""


class OutputUnavailable(DarkroomError):
    """The download of an output failed. A retry may succeed."""


class GenerationFailed(DarkroomError):
    """The job cannot be completed. `failure` is the reason.

    `concerns_template` is False if a job of the same template with other parameters can succeed
    although the model is unavailable for this job.
    """

    def __init__(self, failure: Failure, *, concerns_template: bool = True) -> None:
        """Store the failure. The message is its code only."""
        super().__init__(failure.code)
        self.failure = failure
        self.concerns_template = concerns_template
