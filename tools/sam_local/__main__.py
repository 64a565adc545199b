"""Invoke every sample event with `sam local` in containers, and check the answers.

    PYTHONPATH=shared python -m tools.sam_local

The containers use the stack of `make run`, if it listens on Docker's bridge. If no stack runs, the
command starts one and stops it at the end. What an event names is made just before its invocation.

The exit status is 0 if every answer is right, 1 if one is wrong, and 2 if the stack cannot be used.
Without Docker, the command reports "not tried", and the exit status is 0.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

from local.description import StackDescription
from tools.sam_local.containers import Unreachable, engine_problem, has_image, reachable_stack
from tools.sam_local.results import Result
from tools.sample_events import samples
from tools.sample_events.environment import RealProvider, enter

_ARCHITECTURES = {"aarch64": "arm64", "arm64": "arm64"}


def options() -> list[str]:
    """Return the options of SAM CLI. An image that the engine has is not pulled again."""
    architecture = _ARCHITECTURES.get(platform.machine().lower(), "x86_64")
    image = f"public.ecr.aws/lambda/python:3.13-{architecture}"
    return ["--skip-pull-image"] if has_image(image) else []


def main() -> int:
    """Run the command. Returns the exit status."""
    if problem := engine_problem():
        sys.stdout.write(f"sam local: not tried, because {problem}.\n")
        return 0
    try:
        with reachable_stack() as stack:
            enter(stack)
            return _report(stack)
    except (Unreachable, RealProvider) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _report(stack: StackDescription) -> int:
    wrong = 0
    for result in _results(stack):
        verdict = "ok" if result.problem is None else "WRONG"
        sys.stdout.write(f"{verdict:6} {result.seconds:5.1f} s  {result.name:44} {result.answer}\n")
        if result.problem is not None:
            wrong += 1
            sys.stdout.write(f"{result.problem}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{wrong} wrong answers\n" if wrong else "Every answer is right.\n")
    return 1 if wrong else 0


def _results(stack: StackDescription) -> Iterator[Result]:
    # The application reads its environment at import.
    from tools.sam_local.invocations import invoke  # noqa: PLC0415
    from tools.sam_local.start_api import check_routes  # noqa: PLC0415

    chosen = options()
    for function, names in samples.choices().items():
        for name in names:
            yield invoke(function, name, chosen)
    yield from check_routes(stack, chosen)


if __name__ == "__main__":
    sys.exit(main())
