"""The number of calls that recovery makes when it has nothing to do."""

from __future__ import annotations

from collections import Counter

from darkroom.settings import settings
from tests.simulation.environment import Environment
from tests.simulation.scenarios import submission


def calls_of_recovery(environment: Environment) -> Counter[str]:
    return Counter(call.name for call in environment.recover().calls)


def test_an_idle_recovery_makes_two_queries_and_one_for_each_provider() -> None:
    environment = Environment()
    with environment.activated():
        calls = calls_of_recovery(environment)

        assert calls == {"dynamodb.Query": 2 + len(settings().providers)}


def test_jobs_that_are_not_due_add_no_calls_to_recovery() -> None:
    environment = Environment()
    with environment.activated(RETENTION_DAYS="30"):
        environment.open_account("ann", 100)
        environment.api("POST", "/jobs", **submission())
        environment.settle()
        environment.api("POST", "/jobs", **submission())

        assert calls_of_recovery(environment) == {"dynamodb.Query": 2 + len(settings().providers)}
