"""No statement of a policy is superfluous: without it, AWS refuses a call that Darkroom makes.

The calls are those of all scenarios. A simulated AWS records them with the function that made them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from local.cloudformation.account import arn
from local.iam.policies import Access, Statement, parse_document
from local.iam.roles import Policies, Role
from tests.simulation.environment import Environment
from tests.simulation.patching import FUNCTIONS
from tests.simulation.permissions import (
    ALARM_TOPIC,
    SimulatedResources,
    needs_of,
    policies,
    role_of,
)
from tests.simulation.provider_scenarios import PROVIDER_SCENARIOS
from tests.simulation.scenarios import SCENARIOS

_BUCKET = "arn:aws:s3:::darkroom-test-media"
_TABLE = arn("dynamodb", "table/darkroom-test")
_QUEUE = arn("sqs", "darkroom-test")
_MACHINE = "darkroom-test-generation"


def _of_row(action: str, partition_key: str) -> Access:
    return Access(action, _TABLE, {"dynamodb:leadingkeys": (partition_key,)})


# What Darkroom needs although no scenario without a crash calls it. Links and forms are no calls,
# but have the permissions of the function that signs them.
_OTHER_NEEDS: Mapping[str, tuple[Access, ...]] = {
    "api": (
        Access("s3:GetObject", f"{_BUCKET}/media/a"),
        Access("s3:PutObject", f"{_BUCKET}/uploads/a"),
        Access("cognito-idp:AdminGetUser", arn("any", "UserPool")),
        Access("dynamodb:Query", _TABLE),
        # Administrators list and find jobs and accounts, and send callbacks again.
        Access("dynamodb:Query", f"{_TABLE}/index/next-check"),
        Access("dynamodb:Query", f"{_TABLE}/index/lookup"),
        Access("dynamodb:BatchGetItem", _TABLE),
        Access("sqs:SendMessage", _QUEUE),
    ),
    # The audit marks an account that has no attribute of the index yet.
    "audit_accounts": (_of_row("dynamodb:UpdateItem", "ACCOUNT#web#ann"),),
    # No scenario checks the catalog: it has no jobs.
    "check_catalog": (
        _of_row("dynamodb:GetItem", "SLOT#replicate"),
        _of_row("dynamodb:UpdateItem", "SLOT#replicate"),
        Access("sns:Publish", ALARM_TOPIC),
    ),
    # An upload whose file is missing.
    "prepare_upload": (Access("s3:ListBucket", _BUCKET, {"s3:prefix": ("uploads/a",)}),),
    "request_prediction": (Access("s3:GetObject", f"{_BUCKET}/uploads/a"),),
    # A slot that became free before the job was in the queue: the second look gives it to a job.
    "wait_for_slot": (Access("dynamodb:DeleteItem", _TABLE),),
    "recover_jobs": (
        Access("states:StartExecution", arn("states", f"stateMachine:{_MACHINE}")),
        Access("states:StopExecution", arn("states", f"execution:{_MACHINE}:job")),
    ),
    # A receiver that fails.
    "notify_client": (
        Access("s3:GetObject", f"{_BUCKET}/media/a"),
        Access("sqs:ChangeMessageVisibility", _QUEUE),
        _of_row("dynamodb:UpdateItem", "RECEIVER#a"),
        _of_row("dynamodb:DeleteItem", "RECEIVER#a"),
    ),
}


@pytest.fixture(scope="module")
def needs() -> Mapping[str, list[Access]]:
    """What each function needs, in all scenarios."""
    found: dict[str, list[Access]] = defaultdict(list)
    for function, accesses in _OTHER_NEEDS.items():
        found[function].extend(accesses)
    scenarios = (*SCENARIOS, *(each for group in PROVIDER_SCENARIOS.values() for each in group))
    for scenario in scenarios:
        environment = Environment()
        with environment.activated(**scenario.variables):
            scenario.run(environment)
        for invocation in environment.invocations:
            for call in invocation.calls:
                new = [each for each in needs_of(call) if each not in found[call.function]]
                found[call.function].extend(new)
    return found


def own_statements(role: Role) -> Iterator[Statement]:
    """Yield the statements of this template. Those that AWS manages are for every resource."""
    return (statement for statement in role.statements if statement.resources != ("*",))


def parts_of(statement: Statement) -> Iterator[Statement]:
    """Yield a statement for each action and each resource of a statement."""
    for action in statement.actions:
        for resource in statement.resources:
            yield replace(statement, actions=(action,), resources=(resource,))


def without(role: Role, removed: Statement) -> Policies:
    """Return the policies of a role without one statement, which may be in it more than once."""
    kept = tuple(each for each in role.statements if each != removed)
    return Policies([replace(role, statements=kept)])


def test_the_function_of_unknown_paths_needs_nothing(needs: Mapping[str, list[Access]]) -> None:
    assert {function for function in FUNCTIONS if not needs[function]} == {"unknown_path"}


@pytest.mark.parametrize("function", sorted(FUNCTIONS.keys() - {"unknown_path"}))
def test_the_policies_allow_each_need(function: str, needs: Mapping[str, list[Access]]) -> None:
    for access in needs[function]:
        assert policies().allow(role_of(function), access), access


def test_a_role_without_one_of_its_statements_is_refused(
    needs: Mapping[str, list[Access]], subtests: pytest.Subtests
) -> None:
    shared = shared_statements()
    for function in sorted(FUNCTIONS):
        role = policies().roles[role_of(function)]
        for statement in own_statements(role):
            if statement in shared:
                continue
            fewer = without(role, statement)
            with subtests.test(function=function, statement=str(statement)):
                assert any(not fewer.allow(role.arn, access) for access in needs[function])


def test_each_statement_that_functions_share_is_needed_by_one_of_them(
    needs: Mapping[str, list[Access]],
) -> None:
    for statement in shared_statements():
        roles = {name: policies().roles[role_of(name)] for name in FUNCTIONS}
        assert any(
            not without(role, statement).allow(role.arn, access)
            for name, role in roles.items()
            if statement in role.statements
            for access in needs[name]
        ), statement


def test_each_action_on_each_resource_is_needed(
    needs: Mapping[str, list[Access]], subtests: pytest.Subtests
) -> None:
    shared = shared_statements()
    everything = [access for accesses in needs.values() for access in accesses]
    for function in sorted(FUNCTIONS):
        for statement in own_statements(policies().roles[role_of(function)]):
            needed = everything if statement in shared else needs[function]
            for part in parts_of(statement):
                with subtests.test(function=function, part=(part.actions, part.resources)):
                    assert any(part.matches(access) for access in needed)


def shared_statements() -> set[Statement]:
    """Return the statements of the template's managed policies, which several functions have."""
    found = SimulatedResources().of_type("AWS::IAM::ManagedPolicy")
    return {
        statement
        for name, properties in found.items()
        for statement in parse_document(properties["PolicyDocument"], name)
    }
