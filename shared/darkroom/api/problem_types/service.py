"""The problems of the service: pauses, failures and the webhook route."""

from __future__ import annotations

from http import HTTPStatus

from darkroom.api.problem_types.problem import (
    BUSY_RETRY_AFTER_SECONDS,
    PAUSED_RETRY_AFTER_SECONDS,
    UNAVAILABLE_RETRY_AFTER_SECONDS,
    Problem,
)
from darkroom.domain import errors

SERVICE: dict[type[errors.DarkroomError], Problem] = {
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
    errors.ProviderPaused: Problem(
        slug="provider-paused",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        title="The provider is paused until midnight",
        meaning=(
            "The provider of the template has reached the daily ceiling in money that the operator "
            "has set. Accepted jobs wait in the queue."
        ),
        advice=(
            "Submit the job again after the seconds in Retry-After, which is midnight UTC, or use "
            "a template of another provider."
        ),
        detail=(
            "No job was created and nothing was charged. The provider takes new jobs again in "
            "{retry_after_seconds} seconds, at midnight UTC."
        ),
        retry_after_seconds=PAUSED_RETRY_AFTER_SECONDS,
    ),
    errors.ModelUnavailable: Problem(
        slug="model-unavailable",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        title="The model is not available",
        meaning=(
            "The provider does not offer the model of the template at the moment. `template` is "
            "the template's code. Jobs of the template that wait end as failed when their turn "
            "comes, and are refunded."
        ),
        advice=(
            "Use another template. Darkroom checks the model again after the seconds in "
            "Retry-After."
        ),
        detail=(
            "No job was created and nothing was charged. The provider does not offer the model of "
            "the template {template} at the moment. Use another template, or try again in "
            "{retry_after_seconds} seconds."
        ),
        retry_after_seconds=PAUSED_RETRY_AFTER_SECONDS,
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
