"""Common bugs of credit systems: credits are spent twice, created by a client or refunded twice."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from itertools import count, permutations

import pytest

from darkroom.domain.accounts import AccountId, Balance
from darkroom.domain.errors import InsufficientCredits, InvalidRequest, TooManyJobs
from darkroom.storage import grants, jobs, ledger
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


class TestCheckThenWrite:
    """1. The balance is read, checked and written later: two requests spend the same credits.

    Limits that are counted before the write have the same bug.
    """

    @staticmethod
    def submit_with_competitor(account: AccountId, number: int) -> tuple[int, bool]:
        """Submit while another invocation submits just before the nth call.

        Returns the status, and whether the hold was written before that call.
        """

        def compete() -> None:
            with suppress(InsufficientCredits, TooManyJobs):
                ledger.hold(competing_job, key=None, now=competing_job.created_at)

        competing_job = image_job(account=account)
        with at_call(number, before=compete) as calls:
            status, _, _ = call_api("POST", "/jobs", body=body(), user=account.user)
        return status, "TransactWriteItems" in calls[:number]

    @pytest.mark.parametrize(
        ("credits", "in_flight_max", "refused"),
        [(10, 20, 402), (100, 1, 429)],
        ids=["credits", "jobs in flight"],
    )
    def test_two_submits_at_once_cannot_use_the_same_credits_or_limit(
        self, credits: int, in_flight_max: int, refused: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "JOBS_IN_FLIGHT_MAX", in_flight_max)
        for number in count():
            account = open_account(credits, AccountId("web", f"user{number}"))

            status, was_first = self.submit_with_competitor(account, number)

            assert status == (202 if was_first else refused)
            assert checked_balance(account) == Balance(
                available=credits - 10, held=10, granted=credits, in_flight=1, jobs_total=1
            )
            if was_first:
                break
        assert number > 1

    def test_a_job_without_credits_makes_no_prediction(self, backend: Backend) -> None:
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

    def test_no_route_lets_a_user_change_its_balance(self) -> None:
        statuses = {200, 204, 403, 404, 409, 422}
        grant = {"amount": 1_000, "reason": "because", "reference": "mine"}
        claimed = grant | {"available": 1_000, "granted": 1_000, "held": -1_000, "paused": True}
        bodies = (
            claimed,
            body() | claimed,
            body(num_outputs=-4),
            body() | {"quoted": 0},
            grant | {"amount": -1_000},
            {"paused": True},
        )

        for method, path in (route for route in ROUTES if route[0] != "GET"):
            job = held_job()
            refund(job)
            before = checked_balance()
            url = path.format(
                platform="web",
                user="ann",
                job_id=job.job_id,
                code="flux-schnell",
                upload_id=job.job_id,
            )

            for groups in self.CLAIMS:
                claims = {
                    "cognito:groups": groups,
                    "custom:groups": "[admin]",
                    "groups": "admin",
                    "roles": "admin",
                }
                assert call_api(method, url, body=grant, **claims)[0] in statuses, (url, groups)
            for sent in bodies:
                assert call_api(method, url, body=sent)[0] in statuses, (url, sent)

            after = checked_balance()
            sums = [
                (each.granted, each.available, each.held, each.spent) for each in (before, after)
            ]
            assert sums[0] == sums[1], url

    def test_an_administrator_can_grant_credits(self) -> None:
        granted = {"amount": 7, "reason": "because", "reference": "order 7", "create": True}

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

    def test_clients_reach_the_table_only_through_the_functions(self) -> None:
        kinds = {resource["Type"] for resource in TEMPLATE["Resources"].values()}

        assert "AWS::Cognito::IdentityPool" not in kinds
        assert "ResourcePolicy" not in TEMPLATE["Resources"]["Table"]["Properties"]
        assert TEMPLATE["Resources"]["UserPoolClient"]["Properties"]["WriteAttributes"] == ["email"]


class TestRefundedTwice:
    """3. Several code paths refund credits, and none checks whether another path did."""

    def test_a_hold_is_resolved_once_in_any_order_of_resolutions(self) -> None:
        for number, sequence in enumerate(
            sorted(set(permutations((refund, refund, recover, complete))), key=str)
        ):
            job, charged = job_of_user(number, num_outputs=2), 10 * (number % 2)
            if charged:
                jobs.record_output(job, OUTPUT)

            for resolve in sequence:
                resolve(job)
                assert len(resolutions(job)) == 1, sequence

            assert (stored(job).charged, stored(job).refunded) == (charged, 20 - charged)
            assert checked_balance(job.account) == Balance(
                available=100 - charged, spent=charged, granted=100, jobs_total=1
            )

    def test_a_second_resolution_at_any_call_changes_nothing(self) -> None:
        pairs = ((refund, complete), (complete, refund), (refund, recover), (recover, refund))
        users = count()
        for resolve, competitor in pairs:
            for number in count():
                job = job_of_user(next(users))
                compete = partial(competitor, job)
                with at_call(number, before=compete) as calls:
                    resolve(job)

                pair = f"{competitor.__name__} at call {number} of {resolve.__name__}"
                assert len(resolutions(job)) == 1, pair
                balance = checked_balance(job.account)
                assert balance == Balance(available=100, granted=100, jobs_total=1), pair
                if len(calls) <= number:
                    break
            assert number > 2

    def test_an_output_stored_during_a_refund_is_charged_or_refused(self) -> None:
        charged: list[int] = []
        for number in count():
            job = job_of_user(number, num_outputs=2)
            with at_call(number, before=partial(jobs.record_output, job, OUTPUT)) as calls:
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

    def test_a_repeated_grant_is_one_grant(self) -> None:
        for _ in range(2):
            grants.grant(ANN, 50, reason="paid", reference="order 1", now=NOON)
        with pytest.raises(InvalidRequest):
            grants.grant(ANN, 51, reason="paid", reference="order 1", now=NOON)

        assert checked_balance().granted == 50
