"""The runs on the graphics card: one at a time, the others wait.

Source: modules/progress.py and modules/shared_state.py of the WebUI.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Tasks:
    """The state of the card. `/internal/progress` and `/sdapi/v1/progress` show it."""

    pending: list[str] = field(default_factory=list)
    current: str | None = None
    finished: list[str] = field(default_factory=list)
    job: str = ""
    is_interrupted: bool = False

    def __post_init__(self) -> None:
        """Create the lock of the card and the signal that ends a run."""
        self._card = threading.Lock()
        self._ending = threading.Event()
        self._is_stopped = False

    @contextmanager
    def run(self, kind: str, task_id: str | None) -> Iterator[str]:
        """Wait for the card, and occupy it. Yields the id of the task.

        A run that raises an exception leaves its id as the current task, as in the WebUI.
        """
        task_id = task_id or f"task({kind}-{secrets.token_hex(4)})"
        self.pending.append(task_id)
        with self._card:
            self.is_interrupted = False
            if not self._is_stopped:
                self._ending.clear()
            self.job, self.current = f"scripts_{kind}", task_id
            self.pending.remove(task_id)
            try:
                yield task_id
                self.current = None
                self.finished.append(task_id)
            finally:
                self.job = ""

    def work(self, seconds: float) -> bool:
        """Work for a time. Returns whether the run was interrupted."""
        self._ending.wait(seconds)
        return self.is_interrupted

    def interrupt(self) -> None:
        """Interrupt the current run. Without a run, only the flag is set, as in the WebUI."""
        self.is_interrupted = True
        self._ending.set()

    def stop(self) -> None:
        """End all running and waiting runs at once."""
        self._is_stopped = True
        self._ending.set()

    def progress(self, task_id: object) -> dict[str, Any]:
        """Return the response of `/internal/progress`."""
        active = task_id == self.current
        return {
            "active": active,
            "queued": task_id in self.pending,
            "completed": task_id in self.finished,
            "progress": 0.5 if active else None,
            "eta": None,
            "live_preview": None,
            "id_live_preview": -1,
            "textinfo": None if active else "Waiting...",
        }

    def state(self) -> dict[str, Any]:
        """Return the response of `/sdapi/v1/progress`.

        `current_task` is always null: the WebUI reads the variable once, at its start.
        """
        return {
            "progress": 0.5 if self.job else 0,
            "eta_relative": 0,
            "state": {
                "skipped": False,
                "interrupted": self.is_interrupted,
                "stopping_generation": False,
                "job": self.job,
                "job_count": 1 if self.job else 0,
                "job_no": 0,
                "sampling_step": 0,
                "sampling_steps": 20,
            },
            "current_image": None,
            "textinfo": None,
            "current_task": None,
        }
