"""Distinguishes transient AWS errors from bugs and missing permissions.

After a transient error, the same request may succeed later.
"""

from __future__ import annotations

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError
from pynamodb.exceptions import PynamoDBException, TransactWriteError

from darkroom.domain.errors import WorkflowUnavailable
from darkroom.media.bucket import MediaNotDeleted
from darkroom.storage.transactions import TRANSIENT_CODES, Refused

_OF_OTHER_SERVICES = {
    "SlowDown", "InternalError", "RequestTimeout", "Throttling", "TooManyRequestsException",
    "InternalServiceError", "InternalServiceErrorException", "ServiceUnavailableException",
}  # fmt: skip
_TRANSIENT_REASONS = {
    "None",
    "ConditionalCheckFailed",
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
}
_SERVER_ERROR = 500


def is_transient(error: BaseException) -> bool:
    """Return whether an error is transient.

    An error is transient if AWS was slow, busy or failed, or if concurrent writes kept changing
    the same items.
    """
    match error:
        case WorkflowUnavailable() | Refused() | HTTPClientError() | AwsConnectionError():
            return True
        case MediaNotDeleted():
            return str(error) in _OF_OTHER_SERVICES | TRANSIENT_CODES
        case TransactWriteError() if (
            not {reason.code for reason in error.cancellation_reasons if reason}
            <= _TRANSIENT_REASONS
        ):
            return False
        case PynamoDBException():
            return error.cause is not None and is_transient(error.cause)
        case ClientError():
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return (
                status >= _SERVER_ERROR
                or error.response["Error"]["Code"] in _OF_OTHER_SERVICES | TRANSIENT_CODES
            )
        case _:
            return False
