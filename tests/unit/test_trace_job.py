"""The trace of one job: its handlers, and the number of files that a reader must know."""

from __future__ import annotations

from tests.bench.trace_job import Trace, trace_job

HANDLERS = [
    "api",
    "request_prediction",
    "receive_prediction",
    "receive_prediction",
    "store_output",
    "complete_job",
]


def files_of(traces: list[Trace]) -> set[str]:
    return set[str]().union(*(trace.calls for trace in traces))


def test_a_job_calls_its_handlers_and_receives_two_webhooks() -> None:
    traces = trace_job()

    assert [trace.function for trace in traces] == HANDLERS
    assert {f"functions/{name}/handler.py" for name in HANDLERS} <= files_of(traces)
    assert all(0 < trace.cross_module_calls < trace.calls.total() for trace in traces)


# A module has one subject, so a job enters many files. The storage has the rows of jobs, their
# lists, the attempts and the provider queue. A provider has its costs, moderation, daily spend and
# health. An output has its link, type, parts, completeness, provenance and variants, and the steps
# that store it. The base class of all rows and their shared client run for each row.
FILES_MAX = 80


def test_the_number_of_files_that_a_job_enters_is_bounded() -> None:
    assert len(files_of(trace_job())) <= FILES_MAX, (
        "if a change needs another file, give the reason and raise the limit"
    )
