"""Kills while outputs are decoded. A killed output is delivered without variants, if it is whole.

The simulation kills at calls. A kill after the call that records a decoding is a kill while the
file is decoded, because decoding makes no call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.calls import KILL_AFTER, KILL_BEFORE, Call, Fault
from tests.simulation.environment import Environment
from tests.simulation.promises import Promises
from tests.simulation.records import to_python
from tests.simulation.scenario_steps import submission

# The retries of the state StoreOutput after such a kill, in workflow.asl.yaml.
RETRIES_MAX = 8


def records_a_decoding(call: Call) -> bool:
    """Return whether a call records that an output is decoded from now on."""
    update = call.parameters.get("UpdateExpression", "")
    names = call.parameters.get("ExpressionAttributeNames", {}).values()
    return "decoding_key" in names and "SET" in update and "REMOVE" not in update


def run(fault_at: Callable[[Call], Fault | None], *, files: str = "normal") -> dict[str, Any]:
    """Run a job of four outputs, check the promises after each event, and return the job's row."""
    environment = Environment(fault_at=fault_at)
    environment.replicate.fault_profile.files = files
    promises = Promises(environment)
    environment.event_queue.after_each_event = lambda: promises.check(in_time=True)
    with environment.activated():
        environment.open_account("ann", 100)
        environment.api("POST", "/jobs", **submission(outputs=4))
        environment.settle()
        promises.check_quiet()
    (item,) = (
        item for (_, sk), item in environment.cloud.table.items.items() if sk.startswith("JOB#")
    )
    return {name: to_python(value) for name, value in item.items()}


def with_variants(job: dict[str, Any]) -> dict[int, bool]:
    """Return the outputs by number: whether each has a thumbnail and a preview."""
    return {
        output["number"]: "thumbnail_key" in output and bool(output.get("previews"))
        for output in job["outputs"]
    }


def test_a_job_without_kills_has_variants() -> None:
    assert with_variants(run(lambda _: None)) == dict.fromkeys(range(4), True)


def test_outputs_whose_every_decoding_is_killed_are_delivered_without_variants() -> None:
    job = run(lambda call: KILL_AFTER if records_a_decoding(call) else None)

    assert (job["status"], job["charged"], job["refunded"]) == ("completed", 40, 0)
    assert with_variants(job) == dict.fromkeys(range(4), False)


def test_one_killed_decoding_costs_the_variants_of_one_output() -> None:
    seen: list[Call] = []

    def kill_the_third(call: Call) -> Fault | None:
        seen.extend([call] if records_a_decoding(call) else [])
        return KILL_AFTER if len(seen) == 3 and seen[-1] is call else None

    job = run(kill_the_third)

    assert with_variants(job) == {0: True, 1: True, 2: False, 3: True}


def test_a_kill_before_the_decoding_is_recorded_costs_no_variants() -> None:
    seen: list[Call] = []

    def kill_the_first_two(call: Call) -> Fault | None:
        seen.extend([call] if records_a_decoding(call) else [])
        return KILL_BEFORE if len(seen) <= 2 and records_a_decoding(call) else None

    job = run(kill_the_first_two)

    assert with_variants(job) == dict.fromkeys(range(4), True)


def test_files_that_stay_cut_are_refunded() -> None:
    job = run(lambda _: None, files="cut")

    assert (job["status"], job["failure_code"]) == ("failed", "output_unavailable")
    assert (job["charged"], job["refunded"], job["outputs"]) == (0, 40, [])


def test_cut_files_whose_every_decoding_is_killed_are_not_delivered() -> None:
    kills: list[Call] = []

    def kill_all(call: Call) -> Fault | None:
        kills.extend([call] if records_a_decoding(call) else [])
        return KILL_AFTER if records_a_decoding(call) else None

    job = run(kill_all, files="cut")

    assert (job["status"], job["charged"], job["refunded"]) == ("failed", 0, 40)
    assert job["outputs"] == []
    assert 1 < len(kills) <= 1 + RETRIES_MAX
