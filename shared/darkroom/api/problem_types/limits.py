"""The problems of an account: its credits and its limits."""

from __future__ import annotations

from http import HTTPStatus

from darkroom.api.problem_types.problem import BUSY_RETRY_AFTER_SECONDS, Problem
from darkroom.domain import errors

_DETAIL = (
    "The account has reached its limit: {limit} {act} in this window. Nothing was changed. "
    "Repeat the request after {retry_after_seconds} seconds."
)

LIMITS: dict[type[errors.DarkroomError], Problem] = {
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
            "{limit} jobs of this account were accepted in this minute, which is the "
            "limit. Nothing was charged. Submit the job again in the next minute."
        ),
        retry_after_seconds=60,
    ),
    errors.TooManyRequests: Problem(
        slug="too-many-requests",
        status=HTTPStatus.TOO_MANY_REQUESTS,
        title="Too many requests",
        meaning=(
            "The account has reached its limit of quotes or repeated callbacks in this hour, "
            "or of test callbacks in this minute. Refused requests do not count."
        ),
        advice="Repeat the request after the seconds in Retry-After.",
        detail=_DETAIL,
        retry_after_seconds=60,
    ),
    errors.TooManyUploads: Problem(
        slug="too-many-uploads",
        status=HTTPStatus.TOO_MANY_REQUESTS,
        title="Too many uploads",
        meaning=(
            "The account has reached its limit of announced uploads or of checked files in this "
            "hour, or of announced bytes in this day (UTC). Refused requests do not count."
        ),
        advice=(
            "Repeat the request after the seconds in Retry-After. Announce the size of the file, "
            "not a larger size. New jobs may use a completed upload until its expires_at."
        ),
        detail=_DETAIL,
        retry_after_seconds=3_600,
    ),
    errors.TooManyCancels: Problem(
        slug="too-many-cancels",
        status=HTTPStatus.TOO_MANY_REQUESTS,
        title="Too many canceled jobs",
        meaning=(
            "The account has reached its limit of canceled jobs in this hour. "
            "Refused requests and repeated cancels of a job do not count."
        ),
        advice=("Let the job run to its end, or cancel the job after the seconds in Retry-After."),
        detail=_DETAIL,
        retry_after_seconds=3_600,
    ),
}
