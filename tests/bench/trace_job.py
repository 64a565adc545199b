"""Counts the project's functions that one warm image job calls, for each handler.

The job runs in the simulation (tests/simulation): one image, two webhooks, no failure, no callback.
A file counts when one of its functions is called. An import alone does not count.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from sys import monitoring
from types import CodeType, FrameType

import tests.conftest  # noqa: F401 (sets the environment before another import reads it)
from tests.aws import ROOT
from tests.simulation.environment import Environment

FOLDERS = (f"{ROOT}/functions/", f"{ROOT}/shared/darkroom/")
BODY = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse", "num_outputs": 1}}
# Recovery runs once a minute for all jobs, so no job calls it.
RECOVERY = "recover_jobs"


@dataclass
class Trace:
    """The calls of the project's functions in one invocation."""

    function: str
    # The number of calls of each file's functions, by the file's path in the repository.
    calls: Counter[str] = field(default_factory=Counter)
    # The calls whose nearest caller in the project is in another file.
    cross_module_calls: int = 0


def trace_job() -> list[Trace]:
    """Run one job to warm up and trace a second one. Returns its invocations, in order."""
    environment = Environment()
    with environment.activated():
        environment.open_account("ann", 100)
        _run_job(environment)
        warm_up = len(environment.invocations)
        with _traced_threads() as traces:
            _run_job(environment)
    assert not environment.broken, environment.broken
    invocations = environment.invocations[warm_up:]
    return [traces[each._thread.name] for each in invocations if each.function != RECOVERY]


def _run_job(environment: Environment) -> None:
    response = environment.api("POST", "/jobs", body=BODY)
    assert response
    assert response.status == 202, response
    environment.settle()
    key = f"JOB#{response.document['id']}"
    (job,) = [row for (_, sk), row in environment.cloud.table.items.items() if sk == key]
    assert job["status"]["S"] == "completed", job


@contextmanager
def _traced_threads() -> Iterator[dict[str, Trace]]:
    """Count calls until the end of the block. Yields the traces by thread name."""
    traces: dict[str, Trace] = {}

    def started(code: CodeType, _offset: int) -> object:
        # Generator expressions, class bodies and modules do not count as functions.
        is_function = code.co_flags & inspect.CO_OPTIMIZED and code.co_name != "<genexpr>"
        if not (is_function and code.co_filename.startswith(FOLDERS)):
            return monitoring.DISABLE
        name = threading.current_thread().name
        trace = traces.setdefault(name, Trace(name.partition(" ")[0]))
        trace.calls[code.co_filename.removeprefix(f"{ROOT}/")] += 1
        caller = _caller(sys._getframe(2))
        trace.cross_module_calls += caller not in (None, code.co_filename)
        return None

    events = monitoring.events
    monitoring.use_tool_id(monitoring.PROFILER_ID, "trace_job")
    monitoring.register_callback(monitoring.PROFILER_ID, events.PY_START, started)
    monitoring.set_events(monitoring.PROFILER_ID, events.PY_START)
    try:
        yield traces
    finally:
        monitoring.set_events(monitoring.PROFILER_ID, events.NO_EVENTS)
        monitoring.free_tool_id(monitoring.PROFILER_ID)


def _caller(frame: FrameType | None) -> str | None:
    """Return the file of the nearest frame in the project, starting at this frame."""
    while frame and not frame.f_code.co_filename.startswith(FOLDERS):
        frame = frame.f_back
    return frame and frame.f_code.co_filename


def main() -> None:
    """Print a row for each invocation and a list of the files."""
    traces = trace_job()
    row = "{:<22}{:>8}{:>14}{:>8}\n".format
    write = sys.stdout.write
    write(row("handler", "calls", "cross-module", "files"))
    for trace in traces:
        write(row(trace.function, trace.calls.total(), trace.cross_module_calls, len(trace.calls)))
    calls = sum((trace.calls for trace in traces), Counter[str]())
    cross_module_calls = sum(trace.cross_module_calls for trace in traces)
    write(row("the job", calls.total(), cross_module_calls, len(calls)))
    write("\ncalls  file (the handlers that enter it)\n")
    for file, count in sorted(calls.items()):
        handlers = ", ".join(dict.fromkeys(each.function for each in traces if file in each.calls))
        write(f"{count:>5}  {file} ({handlers})\n")


if __name__ == "__main__":
    main()
