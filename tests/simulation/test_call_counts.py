"""The number of calls that recovery makes when it has nothing to do."""

from __future__ import annotations

from collections import Counter

from darkroom.settings import settings
from tests.simulation.environment import Environment
from tests.simulation.scenario_steps import submission


def calls_of_recovery(environment: Environment) -> Counter[str]:
    return Counter(call.name for call in environment.recover().calls)


def idle_calls() -> dict[str, int]:
    """Return the calls of a recovery without due jobs.

    It reads the slots, the first entry and the pause of each provider.
    """
    providers = len(settings().providers)
    return {"dynamodb.Query": 2 + 2 * providers, "dynamodb.GetItem": providers}


def test_an_idle_recovery_makes_two_queries_and_three_reads_for_each_provider() -> None:
    environment = Environment()
    with environment.activated():
        assert calls_of_recovery(environment) == idle_calls()


def test_jobs_that_are_not_due_add_no_calls_to_recovery() -> None:
    environment = Environment()
    with environment.activated(RETENTION_DAYS="30"):
        environment.open_account("ann", 100)
        environment.api("POST", "/jobs", **submission())
        environment.settle()
        environment.api("POST", "/jobs", **submission())

        assert calls_of_recovery(environment) == idle_calls()


def calls_about(environment: Environment, partition: str, *, since: int = 0) -> Counter[str]:
    """Count the calls to DynamoDB about one partition, by function and call."""
    return Counter(
        f"{call.function} {call.name}"
        for invocation in environment.invocations[since:]
        for call in invocation.calls
        if f"'{partition}'" in repr(call.parameters)
    )


def test_a_prediction_adds_one_write_to_the_calls_of_its_job() -> None:
    environment = Environment()
    with environment.activated():
        environment.open_account("ann", 100)
        environment.api("POST", "/jobs", **submission())
        environment.settle()

        (count,) = calls_about(environment, "SPEND#replicate").values()
        assert count == 1
        (row,) = [
            item
            for (pk, _), item in environment.cloud.table.items.items()
            if pk.startswith("SPEND")
        ]
        assert (row["micro_usd"], row["predictions#flux-schnell"]) == ({"N": "3000"}, {"N": "1"})


def test_a_ceiling_adds_one_read_to_a_submit_and_nothing_to_a_prediction() -> None:
    environment = Environment()
    with environment.activated(DAILY_SPEND_USD_MAX="1"):
        environment.open_account("ann", 100)
        environment.api("POST", "/jobs", **submission())
        environment.settle()

        (count,) = calls_about(environment, "SPEND#replicate").values()
        reads = calls_about(environment, "SLOT#replicate")["api dynamodb.GetItem"]
        assert (count, reads) == (1, 1)
