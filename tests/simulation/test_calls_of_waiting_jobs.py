"""The number of calls and transitions that the wait for a provider slot adds to a job."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from tests.simulation.environment import Environment
from tests.simulation.memory_table import Key, MemoryTable
from tests.simulation.scenario_steps import submission

# Shorter than the time-out of RequestPrediction, so that no state polls the provider.
RUN_SECONDS = 10
ALL_SECONDS = 60
CALLS_MAX = 14
TRANSITIONS = 2
# After this time, the provider has reported the start of a prediction.
START_SECONDS = 2
RECOVERY = "recover_jobs"


def submit(environment: Environment, user: str) -> str:
    """Submit a job of a user on the platform web, and return the job's id."""
    response = environment.api("POST", "/jobs", user=user, **submission())
    assert response
    assert response.status == 202, response
    job_id: str = response.document["id"]
    return job_id


def copy_waiting_job(table: MemoryTable, job_id: str, copies: int) -> list[Key]:
    """Add copies of a waiting job to its queue. Return the keys of all entries."""
    (job_key,) = (key for key in table.items if key[1] == f"JOB#{job_id}")
    (entry_key,) = (key for key in table.items if key[0].startswith("QUEUE#"))
    job, entry = table.items[job_key], table.items[entry_key]
    keys = [entry_key]
    for number in range(1, copies + 1):
        copy_id = str(UUID(int=UUID(job_id).int + number))
        key = (entry_key[0], entry_key[1].replace(job_id, copy_id))
        holder = {"S": entry["holder"]["S"].replace(job_id, copy_id)}
        table.items[key] = entry | {"sk": {"S": key[1]}, "holder": holder}
        table.items[job_key[0], f"JOB#{copy_id}"] = job | {
            "sk": {"S": f"JOB#{copy_id}"},
            "queue_key": {"S": key[1]},
        }
        keys.append(key)
    return keys


def calls_since(environment: Environment, first: int) -> Counter[str]:
    """Count the calls of DynamoDB, except for recovery, which runs for all jobs."""
    return Counter(
        call.name
        for invocation in environment.invocations[first:]
        if invocation.function != RECOVERY
        for call in invocation.calls
        if call.name.startswith("dynamodb.")
    )


def run_two_jobs(*, slots: int, queue_length: int = 0) -> tuple[Counter[str], list[str]]:
    """Run a job of ann and a job of bob. Return the calls and the states of bob's job.

    With one slot, bob's job waits until ann's job ends. `queue_length` jobs of ann wait until bob's
    job has the slot, and are then removed from the queue, so that only bob's wait counts.
    """
    environment = Environment()
    environment.replicate.fault_profile.run_seconds = RUN_SECONDS
    table = environment.cloud.table
    with environment.activated(PREDICTIONS_IN_FLIGHT_MAX=str(slots)):
        for user in ("ann", "bob"):
            environment.open_account(user, 100)
        submit(environment, "ann")
        environment.event_queue.advance(START_SECONDS)
        entries: list[Key] = []
        if queue_length:
            job_id = submit(environment, "ann")
            environment.event_queue.advance(1)
            entries = copy_waiting_job(table, job_id, queue_length - 1)
        first = len(environment.invocations)
        job_id = submit(environment, "bob")
        (key,) = (key for key in table.items if key[1] == f"JOB#{job_id}")
        environment.event_queue.advance(1)
        assert ("queue_key" in table.items[key]) is (slots == 1)
        while "slot" not in table.items[key]:
            environment.event_queue.run_next()
        assert all(entry in table.items for entry in entries)
        for entry in entries:
            del table.items[entry]
        environment.event_queue.advance(ALL_SECONDS)
        assert table.items[key]["status"]["S"] == "completed"
    assert not environment.broken
    return calls_since(environment, first), environment.states.executions[job_id].states_entered


def test_waiting_adds_at_most_14_calls_and_2_transitions_at_any_length() -> None:
    calls, states = run_two_jobs(slots=2)

    waits = [run_two_jobs(slots=1, queue_length=length) for length in (10, 200)]

    assert waits[0] == waits[1]
    calls_of_waiting, states_of_waiting = waits[0]
    assert calls_of_waiting.total() - calls.total() <= CALLS_MAX, calls_of_waiting - calls
    assert len(states_of_waiting) - len(states) == TRANSITIONS, states_of_waiting
