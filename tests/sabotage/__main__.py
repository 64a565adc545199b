"""Break each condition once and report the test that notices. Names or patterns select conditions.

The exit code is 1 if a condition does not fit the tree, or if no test notices its break.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from queue import SimpleQueue

from tests.sabotage.conditions import Condition, ConditionInvalid, read_conditions
from tests.sabotage.trial import Result, copy_tree, failing_without_a_break, try_condition

ROOT = Path(__file__).parents[2]


def main(patterns: list[str]) -> int:
    """Try the selected conditions, print one line for each, and return the exit code."""
    selected = _select(patterns)
    if not selected:
        print(f"no condition is called {' or '.join(patterns)}", file=sys.stderr)
        return 1
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="darkroom-sabotage-") as folder:
        results = _try_all(selected, Path(folder))
        failed_tests = {result.failed_test for result in results if result.failed_test}
        flawed = failing_without_a_break(sorted(failed_tests), Path(folder) / "0")
    problems = [
        f"NOT NOTICED {result.condition.name}: {result.problem}"
        for result in results
        if result.problem
    ] + [f"FAILS WITHOUT A BREAK, TOO: {test}" for test in flawed]
    noticed = sum(result.problem is None for result in results)
    print(
        f"\n{noticed} of {len(results)} breaks were noticed,"
        f" in {time.monotonic() - started_at:.0f} seconds"
    )
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def _select(patterns: list[str]) -> list[Condition]:
    return [
        condition
        for condition in read_conditions()
        if not patterns or any(fnmatchcase(condition.name, pattern) for pattern in patterns)
    ]


def _try_all(conditions: list[Condition], folder: Path) -> list[Result]:
    """Try the conditions, as many at a time as there are cores. Each core has its own copy."""
    workers = min(os.process_cpu_count() or 1, len(conditions))
    copies: SimpleQueue[Path] = SimpleQueue()
    for number in range(workers):
        copy_tree(ROOT, folder / str(number))
        copies.put(folder / str(number))

    def try_one(condition: Condition) -> Result:
        copy = copies.get()
        try:
            result = try_condition(condition, copy)
        except ConditionInvalid as error:
            result = Result(condition, 0.0, None, str(error))
        finally:
            copies.put(copy)
        _print(result)
        return result

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(try_one, conditions))


def _print(result: Result) -> None:
    noticed_by = result.failed_test if result.problem is None else f"!! {result.problem}"
    print(f"{result.condition.name:<44} {result.seconds:5.1f} s  {noticed_by}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
