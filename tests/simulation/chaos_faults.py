"""The faults of the chaos: faults of the provider, killed invocations, and frequent recoveries."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self
from unittest import mock

import requests

from local.lambda_runtime.concurrency import TooManyRequests
from local.simulators.replicate.faults import Fault, Faults
from local.stack import LocalStack

FAULTS = {
    "lose_webhook": 0.2,
    "duplicate_webhook": 0.2,
    "delay_webhook": 0.1,
    # Longer than the workflow's wait for a webhook.
    "delay_webhook_seconds": 20,
    "reorder": 0.2,
    "throttle": 0.1,
    "unavailable": 0.05,
    "lost_create_answer": 0.05,
    "queue_seconds": 0.05,
    "run_seconds": 0.3,
}
# They run once a day, so never in this run.
_NEVER_KILLED = {"AuditAccountsFunction", "CheckCatalogFunction"}
_RECOVERY = "RecoverJobsFunction"


class FaultProfile:
    """Sets every fault of the simulated provider, and runs recovery every few seconds."""

    def __init__(self, stack: LocalStack, *, seed: int, recovery_seconds: float = 10.0) -> None:
        self._stack = stack
        self._rng = random.Random(seed)
        self._functions = sorted(
            {function.logical_id for function in stack.functions.values()} - _NEVER_KILLED
        )
        self._recovery_seconds = recovery_seconds
        self._stopped = threading.Event()
        self._recovery = threading.Thread(target=self._recover, daemon=True)
        self.kills: Counter[str] = Counter()
        self.recoveries_count = 0

    def __enter__(self) -> Self:
        requests.put(
            f"{self._stack.replicate_url}/faults",
            json=FAULTS | {"seed": self._rng.randrange(2**31)},
            timeout=5,
        ).raise_for_status()
        self._recovery.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._recovery.join()

    def kill(self) -> None:
        """Kill the running invocations of a random function."""
        function = self._rng.choice(self._functions)
        self.kills[function] += self._stack.kill_execution_environments(function)

    def _recover(self) -> None:
        while not self._stopped.wait(self._recovery_seconds):
            try:
                self._stack.fire_schedule(_RECOVERY)
            except TooManyRequests:
                continue
            self.recoveries_count += 1


@contextmanager
def counted_faults() -> Iterator[Counter[str]]:
    """Count the faults of the simulated Replicate in this process, by name."""
    counts: Counter[str] = Counter()
    happens = Faults.happens

    def counted(faults: Faults, fault: Fault) -> bool:
        has_happened = happens(faults, fault)
        counts[fault] += has_happened
        return has_happened

    with mock.patch.object(Faults, "happens", counted):
        yield counts
