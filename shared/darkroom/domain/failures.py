"""The reasons why a job ends without outputs. Each has a stable code and a message for the user.

`make failures` writes docs/failures.md from this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class FailureCode(StrEnum):
    """The values of `error.code` in a job. Clients rely on them, so they never change."""

    REFUSED = "refused"
    INVALID_INPUT = "invalid_input"
    CANCELED = "canceled"
    NO_OUTPUT = "no_output"
    OUTPUT_REJECTED = "output_rejected"
    OUTPUT_UNAVAILABLE = "output_unavailable"
    OUTPUT_HOST_REFUSED = "output_host_refused"
    PREDICTION_FAILED = "prediction_failed"
    MODEL_UNAVAILABLE = "model_unavailable"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    QUEUE_TIMEOUT = "queue_timeout"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureKind:
    """What a code means, and what its failures have in common.

    `message` is for the user, if the provider's own words are not known. `is_fault` tells whether
    Darkroom or the provider caused the failure. Then the execution ends as failed. `retryable` is
    False if the same job ends the same way: by its parameters, or until the operator acts.
    """

    meaning: str
    message: str
    is_fault: bool = True
    retryable: bool = True


KINDS: Mapping[FailureCode, FailureKind] = {
    FailureCode.REFUSED: FailureKind(
        meaning="The provider's moderation refused the prompt, an input or the output.",
        message=(
            "The model refused the prompt, the input image or the output as sensitive. Nothing "
            "was charged. Change the prompt or the image, and submit the job again."
        ),
        is_fault=False,
        retryable=False,
    ),
    FailureCode.INVALID_INPUT: FailureKind(
        meaning="The provider did not accept a parameter or an input image.",
        message=(
            "The model did not accept these parameters. Nothing was charged. Change the "
            "parameters and submit the job again."
        ),
        is_fault=False,
        retryable=False,
    ),
    FailureCode.CANCELED: FailureKind(
        meaning="The user canceled the job in time.",
        message="The job was canceled. Nothing was charged.",
        is_fault=False,
        retryable=False,
    ),
    FailureCode.NO_OUTPUT: FailureKind(
        meaning="The prediction succeeded and has no output.",
        message="The model finished without an output. Nothing was charged. Submit the job again.",
    ),
    FailureCode.OUTPUT_REJECTED: FailureKind(
        meaning="The output is no image and no video, or it is too large.",
        message=(
            "The model's output is not an image or a video that can be stored. Nothing was "
            "charged. Choose another template or other parameters."
        ),
        retryable=False,
    ),
    FailureCode.OUTPUT_UNAVAILABLE: FailureKind(
        meaning=(
            "The output was not downloaded whole within two minutes, or the provider does not send "
            "it."
        ),
        message=(
            "The output could not be downloaded from the provider as a whole file. Nothing was "
            "charged. Submit the job again."
        ),
    ),
    FailureCode.OUTPUT_HOST_REFUSED: FailureKind(
        meaning=(
            "The output is on a host that is not in `DeliveryHosts`: the provider has moved its "
            "files."
        ),
        message=(
            "The provider delivered the output from a host that Darkroom does not download from. "
            "Nothing was charged. Choose another template until the operator has allowed the "
            "host."
        ),
        retryable=False,
    ),
    FailureCode.PREDICTION_FAILED: FailureKind(
        meaning="The model failed, and the provider does not blame the input.",
        message=(
            "The model failed while it processed the job. Nothing was charged. Submit the job "
            "again."
        ),
    ),
    FailureCode.MODEL_UNAVAILABLE: FailureKind(
        meaning="The provider does not offer the model or the version of the template any more.",
        message=(
            "The provider does not offer this model any more, or has changed it. Nothing was "
            "charged. Choose another template."
        ),
        retryable=False,
    ),
    FailureCode.PROVIDER_UNAVAILABLE: FailureKind(
        meaning=(
            "The provider did not answer, answered with an error of its own, or refused "
            "Darkroom's request."
        ),
        message=(
            "The provider of this model is not available at the moment. Nothing was charged. "
            "Submit the job again later."
        ),
    ),
    FailureCode.QUEUE_TIMEOUT: FailureKind(
        meaning="The job got no slot of the provider within its queue time.",
        message=(
            "The provider of this model was busy, so the job was not started in time. Nothing was "
            "charged. Submit the job again later."
        ),
    ),
    FailureCode.DEADLINE_EXCEEDED: FailureKind(
        meaning="The prediction did not finish before the deadline.",
        message="The model did not finish in time. Nothing was charged. Submit the job again.",
    ),
    FailureCode.INTERNAL: FailureKind(
        meaning="Darkroom or AWS failed.",
        message="An internal error occurred. Nothing was charged. Submit the job again.",
    ),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason why a job ended without outputs.

    `retryable` tells whether the same job may succeed when the user submits it again.
    """

    code: FailureCode
    message: str
    retryable: bool

    @property
    def is_fault(self) -> bool:
        """Whether Darkroom or the provider caused the failure.

        If true, the execution ends as failed, and alarms count the failed execution.
        """
        return KINDS[self.code].is_fault


def failure(code: FailureCode, message: str | None = None) -> Failure:
    """Return the failure of a code. `message` replaces the default message of the code."""
    kind = KINDS[code]
    return Failure(code=code, message=message or kind.message, retryable=kind.retryable)


def failure_of_error(error_name: str) -> Failure:
    """Return the failure for the error that ended a workflow step.

    It applies only if the step recorded no reason on the job. `error_name` is a class name.
    """
    match error_name:
        case "ProviderUnavailable":
            return failure(FailureCode.PROVIDER_UNAVAILABLE)
        case "OutputUnavailable":
            return failure(FailureCode.OUTPUT_UNAVAILABLE)
        case _:
            return failure(FailureCode.INTERNAL)
