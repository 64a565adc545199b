"""Why a job failed: a code, a message that a user can read, and whose fault it was."""

from dataclasses import dataclass
from enum import StrEnum


class FailureCode(StrEnum):
    """The stable codes of `error.code` on a job."""

    REFUSED = "refused"
    INVALID_INPUT = "invalid_input"
    CANCELED = "canceled"
    NO_OUTPUT = "no_output"
    OUTPUT_REJECTED = "output_rejected"
    OUTPUT_UNAVAILABLE = "output_unavailable"
    PREDICTION_FAILED = "prediction_failed"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    INTERNAL = "internal"


_MESSAGES = {
    FailureCode.REFUSED: "The model refused this prompt as sensitive. Change the prompt and submit it again.",
    FailureCode.INVALID_INPUT: "The model did not accept these parameters.",
    FailureCode.CANCELED: "The job was canceled.",
    FailureCode.NO_OUTPUT: "The model finished without a result. Submit the job again.",
    FailureCode.OUTPUT_REJECTED: "What the model returned is not an image that can be stored. Submit the job again.",
    FailureCode.OUTPUT_UNAVAILABLE: "The result could not be fetched from the provider. Submit the job again.",
    FailureCode.PREDICTION_FAILED: "The model failed while it was working on this. Submit the job again.",
    FailureCode.PROVIDER_UNAVAILABLE: "The provider of this model is not available at the moment. Submit the job again later.",
    FailureCode.DEADLINE_EXCEEDED: "The model did not finish in time. Submit the job again.",
    FailureCode.INTERNAL: "Something went wrong on our side. Submit the job again.",
}
_OF_THE_USER = {FailureCode.REFUSED, FailureCode.INVALID_INPUT, FailureCode.CANCELED}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed. `retryable` says whether submitting the same job again may help."""

    code: FailureCode
    message: str
    retryable: bool

    @property
    def is_fault(self) -> bool:
        """Whether somebody other than the user is to blame, so that the execution should be red."""
        return self.code not in _OF_THE_USER


def failure(code: FailureCode, message: str | None = None) -> Failure:
    """Build the failure of this code, with the code's own message unless a better one is known."""
    return Failure(
        code=code, message=message or _MESSAGES[code], retryable=code not in _OF_THE_USER
    )


def failure_of_error(error_name: str) -> Failure:
    """Build the failure for the name of an error that ended a workflow step without noting a reason on the job."""
    match error_name:
        case "ProviderUnavailable":
            return failure(FailureCode.PROVIDER_UNAVAILABLE)
        case "OutputUnavailable":
            return failure(FailureCode.OUTPUT_UNAVAILABLE)
        case _:
            return failure(FailureCode.INTERNAL)
