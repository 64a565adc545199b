"""Runs new random schedules: `make soak`, or `SOAK_STEPS=1000 SOAK_SEED=7 make soak`.

Prints the seed and the counts. The exit status is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context

import tests.conftest  # noqa: F401 (sets the environment variables before any module reads them)

STEPS_DEFAULT = 100_000
EXAMPLES = 40
STEPS_PER_EXAMPLE = 60


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

    from tests.simulation.schedules import STATISTICS, Schedule  # noqa: PLC0415

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
    _print(f"soak: {options.steps:,} steps, seed {options.seed}, {options.processes} processes")
    began, total, failures = time.monotonic(), Counter[str](), list[Batch]()

    def must_continue() -> bool:
        return total["steps"] < options.steps and not failures

    with ProcessPoolExecutor(
        options.processes, mp_context=get_context("spawn"), max_tasks_per_child=20
    ) as pool:
        for batch in _batches(
            pool, (options.seed + number for number in count()), options.processes, must_continue
        ):
            total.update(batch.statistics)
            failures += [batch] if batch.failure else []
            _print(
                f"{time.monotonic() - began:6.0f} s  "
                f"{total['steps']:,} steps, {total['schedules']:,} schedules"
            )
    for batch in failures:
        _print(
            f"A schedule of seed {batch.seed} broke a promise. To reproduce it:\n"
            f"SOAK_STEPS=1 SOAK_SEED={batch.seed} make soak\n{batch.failure}"
        )
    counts = ", ".join(f"{number:,} {name}" for name, number in total.items())
    _print(f"soak: {counts}, in {time.monotonic() - began:.0f} s, seed {options.seed}")
    _print("soak: a promise was broken" if failures else "soak: every promise held")
    return int(bool(failures))


def _batches(
    pool: ProcessPoolExecutor, seeds: Iterator[int], width: int, must_continue: Callable[[], bool]
) -> Iterator[Batch]:
    """Run `width` batches at a time while `goes_on()`, and yield them as they end."""
    running = set[Future[Batch]]()
    while running or must_continue():
        while must_continue() and len(running) < width:
            running.add(pool.submit(run_batch, next(seeds)))
        done, running = wait(running, return_when=FIRST_COMPLETED)
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
