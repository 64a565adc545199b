"""The problems of an account: its credits and its limits."""

from __future__ import annotations

from http import HTTPStatus

from darkroom.api.problem_types.problem import BUSY_RETRY_AFTER_SECONDS, Problem
from darkroom.domain import errors

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
            "{per_minute_max} jobs of this account were accepted in this minute, which is the "
            "limit. Nothing was charged. Submit the job again in the next minute."
        ),
        retry_after_seconds=60,
    ),
}
