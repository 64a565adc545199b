"""What can go wrong, and who hears it.

DarkroomError
├── RequestError                the caller; the HTTP API answers with a problem document
│   ├── InvalidRequest            422, one message for each field
│   ├── IdempotencyKeyReused      422, the same key came with another body
│   ├── BodyTooLarge              413
│   ├── NotJson                   415
│   ├── InsufficientCredits       402
│   ├── TooManyJobs               429, in flight
│   ├── RateLimited               429, in this minute
│   ├── Paused                    503
│   ├── JobIsFinal                409, there is nothing to cancel any more
│   ├── JobIsOpen                 409, it cannot be deleted yet
│   ├── NotSignedIn               401
│   ├── Forbidden                 403
│   ├── NotFound                  404
│   └── MethodNotAllowed          405
├── Unavailable                 the caller, 503; what became of the request is unknown
├── InternalError               the caller, 500; it is a bug, and the log knows which
├── WorkflowUnavailable         nobody: the job is durable, and recovery starts or resumes it
├── WebhookRejected             whoever called the webhook, 401
├── WebhookSecretMissing        whoever called the webhook, 503
├── ProviderBusy                the step that called; it becomes RetryLater
├── RetryLater                  the workflow: wait until a time, then try again
├── LookupUnsupported           the step that looked; it sends no second request
├── ProviderUnavailable         the workflow: retry
├── OutputUnavailable           the workflow: retry
└── GenerationFailed            the workflow: settle what the record holds

Anything else is trouble of AWS's, which the workflow retries, or a bug, which it retries in vain; then it settles what the record holds.
The workflow knows the last four by their class names, and their messages are codes and times: the execution history is no place for more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from darkroom.domain.failures import Failure

# A prediction may show up this long after an answer that got lost; until then it is looked for, and nothing is asked again.
UNKNOWN_SECONDS = 60.0


class DarkroomError(Exception):
    """Anything that Darkroom itself raises."""


class RequestError(DarkroomError):
    """The caller asked for what cannot be done."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of a request, and what to do about it."""

    field: str
    message: str


class InvalidRequest(RequestError):
    """Fields of the request are wrong; each is named."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        """Carry one message for each wrong field."""
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = tuple(errors)


class IdempotencyKeyReused(RequestError):
    """The same Idempotency-Key came with another body."""


class BodyTooLarge(RequestError):
    """The body has more bytes than its endpoint takes."""

    def __init__(self, bytes_max: int) -> None:
        """Carry the limit."""
        super().__init__(f"at most {bytes_max} bytes")
        self.bytes_max = bytes_max


class NotJson(RequestError):
    """The body is announced as something else than JSON."""


class InsufficientCredits(RequestError):
    """The account has fewer credits available than the job costs."""

    def __init__(self, *, required: int, available: int) -> None:
        """Carry both sums, in credits, and what is missing between them."""
        super().__init__(f"{required} required, {available} available")
        self.required = required
        self.available = available
        self.missing = required - available


class TooManyJobs(RequestError):
    """The account has as many jobs in flight as it may have."""

    def __init__(self, in_flight_max: int) -> None:
        """Carry the limit."""
        super().__init__(f"{in_flight_max} jobs are in flight")
        self.in_flight_max = in_flight_max


class RateLimited(RequestError):
    """The account has had as many jobs accepted in this minute as it may have."""

    def __init__(self, per_minute_max: int, retry_after_seconds: int) -> None:
        """Carry the limit, and in how many seconds the next minute begins."""
        super().__init__(f"{per_minute_max} jobs in this minute")
        self.per_minute_max = per_minute_max
        self.retry_after_seconds = retry_after_seconds


class Paused(RequestError):
    """No jobs are taken at the moment."""


class JobIsFinal(RequestError):
    """The job has ended, and there is nothing to cancel any more; the message is its status."""


class JobIsOpen(RequestError):
    """The job has not ended, or its end is not announced yet, so it cannot be deleted; the message says which."""


class NotSignedIn(RequestError):
    """No token, or one that is not an ID token."""


class Forbidden(RequestError):
    """Whoever asks may not do this."""


class NotFound(RequestError):
    """There is no such thing, or it is somebody else's, which is the same to the caller."""


class MethodNotAllowed(RequestError):
    """The path takes other methods."""

    def __init__(self, path: str, allowed: str) -> None:
        """Carry the path and the methods that it takes, as they stand in `Allow`."""
        super().__init__(f"{path} takes {allowed}.")
        self.path = path
        self.allowed = allowed


class Unavailable(DarkroomError):
    """What the API stands on did not answer, so nobody knows what became of the request."""


class InternalError(DarkroomError):
    """The API ran into a bug of its own."""

    def __init__(self, request_id: str) -> None:
        """Carry the id under which the log has the rest."""
        super().__init__(request_id)
        self.request_id = request_id


class WorkflowUnavailable(DarkroomError):
    """An execution could not be started or resumed just now."""


class WebhookRejected(DarkroomError):
    """A webhook that is unsigned, stale or forged."""


class WebhookSecretMissing(DarkroomError):
    """Webhooks cannot be verified, because no secret has been put in yet."""


class ProviderBusy(DarkroomError):
    """The provider asks for patience, and did nothing of what it was asked for."""

    def __init__(self, retry_after_seconds: float) -> None:
        """Carry how long to wait."""
        super().__init__(str(retry_after_seconds))
        self.retry_after_seconds = retry_after_seconds


class LookupUnsupported(DarkroomError):
    """Nothing marks a prediction as ours, so whether there is one cannot be told."""


class RetryLater(DarkroomError):
    """The workflow is to wait and enter RequestPrediction again; the message is the time, as Step Functions reads it."""

    def __init__(self, at: datetime) -> None:
        """Carry the time (UTC) to come back at."""
        super().__init__(at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.at = at


class ProviderUnavailable(DarkroomError):
    """The provider did not answer, or answered that it is in trouble: what became of the request is unknown."""

    def __init__(self, cause: str, *, unknown_seconds: float = UNKNOWN_SECONDS) -> None:
        """Carry the cause, and how long it stays unknown whether something was created."""
        super().__init__(cause)
        self.unknown_seconds = unknown_seconds


class OutputUnavailable(DarkroomError):
    """An output could not be fetched this time."""


class GenerationFailed(DarkroomError):
    """The job cannot be delivered; why is told by its failure."""

    def __init__(self, failure: Failure) -> None:
        """Carry the failure, and its code alone as the message."""
        super().__init__(failure.code)
        self.failure = failure
