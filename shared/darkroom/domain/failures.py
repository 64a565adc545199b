"""The reasons why a job ends without outputs. Each has a stable code and a message for the user."""

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


_MESSAGES = {
    FailureCode.REFUSED: (
        "The model refused this prompt as sensitive. Nothing was charged. "
        "Change the prompt and submit the job again."
    ),
    FailureCode.INVALID_INPUT: (
        "The model did not accept these parameters. Nothing was charged. "
        "Change the parameters and submit the job again."
    ),
    FailureCode.CANCELED: "The job was canceled. Nothing was charged.",
    FailureCode.NO_OUTPUT: (
        "The model finished without an output. Nothing was charged. Submit the job again."
    ),
    FailureCode.OUTPUT_REJECTED: (
        "The model's output is not an image or a video that can be stored. "
        "Nothing was charged. Choose another template or other parameters."
    ),
    FailureCode.OUTPUT_UNAVAILABLE: (
        "The output could not be downloaded from the provider as a whole file. "
        "Nothing was charged. Submit the job again."
    ),
    FailureCode.OUTPUT_HOST_REFUSED: (
        "The provider delivered the output from a host that Darkroom does not download from. "
        "Nothing was charged. Choose another template until the operator has allowed the host."
    ),
    FailureCode.PREDICTION_FAILED: (
        "The model failed while it processed the job. Nothing was charged. Submit the job again."
    ),
    FailureCode.MODEL_UNAVAILABLE: (
        "The provider does not offer this model any more, or has changed it. "
        "Nothing was charged. Choose another template."
    ),
    FailureCode.PROVIDER_UNAVAILABLE: (
        "The provider of this model is not available at the moment. "
        "Nothing was charged. Submit the job again later."
    ),
    FailureCode.QUEUE_TIMEOUT: (
        "The provider of this model was busy, so the job was not started in time. "
        "Nothing was charged. Submit the job again later."
    ),
    FailureCode.DEADLINE_EXCEEDED: (
        "The model did not finish in time. Nothing was charged. Submit the job again."
    ),
    FailureCode.INTERNAL: (
        "An internal error occurred. Nothing was charged. Submit the job again."
    ),
}
_OF_THE_USER = {FailureCode.REFUSED, FailureCode.INVALID_INPUT, FailureCode.CANCELED}
# The same job ends the same way: by its parameters, or until the operator acts.
_NOT_RETRYABLE = {
    *_OF_THE_USER,
    FailureCode.OUTPUT_REJECTED,
    FailureCode.OUTPUT_HOST_REFUSED,
    FailureCode.MODEL_UNAVAILABLE,
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
        return self.code not in _OF_THE_USER


def failure(code: FailureCode, message: str | None = None) -> Failure:
    """Return the failure of a code. `message` replaces the default message of the code."""
    return Failure(
        code=code, message=message or _MESSAGES[code], retryable=code not in _NOT_RETRYABLE
    )


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
