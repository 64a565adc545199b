"""Many new schedules: `make soak`, or `SOAK_STEPS=1000 SOAK_SEED=7 make soak`. It says its seed and what it did, and ends with 1 on a broken promise."""

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

import tests.conftest  # noqa: F401 (the environment stands before anything reads it)

STEPS_DEFAULT = 100_000
EXAMPLES = 40
STEPS_OF_AN_EXAMPLE = 60


@dataclass(frozen=True)
class Batch:
    """Some schedules of one seed: what happened in them, and the broken promise with its schedule, if there was one."""

    seed: int
    figures: Counter[str]
    failure: str | None


def run_batch(seed: int) -> Batch:
    """Run the schedules of a seed, the same ones each time."""
    # Imported by the processes that work; the one that waits needs none of it.
    from hypothesis import HealthCheck, Phase, settings  # noqa: PLC0415
    from hypothesis import seed as seeded  # noqa: PLC0415
    from hypothesis.stateful import run_state_machine_as_test  # noqa: PLC0415

    from tests.simulation.schedules import FIGURES, Schedule  # noqa: PLC0415

    FIGURES.clear()
    wanted = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS_OF_AN_EXAMPLE,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
    )
    try:
        run_state_machine_as_test(seeded(seed)(type("Schedule", (Schedule,), {})), settings=wanted)
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is told with its schedule by the process that waits)
        return Batch(
            seed,
            Counter(FIGURES),
            "".join(traceback.format_exception(error)) + "\n".join(getattr(error, "__notes__", [])),
        )
    return Batch(seed, Counter(FIGURES), None)


def main() -> int:
    """Run batches on every core until there were enough steps, or a promise was broken."""
    wanted = _arguments()
    _say(f"soak: {wanted.steps:,} steps, seed {wanted.seed}, {wanted.processes} processes")
    began, total, failures = time.monotonic(), Counter[str](), list[Batch]()

    def goes_on() -> bool:
        return total["steps"] < wanted.steps and not failures

    with ProcessPoolExecutor(
        wanted.processes, mp_context=get_context("spawn"), max_tasks_per_child=20
    ) as pool:
        for batch in _batches(
            pool, (wanted.seed + number for number in count()), wanted.processes, goes_on
        ):
            total.update(batch.figures)
            failures += [batch] if batch.failure else []
            _say(
                f"{time.monotonic() - began:6.0f} s  {total['steps']:,} steps, {total['schedules']:,} schedules"
            )
    for batch in failures:
        _say(
            f"Broken by the schedules of seed {batch.seed} (SOAK_STEPS=1 SOAK_SEED={batch.seed} make soak):\n{batch.failure}"
        )
    _say(
        f"soak: {', '.join(f'{number:,} {name}' for name, number in total.items())}, in {time.monotonic() - began:.0f} s, seed {wanted.seed}"
    )
    _say("soak: a promise was broken" if failures else "soak: every promise held")
    return int(bool(failures))


def _batches(
    pool: ProcessPoolExecutor, seeds: Iterator[int], width: int, goes_on: Callable[[], bool]
) -> Iterator[Batch]:
    """Keep every process busy as long as it goes on; give the batches as they end."""
    running = set[Future[Batch]]()
    while running or goes_on():
        while goes_on() and len(running) < width:
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


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (it talks to the actor at the terminal)


if __name__ == "__main__":
    sys.exit(main())
