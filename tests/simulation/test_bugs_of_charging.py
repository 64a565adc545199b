"""The bugs by which services of this kind spend credits twice, let clients make them, or give them back twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count, permutations

import pytest

from darkroom.domain.accounts import AccountId, Balance
from darkroom.domain.errors import InsufficientCredits, InvalidRequest, TooManyJobs
from darkroom.domain.jobs import Job
from darkroom.storage import jobs, ledger
from tests.aws import TEMPLATE, client
from tests.builders import ANN, NOON, call_api, held_job, image_job, open_account, stored
from tests.integration.steps import with_setting
from tests.simulation.bugs import (
    OUTPUT,
    ROUTES,
    Backend,
    at_call,
    body,
    checked_balance,
    complete,
    job_of_user,
    recover,
    refund,
    resolutions,
)

pytest_plugins = ["tests.simulation.bugs_fixtures"]
pytestmark = pytest.mark.usefixtures("aws", "settings_of_this_test")


class TestReadCheckCallThenWrite:
    """1. Whoever reads the balance, checks it and writes it later spends the same credits twice. So do limits that are counted first."""

    @staticmethod
    def raced(account: AccountId, number: int) -> tuple[int, bool]:
        """Submit while another invocation does the same just before the nth call; gives the answer's status, and whether it was first."""

        def compete() -> None:
            with suppress(InsufficientCredits, TooManyJobs):
                ledger.hold(rival, key=None, now=rival.created_at)

        rival = image_job(account=account)
        with at_call(number, before=compete) as calls:
            status, _, _ = call_api("POST", "/jobs", body=body(), user=account.user)
        return status, "TransactWriteItems" in calls[:number]

    @pytest.mark.parametrize(
        ("credits", "in_flight_max", "refused"),
        [(10, 20, 402), (100, 1, 429)],
        ids=["credits", "jobs in flight"],
    )
    def test_two_submits_at_once_cannot_spend_what_is_there_for_one(
        self, credits: int, in_flight_max: int, refused: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "JOBS_IN_FLIGHT_MAX", in_flight_max)
        for number in count():
            account = open_account(credits, AccountId("web", f"user{number}"))

            status, was_first = self.raced(account, number)

            assert status == (202 if was_first else refused)
            assert checked_balance(account) == Balance(
                available=credits - 10, held=10, granted=credits, in_flight=1, jobs_total=1
            )
            if was_first:
                break
        assert number > 1

    def test_nothing_is_requested_that_was_not_paid_for(self, backend: Backend) -> None:
        assert call_api("POST", "/jobs", body=body(), user="bob")[0] == 402

        assert backend.provider_records("predictions") == []
        assert (
            client("stepfunctions").list_executions(
                stateMachineArn=os.environ["STATE_MACHINE_ARN"]
            )["executions"]
            == []
        )


class TestClientEditsItsBalance:
    """2. A client with an ordinary token writes its own balance."""

    CLAIMS = (
        "",
        "[]",
        "[users]",
        "[not-admin]",
        "[administrators]",
        "[Admin]",
        "admins",
        "[admin,users]",
    )

    @pytest.mark.parametrize(
        ("method", "path"), [route for route in ROUTES if route[0] != "GET"], ids=str
    )
    def test_no_route_that_writes_gives_a_user_credits(self, method: str, path: str) -> None:
        job = held_job()
        refund(job)
        before = checked_balance()
        wanted = {
            "amount": 1_000,
            "reason": "because",
            "reference": "mine",
            "available": 1_000,
            "granted": 1_000,
            "held": -1_000,
            "paused": True,
        }
        concrete = path.format(
            platform="web", user="ann", job_id=job.job_id, code="flux-schnell", upload_id=job.job_id
        )
        grant = {name: wanted[name] for name in ("amount", "reason", "reference")}

        for groups in self.CLAIMS:
            claims = {
                "cognito:groups": groups,
                "custom:groups": "[admin]",
                "groups": "admin",
                "roles": "admin",
            }
            assert call_api(method, concrete, body=grant, **claims)[0] in {
                200,
                204,
                403,
                404,
                409,
                422,
            }
        for sent in (
            wanted,
            body() | wanted,
            body(num_outputs=-4),
            body() | {"quoted": 0},
            grant | {"amount": -1_000},
            {"paused": True},
        ):
            assert call_api(method, concrete, body=sent)[0] in {200, 204, 403, 404, 409, 422}

        after = checked_balance()
        assert (after.granted, after.available, after.held, after.spent) == (
            before.granted,
            before.available,
            before.held,
            before.spent,
        )

    def test_an_administrator_can(self) -> None:
        granted = {"amount": 7, "reason": "because", "reference": "order 7"}

        assert (
            call_api(
                "POST",
                "/accounts/web/ann/credits",
                body=granted,
                user="grace",
                **{"cognito:groups": "[users admin]"},
            )[0]
            == 201
        )

        assert checked_balance().available == 7

    def test_no_client_reaches_the_table_but_through_the_functions(self) -> None:
        kinds = {resource["Type"] for resource in TEMPLATE["Resources"].values()}

        assert "AWS::Cognito::IdentityPool" not in kinds
        assert "ResourcePolicy" not in TEMPLATE["Resources"]["Table"]["Properties"]
        assert TEMPLATE["Resources"]["UserPoolClient"]["Properties"]["WriteAttributes"] == ["email"]


class TestRefundedTwice:
    """3. Several paths give credits back, and none asks whether another one did."""

    def test_a_hold_is_resolved_once_in_whatever_order_they_come(self) -> None:
        for number, order in enumerate(
            sorted(set(permutations((refund, refund, recover, complete))), key=str)
        ):
            job, charged = job_of_user(number, num_outputs=2), 10 * (number % 2)
            if charged:
                jobs.record_output(job, OUTPUT)

            for resolve in order:
                resolve(job)
                assert len(resolutions(job)) == 1, order

            assert (stored(job).charged, stored(job).refunded) == (charged, 20 - charged)
            assert checked_balance(job.account) == Balance(
                available=100 - charged, spent=charged, granted=100, jobs_total=1
            )

    @pytest.mark.parametrize(
        ("resolve", "rival"),
        [(refund, complete), (complete, refund), (refund, recover), (recover, refund)],
    )
    def test_a_rival_at_any_moment_does_not_resolve_it_again(
        self, resolve: Callable[[Job], None], rival: Callable[[Job], None]
    ) -> None:
        for number in count():
            job = job_of_user(number)
            with at_call(number, before=lambda job=job: rival(job)) as calls:  # type: ignore[misc]
                resolve(job)

            assert len(resolutions(job)) == 1
            assert checked_balance(job.account) == Balance(available=100, granted=100, jobs_total=1)
            if len(calls) <= number:
                break
        assert number > 2

    def test_an_output_that_is_stored_at_any_moment_is_charged_or_comes_too_late(self) -> None:
        charged: list[int] = []
        for number in count():
            job = job_of_user(number, num_outputs=2)
            with at_call(number, before=lambda job=job: jobs.record_output(job, OUTPUT)) as calls:  # type: ignore[misc]
                refund(job)

            ended = stored(job)
            assert (ended.charged, ended.refunded) == (
                10 * len(ended.outputs),
                20 - 10 * len(ended.outputs),
            )
            assert checked_balance(job.account).held == 0
            charged.append(ended.charged)
            if len(calls) <= number:
                break
        assert {0, 10} == set(charged)

    def test_a_grant_that_is_repeated_is_one_grant(self) -> None:
        for _ in range(2):
            ledger.grant(ANN, 50, reason="paid", reference="order 1", now=NOON)
        with pytest.raises(InvalidRequest):
            ledger.grant(ANN, 51, reason="paid", reference="order 1", now=NOON)

        assert checked_balance().granted == 50
