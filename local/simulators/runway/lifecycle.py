"""The states of a task: throttled, pending, running, and three final ones."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from threading import Thread

from local.simulators.common.clock import Clock
from local.simulators.common.scheduler import Scheduler
from local.simulators.common.videos import OutputVideo
from local.simulators.runway.assets import AssetInvalid, fetch_image
from local.simulators.runway.outcomes import ASSET_INVALID, Failure
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
        if started is None:
            return
        if started.outcome.image_uris:
            # A host that does not respond must not delay the other tasks.
            Thread(
                target=self._fetch_and_run,
                args=(started,),
                name="simulated-runway-model",
                daemon=True,
            ).start()
        else:
            self._later(
                started.outcome.run_seconds,
                partial(self._finish, video=started.outcome.video),
                started,
            )

    def _fetch_and_run(self, task: Task) -> None:
        try:
            sources = tuple(fetch_image(uri) for uri in task.outcome.image_uris)
        except AssetInvalid as error:
            self._fail(task, Failure(str(error), ASSET_INVALID))
            return
        video = None if task.outcome.video is None else replace(task.outcome.video, sources=sources)
        self._later(task.outcome.run_seconds, partial(self._finish, video=video), task)

    def _finish(self, task: Task, *, video: OutputVideo | None) -> None:
        if task.outcome.cancelled:
            self._cancel(task)
        elif task.outcome.failure is not None:
            self._fail(task, task.outcome.failure)
        else:
            self.store.change(task.id, only_from=_RUNNING, status=Status.SUCCEEDED, video=video)

    def _fail(self, task: Task, failure: Failure) -> None:
        self.store.change(
            task.id, only_from=_RUNNING, status=Status.FAILED, failure=failure, cost=0
        )

    def _cancel(self, task: Task) -> None:
        """Cancel an open task. As Runway does, refund its credits only if it is not running yet."""
        if self.store.change(task.id, only_from=_WAITING, status=Status.CANCELLED, cost=0) is None:
            self.store.change(task.id, only_from=_RUNNING, status=Status.CANCELLED)
