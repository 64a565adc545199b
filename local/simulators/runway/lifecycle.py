"""The states of a task: throttled, pending, running, and three final ones."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from local.simulators.common.clock import Clock
from local.simulators.common.scheduler import Scheduler
from local.simulators.runway.tasks import OPEN, Status, Task, TaskStore

_RUNNING = frozenset({Status.RUNNING})
_WAITING = OPEN - _RUNNING


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """Moves tasks through their states."""

    store: TaskStore
    scheduler: Scheduler
    clock: Clock

    def begin(self, task: Task) -> None:
        """Store a new task and start it."""
        self.store.add(task)
        if task.status is Status.THROTTLED:
            self._later(task.outcome.throttled_seconds, self._queue, task)
        else:
            self._later(task.outcome.queue_seconds, self._start, task)

    def delete(self, task: Task) -> None:
        """Cancel the task if it is open, and delete it. A deleted task cannot be fetched."""
        self._cancel(task)
        self.store.change(task.id, only_from=frozenset(Status), deleted=True)

    def _later(self, delay_seconds: float, step: Callable[[Task], None], task: Task) -> None:
        self.scheduler.after(delay_seconds, partial(step, task))

    def _queue(self, task: Task) -> None:
        queued = self.store.change(
            task.id, only_from=frozenset({Status.THROTTLED}), status=Status.PENDING
        )
        if queued is not None:
            self._later(queued.outcome.queue_seconds, self._start, queued)

    def _start(self, task: Task) -> None:
        started = self.store.change(
            task.id,
            only_from=frozenset({Status.PENDING}),
            status=Status.RUNNING,
            started_at=self.clock(),
        )
        if started is not None:
            self._later(started.outcome.run_seconds, self._finish, started)

    def _finish(self, task: Task) -> None:
        outcome = task.outcome
        if outcome.cancelled:
            self._cancel(task)
        elif outcome.failure is not None:
            self.store.change(
                task.id, only_from=_RUNNING, status=Status.FAILED, failure=outcome.failure, cost=0
            )
        else:
            self.store.change(
                task.id, only_from=_RUNNING, status=Status.SUCCEEDED, video=outcome.video
            )

    def _cancel(self, task: Task) -> None:
        """Cancel an open task. As Runway does, refund its credits only if it is not running yet."""
        if self.store.change(task.id, only_from=_WAITING, status=Status.CANCELLED, cost=0) is None:
            self.store.change(task.id, only_from=_RUNNING, status=Status.CANCELLED)
