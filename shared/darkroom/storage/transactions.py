"""Writes to the table that are decided, not guessed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.connection import Connection
from pynamodb.constants import ALL_OLD
from pynamodb.exceptions import TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from darkroom.domain.errors import DarkroomError
from darkroom.storage.table import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, RETRIES_MAX

_TRIES_MAX = 6
_TRYING_SECONDS_MAX = 2.0
_BACKOFF_SECONDS = 0.025
_DECIDED = {None, "None", "ConditionalCheckFailed"}
TRANSIENT_CODES = {
    "TransactionCanceledException", "TransactionInProgressException", "TransactionConflictException", "ThrottlingException",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "InternalServerError", "ServiceUnavailable",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Put:
    """Write this row if the condition holds."""

    row: Model
    condition: Condition


@dataclass(frozen=True, slots=True)
class Update:
    """Change this row if the condition, where there is one, holds."""

    row: Model
    actions: Sequence[Action]
    condition: Condition | None


@dataclass(frozen=True, slots=True)
class Delete:
    """Take this row away if the condition, where there is one, holds."""

    row: Model
    condition: Condition | None


type Write = Put | Update | Delete
type RawItem = Mapping[str, Any]
"""An item in DynamoDB's JSON."""


class Refused(DarkroomError):
    """The table decided against a transaction: nothing was written.

    `rows` has each row whose condition failed, as it was; None when it was absent, and for deletions, of which it is not told.
    """

    def __init__(self, rows: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Carry the rows by the names that the caller gave its writes."""
        super().__init__(", ".join(sorted(rows)))
        self.rows = rows


def transact(writes: Mapping[str, Write]) -> None:
    """Do all the writes or none.

    Raises Refused when a condition failed and nothing but conditions did. An unknown answer may be repeated: the caller's conditions make
    the second one a refusal.
    """
    # PynamoDB sends deletes, puts, updates, and the reasons of a refusal come back in that order.
    named = sorted(writes.items(), key=lambda item: (Delete, Put, Update).index(type(item[1])))

    def send() -> None:
        try:
            _send([write for _, write in named])
        except TransactWriteError as error:
            reasons = error.cancellation_reasons
            if reasons and all((reason.code if reason else None) in _DECIDED for reason in reasons):
                failed = {
                    name: reason.raw_item
                    for (name, _), reason in zip(named, reasons, strict=True)
                    if reason and reason.code != "None"
                }
                raise Refused(failed) from error
            raise

    _persisting(send)


def update(row: Model, actions: Sequence[Action], condition: Condition | None = None) -> bool:
    """Change one row if the condition holds, and say whether it did. The row is then as the table has it."""

    def send() -> bool:
        try:
            row.update(actions=list(actions), condition=condition)
        except UpdateError as error:
            if _code_of(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    return _persisting(send)


def _persisting[Result](send: Callable[[], Result]) -> Result:
    """Try again, with full jitter, at most 6 times and 2 seconds, what met another transaction or was throttled.

    Neither botocore nor PynamoDB does it for conflicts (pynamodb#1264). After that the library's own error comes through.
    """
    give_up_at = time.monotonic() + _TRYING_SECONDS_MAX
    for attempt in range(1, _TRIES_MAX):
        try:
            return send()
        except (TransactWriteError, UpdateError) as error:
            if _code_of(error) not in TRANSIENT_CODES or time.monotonic() > give_up_at:
                raise
        time.sleep(random.uniform(0, _BACKOFF_SECONDS * 2**attempt))  # noqa: S311 (jitter is no secret)
    return send()


def _send(writes: Sequence[Write]) -> None:
    with TransactWrite(connection=_connection()) as transaction:
        for write in writes:
            match write:
                case Delete(row, condition):
                    transaction.delete(row, condition=condition)
                case Put(row, condition):
                    transaction.save(row, condition=condition, return_values=ALL_OLD)
                case Update(row, actions, condition):
                    transaction.update(
                        row, actions=list(actions), condition=condition, return_values=ALL_OLD
                    )


def _code_of(error: TransactWriteError | UpdateError) -> str | None:
    """Tell the code of DynamoDB's answer; None when there was no answer, over which PynamoDB's own property stumbles."""
    return error.cause.response["Error"]["Code"] if isinstance(error.cause, ClientError) else None


@cache
def _connection() -> Connection:
    return Connection(
        connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds=READ_TIMEOUT_SECONDS,
        max_retry_attempts=RETRIES_MAX,
    )
