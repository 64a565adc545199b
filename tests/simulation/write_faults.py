"""Faults of writes to DynamoDB, chosen by a seed: conflicts, throttling and lost responses."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError
from pynamodb.exceptions import PynamoDBException

from darkroom.storage import transactions
from tests.integration.broken_aws import AwsError

LOST_RESPONSES = ("InternalServerError", "TransactionInProgressException", "ReadTimeout")
_WRITES = {"TransactWriteItems", "UpdateItem", "PutItem", "DeleteItem"}
_CALLS_MAX = 50


@dataclass
class WriteFaults:
    """The rates of faults, and counts of what happened.

    `fault_rate` is the share of writes that fail. `lost_response_rate` is the share of these that
    take effect before their response is lost. `waits` records the seconds of each pause between two
    tries; no pause happens.
    """

    rng: random.Random
    fault_rate: float = 0
    lost_response_rate: float = 0.5
    lost_responses: tuple[str, ...] = LOST_RESPONSES
    counts: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    def until_success[Result](self, operation: Callable[[], Result]) -> Result:
        """Repeat an operation until it succeeds, as a client, the workflow or recovery does."""
        for _ in range(_CALLS_MAX):
            try:
                return operation()
            except PynamoDBException:
                self.counts["repeated calls"] += 1
        pytest.fail(f"no success after {_CALLS_MAX} calls")

    def write(self, call: Callable[[], Any], operation: str, arguments: Any) -> Any:
        """Perform a write, or fail it."""
        self.counts["writes"] += 1
        if self.rng.random() >= self.fault_rate:
            return call()
        if self.rng.random() >= self.lost_response_rate:
            self.counts["rejected"] += 1
            raise self._rejection(operation, len(arguments.get("TransactItems", ()))).error(
                operation
            )
        self.counts["lost responses"] += 1
        try:
            call()
        except ClientError:
            self.counts["lost refusals"] += 1
        code = self.rng.choice(self.lost_responses)
        raise (
            ReadTimeoutError(endpoint_url="dynamodb")
            if code == "ReadTimeout"
            else AwsError(code).error(operation)
        )

    def _rejection(self, operation: str, items_count: int) -> AwsError:
        if operation != "TransactWriteItems":
            return AwsError(
                self.rng.choice(
                    [
                        "TransactionConflictException",
                        "ThrottlingException",
                        "ProvisionedThroughputExceededException",
                    ]
                )
            )
        # In a transaction with a conflict, a failed condition has no meaning.
        reasons = [self.rng.choice(["None", "ConditionalCheckFailed"]) for _ in range(items_count)]
        reasons[self.rng.randrange(items_count)] = self.rng.choice(
            ["TransactionConflict", "ThrottlingError"]
        )
        return AwsError("TransactionCanceledException", reasons)


@contextmanager
def failing_writes(monkeypatch: pytest.MonkeyPatch, seed: str) -> Iterator[WriteFaults]:
    """Inject faults into every write to DynamoDB. The initial `fault_rate` is zero."""
    write_faults = WriteFaults(random.Random(seed))
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call_with_faults(client: Any, operation: str, arguments: Any) -> Any:
        if operation not in _WRITES:
            return call(client, operation, arguments)
        return write_faults.write(lambda: call(client, operation, arguments), operation, arguments)

    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", call_with_faults)
        patched.setattr(
            transactions,
            "time",
            SimpleNamespace(sleep=write_faults.waits.append, monotonic=time.monotonic),
        )
        yield write_faults
