"""Tasks: their states, their documents in the API, and their store."""

import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypedDict, Unpack

from local.simulators.common.videos import OutputVideo
from local.simulators.runway.outcomes import Failure, Outcome

# A running task never shows 100 %.
_PROGRESS_MAX = 0.99


class Status(StrEnum):
    """The states of a task. The first three are open, the others are final."""

    THROTTLED = "THROTTLED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


OPEN = frozenset({Status.THROTTLED, Status.PENDING, Status.RUNNING})


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task at one time. It is immutable: a change makes a new value.

    `cost` is in credits.
    """

    endpoint: str
    body: dict[str, Any]
    outcome: Outcome
    created_at: datetime
    cost: int
    status: Status
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_at: datetime | None = None
    video: OutputVideo | None = None
    failure: Failure | None = None
    deleted: bool = False

    def document(self, now: datetime, output: list[str]) -> dict[str, Any]:
        """Return the task's document in the API. `output` has the URLs of a successful task."""
        document: dict[str, Any] = {
            "id": self.id,
            "createdAt": _timestamp(self.created_at),
            "status": self.status.value,
        }
        match self.status:
            case Status.RUNNING:
                document |= {"progress": self._progress(now)}
            case Status.SUCCEEDED:
                document |= {"output": output}
            case Status.FAILED if self.failure is not None:
                document |= {"failure": self.failure.sentence, "failureCode": self.failure.code}
        return document | {
            "estimatedCost" if self.status in OPEN else "cost": {"credits": self.cost}
        }

    def _progress(self, now: datetime) -> float:
        if self.started_at is None or self.outcome.run_seconds <= 0:
            return 0.0
        share = (now - self.started_at).total_seconds() / self.outcome.run_seconds
        return round(min(max(share, 0.0), _PROGRESS_MAX), 2)


def _timestamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Changes(TypedDict, total=False):
    """The fields of a task that can change."""

    status: Status
    cost: int
    started_at: datetime
    video: OutputVideo | None
    failure: Failure
    deleted: bool


class TaskStore:
    """Every task, in the order of creation."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._by_id: dict[str, Task] = {}

    def add(self, task: Task) -> None:
        """Store a new task."""
        with self._lock:
            self._by_id[task.id] = task

    def find(self, task_id: str) -> Task | None:
        """Return a task's current state, or None for an unknown or deleted task."""
        task = self._by_id.get(task_id)
        return None if task is None or task.deleted else task

    def all(self) -> list[Task]:
        """Return the current states, oldest task first, also of deleted tasks."""
        with self._lock:
            return list(self._by_id.values())

    def change(
        self, task_id: str, *, only_from: frozenset[Status], **changes: Unpack[Changes]
    ) -> Task | None:
        """Change a task and return it. Returns None if its status is not in `only_from`."""
        with self._lock:
            current = self._by_id[task_id]
            if current.status not in only_from:
                return None
            changed = replace(current, **changes)
            self._by_id[task_id] = changed
            return changed
