"""What is refused, as problem documents (RFC 9457): one table of the types, from which answers, the API's document and its pages are made."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import NotRequired, TypedDict

from darkroom.domain import errors

BUSY_RETRY_AFTER_SECONDS = 5
UNAVAILABLE_RETRY_AFTER_SECONDS = 2
PAUSED_RETRY_AFTER_SECONDS = 60


class FieldErrorResponse(TypedDict):
    """What is wrong with one field, and what to do about it."""

    field: str
    message: str


class ProblemResponse(TypedDict):
    """A problem document (RFC 9457). `retryable` says whether the same request may succeed later.

    What is refused charges nothing, and says so; where nobody knows what became of the request, nothing is said of it.
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
    """A response of the gateway in front of the API."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A type of problem. `detail` is what an answer of it says, with what its error carries filled in.

    A refusal changed nothing. Of what is none, nobody knows what became of the request.
    """

    slug: str
    status: HTTPStatus
    title: str
    meaning: str
    advice: str
    detail: str = "{message}"
    retry_after_seconds: int | None = None
    is_refusal: bool = True

    @property
    def type(self) -> str:
        """The URL of the type, which leads to its page."""
        return f"/problems/{self.slug}"


def problem_of(error: errors.DarkroomError) -> Problem:
    """Give the type of problem that an error is."""
    return PROBLEMS[type(error)]


def problem_by_slug(slug: str) -> Problem:
    """Give the type of problem of this name. Raises NotFound."""
    for problem in PROBLEMS.values():
        if problem.slug == slug:
            return problem
    raise errors.NotFound("type of problem")


def document_of(error: errors.DarkroomError) -> ProblemResponse:
    """Write an error as the caller reads it."""
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
    return document


def headers_of(error: errors.DarkroomError) -> dict[str, str]:
    """Give the headers that go with an error's document."""
    headers = {"Allow": error.allowed} if isinstance(error, errors.MethodNotAllowed) else {}
    seconds = (
        error.retry_after_seconds
        if isinstance(error, errors.RateLimited)
        else problem_of(error).retry_after_seconds
    )
    return headers | ({"Retry-After": str(seconds)} if seconds is not None else {})


PROBLEMS: dict[type[errors.DarkroomError], Problem] = {
    errors.InvalidRequest: Problem(
        slug="invalid-request",
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        title="The request is not valid",
        meaning="Fields of the request are missing, unknown, or not what they must be. Nothing was written.",
        advice="Each entry of errors names a field and says what it must be. Correct them all and send the request again.",
    ),
    errors.IdempotencyKeyReused: Problem(
        slug="idempotency-key-reused",
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        title="The Idempotency-Key was used for another body",
        meaning="A request with this Idempotency-Key was accepted in the last hours, and its body had other bytes.",
        advice="Use a new Idempotency-Key for a new request, and the same one only to repeat the same bytes.",
        detail="Use a new Idempotency-Key for a new request, and the same one only to repeat the same bytes.",
    ),
    errors.InsufficientCredits: Problem(
        slug="insufficient-credits",
        status=HTTPStatus.PAYMENT_REQUIRED,
        title="Not enough credits",
        meaning="The job costs more credits than the account has available. Credits that open jobs hold are not available.",
        advice="missing says how many are lacking. Wait until open jobs give theirs back, get more credits, or ask for less.",
        detail="The job costs {required} credits and {available} are available: {missing} are missing.",
    ),
    errors.TooManyJobs: Problem(
        slug="too-many-jobs",
        status=HTTPStatus.TOO_MANY_REQUESTS,
        title="Too many jobs in flight",
        meaning="The account has as many open jobs as it may have at once.",
        advice="Submit again when one of them has ended.",
        detail="{in_flight_max} jobs of this account are in flight, which is the limit. Submit again when one has ended.",
        retry_after_seconds=BUSY_RETRY_AFTER_SECONDS,
    ),
    errors.RateLimited: Problem(
        slug="too-many-jobs-this-minute",
        status=HTTPStatus.TOO_MANY_REQUESTS,
        title="Too many jobs in this minute",
        meaning="The account has had as many jobs accepted in this minute as it may have. Requests that were refused do not count.",
        advice="Submit again in the next minute: Retry-After says in how many seconds it begins.",
        detail="{per_minute_max} jobs of this account were accepted in this minute, which is the limit. Submit again in the next one.",
        retry_after_seconds=60,
    ),
    errors.Paused: Problem(
        slug="paused",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        title="No jobs are taken at the moment",
        meaning="An administrator has paused the taking of new jobs. Jobs that were accepted before go on and end.",
        advice="Submit again later, with the same Idempotency-Key.",
        detail="Jobs that were accepted go on. Submit again later.",
        retry_after_seconds=PAUSED_RETRY_AFTER_SECONDS,
    ),
    errors.JobIsFinal: Problem(
        slug="job-is-final",
        status=HTTPStatus.CONFLICT,
        title="The job has ended",
        meaning="The job is completed, failed or canceled, and nothing changes it any more.",
        advice="Read the job to see how it ended.",
        detail="The job is {message} already.",
    ),
    errors.JobIsOpen: Problem(
        slug="job-is-open",
        status=HTTPStatus.CONFLICT,
        title="The job is still open",
        meaning="The job has not ended, or its end has not been announced yet. Only then can it be deleted.",
        advice="Cancel the job or let it end, and delete it again after that.",
        retry_after_seconds=BUSY_RETRY_AFTER_SECONDS,
    ),
    errors.NotSignedIn: Problem(
        slug="not-signed-in",
        status=HTTPStatus.UNAUTHORIZED,
        title="Not signed in",
        meaning="The request has no token that this API takes. It takes ID tokens, not access tokens.",
        advice="Sign in, and send the ID token as Authorization: Bearer <token>.",
        detail="Send an ID token as Authorization: Bearer <token>.",
    ),
    errors.Forbidden: Problem(
        slug="forbidden",
        status=HTTPStatus.FORBIDDEN,
        title="Not allowed",
        meaning="The token is good, and whoever it belongs to may not do this.",
        advice="Sign in as somebody who may: some routes are for the group admin, and accounts of some platforms may not come in at all.",
    ),
    errors.NotFound: Problem(
        slug="not-found",
        status=HTTPStatus.NOT_FOUND,
        title="There is nothing here",
        meaning="It does not exist, it was deleted, or it belongs to another account. The answer is the same for all three.",
        advice="Check the path and the id. Paths have no slash at their end, and their case matters.",
        detail="There is no such {message}.",
    ),
    errors.MethodNotAllowed: Problem(
        slug="method-not-allowed",
        status=HTTPStatus.METHOD_NOT_ALLOWED,
        title="Method not allowed",
        meaning="The path exists, and does not take this method.",
        advice="Use one of the methods that the header Allow names.",
    ),
    errors.NotJson: Problem(
        slug="unsupported-media-type",
        status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        title="Not JSON",
        meaning="The body is announced as something else than JSON.",
        advice="Send the body as Content-Type: application/json.",
        detail="Send the body as Content-Type: application/json.",
    ),
    errors.BodyTooLarge: Problem(
        slug="body-too-large",
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        title="The body is too large",
        meaning="The body has more bytes than this route takes. detail says how many it may have.",
        advice="Send a smaller body.",
        detail="The body may have at most {bytes_max} bytes.",
    ),
    errors.Unavailable: Problem(
        slug="unavailable",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        title="No answer at the moment",
        meaning="What the API stands on did not answer in time or was too busy, and it is not known whether the request took effect.",
        advice="Repeat the request after a moment. A POST /jobs that is repeated with the same Idempotency-Key is one job, however often it is sent.",
        detail="It is not known whether the request took effect. Repeat it with the same Idempotency-Key.",
        retry_after_seconds=UNAVAILABLE_RETRY_AFTER_SECONDS,
        is_refusal=False,
    ),
    errors.InternalError: Problem(
        slug="internal-error",
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        title="Something went wrong on our side",
        meaning="The API ran into a bug of its own, and it is not known whether the request took effect.",
        advice="Tell whoever runs the API the request_id, under which the log says more. Look at the job or the ledger before you repeat the request.",
        detail="It is not known whether the request took effect. request_id names it in the log.",
        is_refusal=False,
    ),
    errors.WebhookRejected: Problem(
        slug="webhook-rejected",
        status=HTTPStatus.UNAUTHORIZED,
        title="The webhook was refused",
        meaning="A webhook is unsigned, signed with another secret, older than it may be, or does not carry what its attempt was given.",
        advice="Only the provider calls this route. If it does, compare the stack's webhook secret with the provider's, and the clocks.",
        detail="It is not signed, or signed too long ago.",
    ),
    errors.WebhookSecretMissing: Problem(
        slug="webhook-secret-missing",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        title="Webhooks cannot be verified yet",
        meaning="The stack has no webhook secret, so no webhook can be believed.",
        advice="Put the provider's webhook secret into the stack. The provider calls again.",
        detail="The stack has no webhook secret yet.",
        retry_after_seconds=BUSY_RETRY_AFTER_SECONDS,
    ),
}
