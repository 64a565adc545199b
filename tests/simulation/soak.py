"""Runs new random schedules: `make soak`, or `make soak SOAK_STEPS=1000 SOAK_SEED=7`.

Prints the seed and the counts, also after a Ctrl-C or a SIGTERM. The exit status is 1 if a promise
was broken, and 130 after an interrupt.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import count
from multiprocessing import active_children, get_context
from threading import Event

import tests.conftest  # noqa: F401 (sets the environment variables before any module reads them)

STEPS_DEFAULT = 100_000
EXAMPLES = 40
STEPS_PER_EXAMPLE = 60
EXIT_INTERRUPTED = 130
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Batch:
    """The schedules of one seed: their counts, and the broken promise with its schedule or None."""

    seed: int
    statistics: Counter[str]
    failure: str | None


def run_batch(seed: int) -> Batch:
    """Run the schedules of a seed. The same seed gives the same schedules."""
    # Only the worker processes need these imports.
    from hypothesis import HealthCheck, Phase, settings  # noqa: PLC0415
    from hypothesis import seed as seeded  # noqa: PLC0415
    from hypothesis.stateful import run_state_machine_as_test  # noqa: PLC0415

    from tests.simulation.schedule_steps import STATISTICS  # noqa: PLC0415
    from tests.simulation.schedules import Schedule  # noqa: PLC0415

    STATISTICS.clear()
    options = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS_PER_EXAMPLE,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
    )
    try:
        run_state_machine_as_test(seeded(seed)(type("Schedule", (Schedule,), {})), settings=options)
    except BaseException as error:  # noqa: BLE001 (the parent reports it)
        return Batch(
            seed,
            Counter(STATISTICS),
            "".join(traceback.format_exception(error)) + "\n".join(getattr(error, "__notes__", [])),
        )
    return Batch(seed, Counter(STATISTICS), None)


def main() -> int:
    """Run batches on every core until there are enough steps or a promise is broken."""
    options = _arguments()
    interrupted = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted.set())
    began, total, failures = time.monotonic(), Counter[str](), list[Batch]()

    def must_continue() -> bool:
        return total["steps"] < options.steps and not failures

    _print(f"soak: {options.steps:,} steps, seed {options.seed}, {options.processes} processes")
    seeds = (options.seed + number for number in count())
    with ProcessPoolExecutor(
        options.processes,
        mp_context=get_context("spawn"),
        initializer=_leave_signals_to_the_parent,
        max_tasks_per_child=20,
    ) as pool:
        for batch in _batches(pool, seeds, options.processes, must_continue, interrupted):
            total.update(batch.statistics)
            failures += [batch] if batch.failure else []
            _print(
                f"{time.monotonic() - began:6.0f} s  "
                f"{total['steps']:,} steps, {total['schedules']:,} schedules"
            )
        if interrupted.is_set():
            for worker in active_children():
                worker.kill()
    for batch in failures:
        _print(
            f"A schedule of seed {batch.seed} broke a promise. To reproduce it:\n"
            f"make soak SOAK_STEPS=1 SOAK_SEED={batch.seed}\n{batch.failure}"
        )
    counts = ", ".join(f"{number:,} {name}" for name, number in total.items()) or "no steps"
    _print(f"soak: {counts}, in {time.monotonic() - began:.0f} s, seed {options.seed}")
    if failures:
        _print("soak: a promise was broken")
        return 1
    if interrupted.is_set():
        _print("soak: interrupted; every promise held until then")
        return EXIT_INTERRUPTED
    _print("soak: every promise held")
    return 0


def _leave_signals_to_the_parent() -> None:
    """Ignore a Ctrl-C and a SIGTERM. A terminal sends its Ctrl-C to every process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _batches(
    pool: ProcessPoolExecutor,
    seeds: Iterator[int],
    width: int,
    must_continue: Callable[[], bool],
    interrupted: Event,
) -> Iterator[Batch]:
    """Run `width` batches at a time while `must_continue()`, and yield them as they end.

    An interrupt ends this at once.
    """
    running = set[Future[Batch]]()
    while (running or must_continue()) and not interrupted.is_set():
        while must_continue() and len(running) < width:
            running.add(pool.submit(run_batch, next(seeds)))
        done, running = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in done)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.soak", description=__doc__)
    parser.add_argument(
        "--steps", type=int, default=int(os.environ.get("SOAK_STEPS", STEPS_DEFAULT))
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=int(os.environ.get("SOAK_SEED", random.SystemRandom().randrange(2**31))),
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (this is a command-line program)


if __name__ == "__main__":
    sys.exit(main())
