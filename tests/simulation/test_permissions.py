"""Every simulation holds what the functions ask AWS for against their policies; here is that this would find what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.calls import Call
from tests.simulation.permissions import Request, forbidden, is_allowed
from tests.simulation.promises import BrokenPromise, Promises
from tests.simulation.scenarios import submission
from tests.simulation.world import World


@pytest.mark.parametrize(
    ("function", "request_of_it", "allowed"),
    [
        ("audit_books", ("dynamodb:PutItem", '"Table"', "AUDIT"), True),
        ("audit_books", ("dynamodb:PutItem", '"Table"', "ACCOUNT#web#ann"), False),
        ("audit_books", ("dynamodb:UpdateItem", '"Table"', None), False),
        ("store_output", ("secretsmanager:GetSecretValue", "ReplicateTokenSecret", None), True),
        ("store_output", ("secretsmanager:GetSecretValue", "ReplicateWebhookSecret", None), False),
        ("recover_jobs", ("dynamodb:Query", "${Table.Arn}/index/open-jobs", None), True),
        ("api", ("dynamodb:Query", "${Table.Arn}/index/open-jobs", None), False),
    ],
)
def test_a_function_may_do_what_its_policy_names_and_nothing_else(function: str, request_of_it: Request, allowed: bool) -> None:  # noqa: FBT001 (a column)
    assert is_allowed(function, request_of_it) is allowed


def test_a_transaction_asks_for_each_of_its_writes() -> None:
    writes: dict[str, Any] = {"TransactItems": [{"Put": {}}, {"Update": {}}, {"Delete": {}}]}

    assert list(forbidden([Call("api", 0, 0, "dynamodb.TransactWriteItems", writes)])) == []
    assert len(list(forbidden([Call("store_output", 0, 0, "dynamodb.TransactWriteItems", writes)]))) == 2


def test_what_a_policy_does_not_name_is_a_broken_promise() -> None:
    world = World()
    promises = Promises(world)
    with world.lives():
        world.open_account("ann", 100)
        world.api("POST", "/jobs", **submission())
        world.settle()
        promises.check_quiet()
        asking = next(sandbox for sandbox in world.sandboxes if sandbox.function == "request_prediction")
        asking.calls.append(Call("request_prediction", asking.number, len(asking.calls), "dynamodb.Scan"))

        with pytest.raises(BrokenPromise, match="may not ask for"):
            promises.check_quiet()
