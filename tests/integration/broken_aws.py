"""AWS that answers with an error: before it did anything, or after it did what it was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError


@dataclass(frozen=True)
class AwsError:
    """One error answer. With `after_effect` the call is carried out, and only its answer is lost."""

    code: str
    reasons: Sequence[str] = ()
    after_effect: bool = False

    def error(self, operation: str) -> ClientError:
        response: Any = {
            "Error": {"Code": self.code, "Message": self.code},
            "CancellationReasons": [{"Code": reason} for reason in self.reasons],
        }
        return ClientError(response, operation)


# Each transaction here has three items, and a reason for each stands in the answer.
CONFLICT = AwsError("TransactionCanceledException", reasons=("None", "TransactionConflict", "None"))
THROTTLED = AwsError("TransactionCanceledException", reasons=("ThrottlingError", "None", "None"))
LOST_ANSWER = AwsError("InternalServerError", after_effect=True)


@contextmanager
def failing_calls(client: Any, operation: str, *errors: AwsError) -> Iterator[list[str]]:
    """Have a client's next calls of one operation meet these errors; gives how each call went, as they come."""
    left, seen, call = list(errors), list[str](), client._make_api_call
    had_one = "_make_api_call" in vars(client)

    def call_with_errors(name: str, arguments: Any) -> Any:
        if name != operation or not left:
            seen.append("sent")
            return call(name, arguments)
        error = left.pop(0)
        seen.append(error.code)
        if error.after_effect:
            call(name, arguments)
        raise error.error(name)

    client._make_api_call = call_with_errors
    try:
        yield seen
    finally:
        # The client's own method is the class's: one that is put back on the client would hide what patches the class later.
        if had_one:
            client._make_api_call = call
        else:
            del client._make_api_call
