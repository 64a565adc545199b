"""Errors of AWS: the call fails before it has an effect, or only its response is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError


@dataclass(frozen=True)
class AwsError:
    """One error response. With `after_effect` AWS executes the call before the error."""

    code: str
    reasons: Sequence[str] = ()
    after_effect: bool = False

    def error(self, operation: str) -> ClientError:
        response: Any = {
            "Error": {"Code": self.code, "Message": self.code},
            "CancellationReasons": [{"Code": reason} for reason in self.reasons],
        }
        return ClientError(response, operation)


# A response has one reason for each item. The transactions of these tests have three items.
CONFLICT = AwsError("TransactionCanceledException", reasons=("None", "TransactionConflict", "None"))
THROTTLED = AwsError("TransactionCanceledException", reasons=("ThrottlingError", "None", "None"))
LOST_ANSWER = AwsError("InternalServerError", after_effect=True)


@contextmanager
def failing_calls(client: Any, operation: str, *errors: AwsError) -> Iterator[list[str]]:
    """Fail the next calls of one operation, one with each error in this order.

    Yields a list with one item for each of its calls so far: the error code, or "sent" without an
    error. The client may have other calls, which are neither failed nor listed.
    """
    remaining, outcomes, call = list(errors), list[str](), client._make_api_call
    was_patched = "_make_api_call" in vars(client)

    def call_with_errors(name: str, arguments: Any) -> Any:
        if name != operation:
            return call(name, arguments)
        if not remaining:
            outcomes.append("sent")
            return call(name, arguments)
        error = remaining.pop(0)
        outcomes.append(error.code)
        if error.after_effect:
            call(name, arguments)
        raise error.error(name)

    client._make_api_call = call_with_errors
    try:
        yield outcomes
    finally:
        # The method belongs to the class. An attribute left on the client would hide a later
        # patch of the class.
        if was_patched:
            client._make_api_call = call
        else:
            del client._make_api_call
