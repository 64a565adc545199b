"""The problem documents (RFC 9457) of the API: one table with every type of problem.

The responses, the OpenAPI document, the pages and docs/problems.md are made from the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from darkroom.domain import errors
from darkroom.schemas.responses import ProblemResponse

BUSY_RETRY_AFTER_SECONDS = 5
UNAVAILABLE_RETRY_AFTER_SECONDS = 2
PAUSED_RETRY_AFTER_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A type of problem.

    `detail` is a format string for the error's message and attributes. `is_refusal` is true if the
    request changed nothing. If `is_refusal` is false, the effect of the request is unknown.
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
        """The path of the page about this type."""
        return f"/problems/{self.slug}"


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
    return document


def headers_of(error: errors.DarkroomError) -> dict[str, str]:
    """Return the headers of an error's response."""
    headers = {"Allow": error.allowed} if isinstance(error, errors.MethodNotAllowed) else {}
    seconds = (
        error.retry_after_seconds
        if isinstance(error, errors.RateLimited)
        else problem_of(error).retry_after_seconds
    )
    if seconds is not None:
        headers["Retry-After"] = str(seconds)
    return headers


PROBLEMS: dict[type[errors.DarkroomError], Problem] = {
    errors.InvalidRequest: Problem(
        slug="invalid-request",
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        title="The request is not valid",
        meaning="Fields of the request are missing, unknown or invalid. Nothing was changed.",
        advice="Correct every field that errors names, and send the request again.",
    ),
    errors.IdempotencyKeyReused: Problem(
        slug="idempotency-key-reused",
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        title="The Idempotency-Key belongs to another request",
        meaning=(
            "A request with this Idempotency-Key was accepted in the last hours, "
            "and the bytes of its body were different."
        ),
        advice="Use a new key for a new request. Use the same key only to repeat the same bytes.",
        detail=(
            "This key was used with a different body, so no job was created and nothing was "
            "charged. Use a new Idempotency-Key for a new request."
        ),
    ),
    errors.InsufficientCredits: Problem(
        slug="insufficient-credits",
        status=HTTPStatus.PAYMENT_REQUIRED,
        title="Not enough credits",
        meaning=(
            "The job costs more credits than the account has available. "
            "Credits that open jobs hold are not available."
        ),
        advice=(
            "missing is the number of missing credits. Wait until open jobs end, get more "
            "credits, or submit a cheaper job."
        ),
        detail=(
            "The job costs {required} credits, and {available} are available: "
            "{missing} are missing. Nothing was charged."
        ),
    ),
    errors.TooManyJobs: Problem(
        slug="too-many-jobs",
        status=HTTPStatus.TOO_MANY_REQUESTS,
        title="Too many open jobs",
        meaning="The account has reached its limit of open jobs.",
        advice="Submit the job again when one of the open jobs has ended.",
        detail=(
            "The account has {in_flight_max} open jobs, which is the limit. Nothing was charged. "
            "Submit the job again when one of them has ended."
        ),
        retry_after_seconds=BUSY_RETRY_AFTER_SECONDS,
    ),
    errors.RateLimited: Problem(
        slug="too-many-jobs-this-minute",
        status=HTTPStatus.TOO_MANY_REQUESTS,
        title="Too many jobs in this minute",
        meaning=(
            "The account has reached its limit of accepted jobs per minute. "
            "Refused requests do not count."
        ),
        advice="Submit the job again in the next minute, after the seconds in Retry-After.",
        detail=(
            "{per_minute_max} jobs of this account were accepted in this minute, which is the "
            "limit. Nothing was charged. Submit the job again in the next minute."
        ),
        retry_after_seconds=60,
    ),
    errors.Paused: Problem(
        slug="paused",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        title="New jobs are paused",
        meaning="An administrator has paused new jobs. Jobs that were accepted before continue.",
        advice="Submit the job again later, with the same Idempotency-Key.",
        detail=(
            "No job was created and nothing was charged. Accepted jobs continue. "
            "Submit the job again later."
        ),
        retry_after_seconds=PAUSED_RETRY_AFTER_SECONDS,
    ),
    errors.JobIsFinal: Problem(
        slug="job-is-final",
        status=HTTPStatus.CONFLICT,
        title="The job has ended",
        meaning="The job is completed, failed or canceled. It cannot be canceled any more.",
        advice="Read the job to see its result.",
        detail="The job is already {message} and cannot be canceled. Read the job for its result.",
    ),
    errors.JobIsOpen: Problem(
        slug="job-is-open",
        status=HTTPStatus.CONFLICT,
        title="The job is still open",
        meaning=(
            "Only a job that has ended can be deleted. This job is open, "
            "or its end is not announced yet."
        ),
        advice="Cancel the job or wait for its end. Then delete it.",
        retry_after_seconds=BUSY_RETRY_AFTER_SECONDS,
    ),
    errors.NotSignedIn: Problem(
        slug="not-signed-in",
        status=HTTPStatus.UNAUTHORIZED,
        title="Not signed in",
        meaning=("The request has no valid token. The API accepts ID tokens, not access tokens."),
        advice="Sign in, and send the ID token as Authorization: Bearer <token>.",
        detail="No valid ID token. Send an ID token as Authorization: Bearer <token>.",
    ),
    errors.Forbidden: Problem(
        slug="forbidden",
        status=HTTPStatus.FORBIDDEN,
        title="Not allowed",
        meaning="The token is valid, but its user may not do this.",
        advice=(
            "Sign in as another user. Some routes are for the group admin only, "
            "and the API accepts accounts of the configured platforms only."
        ),
    ),
    errors.NotFound: Problem(
        slug="not-found",
        status=HTTPStatus.NOT_FOUND,
        title="Not found",
        meaning=(
            "The object does not exist, was deleted, or belongs to another account. "
            "The response is the same in all three cases."
        ),
        advice="Check the path and the id. Paths are case-sensitive and end without a slash.",
        detail="There is no such {message}.",
    ),
    errors.MethodNotAllowed: Problem(
        slug="method-not-allowed",
        status=HTTPStatus.METHOD_NOT_ALLOWED,
        title="Method not allowed",
        meaning="The path exists, but it does not support this method.",
        advice="Use one of the methods in the header Allow.",
    ),
    errors.NotJson: Problem(
        slug="unsupported-media-type",
        status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        title="The body is not JSON",
        meaning="The Content-Type of the request is not application/json.",
        advice="Send the body as Content-Type: application/json.",
        detail="The body is not JSON. Send it as Content-Type: application/json.",
    ),
    errors.BodyTooLarge: Problem(
        slug="body-too-large",
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        title="The body is too large",
        meaning="The body has more bytes than this route accepts. detail has the limit.",
        advice="Send a smaller body.",
        detail="The body has more than {bytes_max} bytes, which is the limit. Send a smaller body.",
    ),
    errors.Unavailable: Problem(
        slug="unavailable",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        title="Temporarily unavailable",
        meaning=(
            "A service of AWS did not respond in time, or refused because of too many requests. "
            "It is unknown whether the request took effect."
        ),
        advice=(
            "Repeat the request after the seconds in Retry-After. If you repeat POST /jobs with "
            "the same Idempotency-Key, there is only one job."
        ),
        detail=(
            "A service of AWS failed or was busy. It is unknown whether the request took effect. "
            "Repeat the request (POST /jobs with the same Idempotency-Key)."
        ),
        retry_after_seconds=UNAVAILABLE_RETRY_AFTER_SECONDS,
        is_refusal=False,
    ),
    errors.InternalError: Problem(
        slug="internal-error",
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        title="Internal error",
        meaning="The API has a bug. It is unknown whether the request took effect.",
        advice=(
            "Read the job or the ledger before you repeat the request. Report the request_id to "
            "the operator of the API: the log has the error under this id."
        ),
        detail="The API has a bug. The effect of the request is unknown. Report the request_id.",
        is_refusal=False,
    ),
    errors.WebhookRejected: Problem(
        slug="webhook-rejected",
        status=HTTPStatus.UNAUTHORIZED,
        title="The webhook was refused",
        meaning=(
            "The webhook has no signature, a wrong or an old signature, or it belongs to no "
            "attempt of the job."
        ),
        advice=(
            "Only the provider calls this route. If the provider's webhooks are refused, compare "
            "the webhook secret of the stack with the provider's, and check the clocks."
        ),
        detail="The signature is missing, wrong or too old, or the attempt does not exist.",
    ),
    errors.WebhookSecretMissing: Problem(
        slug="webhook-secret-missing",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        title="Webhooks cannot be verified yet",
        meaning="The stack has no webhook secret, so it accepts no webhooks.",
        advice="Store the provider's webhook secret in the stack. The provider repeats webhooks.",
        detail="The stack has no webhook secret yet.",
        retry_after_seconds=BUSY_RETRY_AFTER_SECONDS,
    ),
}
