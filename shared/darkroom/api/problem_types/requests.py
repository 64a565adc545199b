"""The problems of a request: its fields, its permissions and the state of the job."""

from __future__ import annotations

from http import HTTPStatus

from darkroom.api.problem_types.problem import BUSY_RETRY_AFTER_SECONDS, Problem
from darkroom.domain import errors

REQUESTS: dict[type[errors.DarkroomError], Problem] = {
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
            "Only a job that has ended can be deleted, and only its callback can be sent again. "
            "This job is open, or its end is not announced yet."
        ),
        advice="Cancel the job or wait for its end. Then repeat the request.",
        retry_after_seconds=BUSY_RETRY_AFTER_SECONDS,
    ),
    errors.NoCallbackUrl: Problem(
        slug="no-callback-url",
        status=HTTPStatus.CONFLICT,
        title="The job has no callback URL",
        meaning="The job was submitted without callback_url, so it has no callback to repeat.",
        advice="Read the job to see its result.",
        detail="The job has no callback_url. Read the job for its result.",
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
            "Sign in as another user. Some routes are for administrators only, "
            "and the API accepts accounts of the configured platforms only."
        ),
    ),
    errors.Suspended: Problem(
        slug="suspended",
        status=HTTPStatus.FORBIDDEN,
        title="The account is suspended",
        meaning=(
            "An administrator has suspended the account. It may not submit jobs. Its open jobs "
            "continue, and every other route works as before."
        ),
        advice="Ask the operator of the API. Do not repeat the request before the answer.",
        detail=(
            "An administrator has suspended this account. No job was created and nothing was "
            "charged."
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
    errors.BodyEncoded: Problem(
        slug="unsupported-content-encoding",
        status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        title="The body is compressed",
        meaning="The request has a Content-Encoding, for example gzip. The API decodes none.",
        advice="Send the body as it is, without Content-Encoding.",
        detail="The API accepts no Content-Encoding. Send the body uncompressed.",
    ),
    errors.BodyTooLarge: Problem(
        slug="body-too-large",
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        title="The body is too large",
        meaning="The body has more bytes than this route accepts. detail has the limit.",
        advice="Send a smaller body.",
        detail="The body has more than {bytes_max} bytes, which is the limit. Send a smaller body.",
    ),
}
