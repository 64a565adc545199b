"""The timers of a simulator, on one thread."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Scheduler:
    """Runs actions after a delay, in the order of their times. An action must not block."""

    def __init__(self, name: str) -> None:
        """Prepare the thread. `name` is the simulator's name."""
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._ticket = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=f"{name}-scheduler", daemon=True)

    def start(self) -> None:
        """Start to run due actions."""
        self._thread.start()

    def stop(self) -> None:
        """Drop the remaining actions, and wait for the running action."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def after(self, delay_seconds: float, action: Callable[[], object]) -> None:
        """Run the action once on the scheduler's thread, after the delay.

        If the scheduler stops before, the action is dropped.
        """
        with self._changed:
            heapq.heappush(
                self._due, (time.monotonic() + delay_seconds, next(self._ticket), action)
            )
            self._changed.notify()

    def _run(self) -> None:
        while action := self._next():
            try:
                action()
            except Exception:
                # A failed action must not stop the other actions.
                logger.exception("a scheduled action failed")

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            while not self._stopped:
                wait_seconds = self._due[0][0] - time.monotonic() if self._due else None
                if wait_seconds is not None and wait_seconds <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait_seconds)
        return None
