"""The twelve ways in which services of this kind lose credits or jobs, each tried here in the very way in which it happens elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count, permutations
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from botocore.client import BaseClient
from standardwebhooks import Webhook

from darkroom import catalog
from darkroom.adapters import aws as aws_adapter
from darkroom.adapters import events, job_store, ledger
from darkroom.adapters import workflow as workflow_adapter
from darkroom.adapters.table import SlotRow
from darkroom.domain.accounts import AccountId, Balance, Entry
from darkroom.domain.errors import InsufficientCredits, InvalidRequest, TooManyJobs
from darkroom.domain.jobs import Job, JobStatus, Output
from darkroom.domain.recovery import over_at
from darkroom.domain.references import Reference, new_nonce
from local.replicate import SimulatedReplicate
from local.replicate.predictions import OPEN, Status
from tests.aws import CONTEXT, TEMPLATE, Workflow, client, forget_settings, handler_of
from tests.builders import ANN, NOON, call_api, held_job, http_event, image_job, open_account, stored, until
from tests.integration.broken_aws import Trouble, troubled
from tests.integration.servers import Received, Reply, answering, server, webhook_door
from tests.integration.steps import at, is_open, key, with_setting

pytestmark = pytest.mark.usefixtures("aws")

BOB = AccountId("web", "bob")
OUTPUT = Output(number=0, key="media/k", content_type="image/png", bytes=1, width=1, height=1)
LATER = timedelta(minutes=1)
SUMS = ("granted", "available", "held", "spent")
ROUTES = [
    (properties["Method"], properties["Path"])
    for event in TEMPLATE["Resources"]["ApiFunction"]["Properties"]["Events"].values()
    if "Path" in (properties := event["Properties"])
]


class Killed(BaseException):
    """The sandbox is gone. No handler catches it."""


def killed() -> None:
    raise Killed


def body(**parameters: Any) -> dict[str, Any]:
    return {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse", **parameters}}


def entries(account: AccountId = ANN) -> list[Entry]:
    return list(ledger.entries(account, limit=100, cursor=None).items)


def resolutions(job: Job) -> list[Entry]:
    """The entries that resolved the hold of a job."""
    return [entry for entry in entries(job.account) if entry.job_id == job.job_id and entry.kind != "hold"]


def balanced(account: AccountId = ANN) -> Balance:
    """The books of an account, which are checked: granted = available + held + spent, and each is the sum of its entries."""
    balance, found = ledger.balance(account), entries(account)
    assert {name: getattr(balance, name) for name in SUMS} == {name: sum(getattr(entry, name) for entry in found) for name in SUMS}
    assert balance.granted == balance.available + balance.held + balance.spent
    assert min(balance.available, balance.held, balance.spent) >= 0
    return balance


@contextmanager
def at_call(number: int, *, before: Callable[[], object] | None = None, after: Callable[[], object] | None = None) -> Iterator[list[str]]:
    """Have something else happen just before or after the nth call of AWS that is no query, counted from 0; gives these calls as they come."""
    calls: list[str] = []
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(aws: BaseClient, operation: str, arguments: Any) -> Any:
        is_the_one = operation != "Query" and len(calls) == number
        calls.extend([operation] if operation != "Query" else [])
        if is_the_one and before:
            before()
        answer = original(aws, operation, arguments)
        if is_the_one and after:
            after()
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", call)
        yield calls


def job_of_user(number: int, **parameters: Any) -> Job:
    """A held job of somebody new, who has 100 credits."""
    return held_job(account=AccountId("web", f"user{number}"), **parameters)


def refund(job: Job) -> None:
    handler_of("refund_job")(key(job, failure="RuntimeError"), CONTEXT)


def complete(job: Job) -> None:
    handler_of("complete_job")(key(job), CONTEXT)


def recover(job: Job) -> None:
    """Recovery, long after the execution of this job was stopped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow_adapter, "execution", lambda _: workflow_adapter.Execution(is_running=False, stopped_at=job.created_at))
        at(patch, over_at(job) + timedelta(hours=1))
        handler_of("recover_jobs")({}, CONTEXT)


@dataclass(frozen=True)
class Studio:
    """The deployed workflow with the real handlers and the simulated Replicate, whose webhooks come in through the real door."""

    replicate: SimulatedReplicate
    workflow: Workflow

    def faults(self, **named: float) -> None:
        quick = {"run_seconds": 0.1, "queue_seconds": 0}
        requests.put(f"{self.replicate.base_url}/faults", json=quick | named, timeout=5).raise_for_status()

    def seen(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.replicate.base_url}/sim/{what}", timeout=5).json()[what]
        return found

    def submit(self, **parameters: Any) -> str:
        status, job, _ = call_api("POST", "/jobs", body=body(**parameters))
        assert status == 202, job
        job_id: str = job["id"]
        return job_id

    def prediction(self) -> dict[str, Any]:
        """The only prediction, when there is one and the job knows it."""
        (prediction,) = until(lambda: self.seen("predictions"))
        job_id = prediction["webhook"].split("%2F")[-2]
        until(lambda: (attempt := job_store.read(ANN, job_id).attempt) and attempt.prediction_id)
        return prediction

    def become(self, prediction: dict[str, Any], status: Status) -> None:
        """Have the prediction end at the provider without a word to anybody."""
        self.replicate._api.store.change(prediction["id"], only_from=OPEN, status=status, completed_at=datetime.now(UTC))

    def execution(self, job_id: str) -> str:
        arn = os.environ["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:") + f":{job_id}"
        status: str = client("stepfunctions").describe_execution(executionArn=arn)["status"]
        return status

    def ended(self, job_id: str) -> Job:
        """The job when its execution is over."""
        until(lambda: self.execution(job_id) != "RUNNING", seconds=60)
        return job_store.read(ANN, job_id)


@pytest.fixture
def studio(simulated_replicate: SimulatedReplicate, workflow: Workflow, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A studio with a quick Replicate and short laps, and an account with 100 credits."""
    with webhook_door() as public_url:
        with_setting(monkeypatch, "PUBLIC_URL", public_url)
        monkeypatch.setattr("darkroom.domain.templates.lap_seconds", lambda _: 2)
        open_account(credits=100)
        built = Studio(simulated_replicate, workflow)
        built.faults()
        yield built


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The task tokens that were woken."""
    tokens: list[str] = []
    monkeypatch.setattr(aws_adapter.client("stepfunctions"), "send_task_success", lambda **given: tokens.append(given["taskToken"]))
    return tokens


def asked_job() -> Job:
    """A job with a parked token and an attempt, whose prediction nobody knows yet."""
    job, now = held_job(), datetime.now(UTC)
    job_store.park_token(job, "token", "lap", look_at=now)
    assert job_store.begin_attempt(job, "lap", lease_until=now + LATER, now=now)
    return stored(job)


def reference_of(job: Job) -> str:
    assert job.attempt
    return str(Reference(job.account, job.job_id, job.attempt.nonce))


def message(status: str = "succeeded", prediction_id: str = "prediction1", **more: Any) -> bytes:
    return json.dumps({"id": prediction_id, "status": status, **more}).encode()


def signed(replicate: SimulatedReplicate, content: bytes, *, sent_at: datetime | None = None) -> dict[str, str]:
    at_time = sent_at or datetime.now(UTC)
    signature = Webhook(replicate.webhook_secret).sign("msg_1", at_time, content.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at_time.timestamp())), "webhook-signature": signature}


def knock(reference: str, content: bytes, headers: dict[str, str]) -> int:
    """Call the webhook's door, and give the status of its answer."""
    event = http_event("POST", "/webhooks/replicate", body=content.decode(), user=None, headers=headers)
    event["queryStringParameters"] = {"job": reference}
    return int(handler_of("receive_prediction")(event, CONTEXT)["statusCode"])


class TestReadCheckCallThenWrite:
    """1. Whoever reads the balance, checks it and writes it later spends the same credits twice. So do limits that are counted first."""

    @staticmethod
    def raced(account: AccountId, number: int) -> tuple[int, bool]:
        """Submit while another sandbox does the same just before the nth call; gives the answer's status, and whether it was first."""

        def compete() -> None:
            with suppress(InsufficientCredits, TooManyJobs):
                ledger.hold(rival, key=None, now=rival.created_at)

        rival = image_job(account=account)
        with at_call(number, before=compete) as calls:
            status, _, _ = call_api("POST", "/jobs", body=body(), user=account.user)
        return status, "TransactWriteItems" in calls[:number]

    @pytest.mark.parametrize(("credits", "in_flight_max", "refused"), [(10, 20, 402), (100, 1, 429)], ids=["credits", "jobs in flight"])
    def test_two_submits_at_once_cannot_spend_what_is_there_for_one(
        self, credits: int, in_flight_max: int, refused: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "JOBS_IN_FLIGHT_MAX", in_flight_max)
        for number in count():
            account = open_account(credits, AccountId("web", f"user{number}"))

            status, was_first = self.raced(account, number)

            assert status == (202 if was_first else refused)
            assert balanced(account) == Balance(available=credits - 10, held=10, granted=credits, in_flight=1, jobs_total=1)
            if was_first:
                break
        assert number > 1

    def test_nothing_is_asked_for_that_was_not_paid_for(self, studio: Studio) -> None:
        assert call_api("POST", "/jobs", body=body(), user="bob")[0] == 402

        assert studio.seen("predictions") == []
        assert client("stepfunctions").list_executions(stateMachineArn=os.environ["STATE_MACHINE_ARN"])["executions"] == []


class TestClientEditsItsBalance:
    """2. A client with an ordinary token writes its own balance."""

    CLAIMS = ("", "[]", "[users]", "[not-admin]", "[administrators]", "[Admin]", "admins", "[admin,users]")

    @pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[0] != "GET"], ids=str)
    def test_no_route_that_writes_gives_a_user_credits(self, method: str, path: str) -> None:
        job = held_job()
        refund(job)
        before = balanced()
        wanted = {"amount": 1_000, "reason": "because", "reference": "mine", "available": 1_000, "granted": 1_000, "held": -1_000, "paused": True}
        concrete = path.format(platform="web", user="ann", job_id=job.job_id)
        grant = {name: wanted[name] for name in ("amount", "reason", "reference")}

        for groups in self.CLAIMS:
            claims = {"cognito:groups": groups, "custom:groups": "[admin]", "groups": "admin", "roles": "admin"}
            assert call_api(method, concrete, body=grant, **claims)[0] in {204, 403, 404, 409, 422}
        for sent in (wanted, body() | wanted, body(num_outputs=-4), body() | {"quoted": 0}, grant | {"amount": -1_000}, {"paused": True}):
            assert call_api(method, concrete, body=sent)[0] in {204, 403, 404, 409, 422}

        after = balanced()
        assert (after.granted, after.available, after.held, after.spent) == (before.granted, before.available, before.held, before.spent)

    def test_an_administrator_can(self) -> None:
        granted = {"amount": 7, "reason": "because", "reference": "order 7"}

        assert call_api("POST", "/accounts/web/ann/credits", body=granted, user="grace", **{"cognito:groups": "[users admin]"})[0] == 201

        assert balanced().available == 7

    def test_no_client_reaches_the_table_but_through_the_functions(self) -> None:
        kinds = {resource["Type"] for resource in TEMPLATE["Resources"].values()}

        assert "AWS::Cognito::IdentityPool" not in kinds
        assert "ResourcePolicy" not in TEMPLATE["Resources"]["Table"]["Properties"]
        assert TEMPLATE["Resources"]["UserPoolClient"]["Properties"]["WriteAttributes"] == ["email"]


class TestRefundedTwice:
    """3. Several paths give credits back, and none asks whether another one did."""

    def test_a_hold_is_resolved_once_in_whatever_order_they_come(self) -> None:
        for number, order in enumerate(sorted(set(permutations((refund, refund, recover, complete))), key=str)):
            job, charged = job_of_user(number, num_outputs=2), 10 * (number % 2)
            if charged:
                job_store.note_output(job, OUTPUT)

            for resolve in order:
                resolve(job)
                assert len(resolutions(job)) == 1, order

            assert (stored(job).charged, stored(job).refunded) == (charged, 20 - charged)
            assert balanced(job.account) == Balance(available=100 - charged, spent=charged, granted=100, jobs_total=1)

    @pytest.mark.parametrize(("resolve", "rival"), [(refund, complete), (complete, refund), (refund, recover), (recover, refund)])
    def test_a_rival_at_any_moment_does_not_resolve_it_again(self, resolve: Callable[[Job], None], rival: Callable[[Job], None]) -> None:
        for number in count():
            job = job_of_user(number)
            with at_call(number, before=lambda job=job: rival(job)) as calls:  # type: ignore[misc]
                resolve(job)

            assert len(resolutions(job)) == 1
            assert balanced(job.account) == Balance(available=100, granted=100, jobs_total=1)
            if len(calls) <= number:
                break
        assert number > 2

    def test_an_output_that_is_stored_at_any_moment_is_charged_or_comes_too_late(self) -> None:
        charged: list[int] = []
        for number in count():
            job = job_of_user(number, num_outputs=2)
            with at_call(number, before=lambda job=job: job_store.note_output(job, OUTPUT)) as calls:  # type: ignore[misc]
                refund(job)

            ended = stored(job)
            assert (ended.charged, ended.refunded) == (10 * len(ended.outputs), 20 - 10 * len(ended.outputs))
            assert balanced(job.account).held == 0
            charged.append(ended.charged)
            if len(calls) <= number:
                break
        assert {0, 10} == set(charged)

    def test_a_grant_that_is_repeated_is_one_grant(self) -> None:
        for _ in range(2):
            ledger.grant(ANN, 50, reason="paid", reference="order 1", now=NOON)
        with pytest.raises(InvalidRequest):
            ledger.grant(ANN, 51, reason="paid", reference="order 1", now=NOON)

        assert balanced().granted == 50


class TestRefundLost:
    """4. The status becomes final first, the refund comes second, and its failure is swallowed."""

    def test_a_refund_that_fails_with_all_its_retries_is_made_by_recovery(self, studio: Studio) -> None:
        def without_a_table(event: Any) -> Any:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ledger, "transact", broken)
                return handler_of("refund_job")(event, CONTEXT)

        def broken(_: Any) -> None:
            tries.append("refund")
            raise Trouble("InternalServerError").error("TransactWriteItems")

        tries: list[str] = []
        studio.workflow.break_function("refund_job", without_a_table)
        job_id = studio.submit(prompt="please flag me")

        job = studio.ended(job_id)
        assert (len(tries), studio.execution(job_id)) == (7, "FAILED")
        assert (job.status, job.held, is_open(job)) == (JobStatus.PROCESSING, 10, True)

        recover(job)

        assert (stored(job).status, stored(job).refunded, is_open(job)) == (JobStatus.FAILED, 10, False)
        assert stored(job).failure
        assert (balanced().available, len(resolutions(job))) == (100, 1)

    @pytest.mark.parametrize("resolve", [refund, complete])
    def test_a_crash_at_any_moment_leaves_no_final_job_without_its_refund(self, resolve: Callable[[Job], None]) -> None:
        def crashed(number: int, when: str) -> bool:
            job = held_job(account=AccountId("web", f"{when}{number}"))
            with at_call(number, **{when: killed}) as calls, suppress(Killed):
                resolve(job)
            assert stored(job).status.is_final == bool(resolutions(job)) == (balanced(job.account).held == 0)

            recover(job)

            assert (stored(job).refunded, len(resolutions(job)), is_open(job)) == (10, 1, False)
            assert balanced(job.account) == Balance(available=100, granted=100, jobs_total=1)
            return len(calls) > number

        for when in ("before", "after"):
            assert next(number for number in count() if not crashed(number, when)) > 3

    def test_a_job_whose_start_was_lost_is_not_forgotten(self, studio: Studio) -> None:
        with troubled(aws_adapter.client("stepfunctions"), "StartExecution", Trouble("ServiceUnavailable")):
            job_id = studio.submit()
        job = job_store.read(ANN, job_id)
        assert (job.status, balanced().held) == (JobStatus.PENDING, 10)

        with pytest.MonkeyPatch.context() as patch:
            at(patch, job.created_at + LATER)
            handler_of("recover_jobs")({}, CONTEXT)

        assert studio.ended(job_id).status is JobStatus.COMPLETED
        assert (balanced().spent, balanced().held) == (10, 0)


class TestNoRefundAtAll:
    """5. Only success is handled, and every other way to end keeps the credits."""

    def must_have_given_back(self, studio: Studio, job: Job, code: str) -> None:
        assert job.failure
        assert (job.status, job.failure.code) == (JobStatus.FAILED, code)
        assert (job.quoted, job.held, job.charged, job.refunded) == (10, 0, 0, 10)
        assert balanced() == Balance(available=100, granted=100, jobs_total=1)
        assert [entry.kind for entry in resolutions(job)] == ["release"]
        assert list(SlotRow.query("SLOT#replicate")) == []
        assert not [prediction for prediction in studio.seen("predictions") if prediction["status"] in ("starting", "processing")]

    @pytest.mark.parametrize(
        ("fault", "code"),
        [("fail", "prediction_failed"), ("flag_sensitive", "refused"), ("no_output", "no_output"), ("drop_output", "no_output")],
    )
    def test_a_prediction_without_a_result_gives_back(self, studio: Studio, fault: str, code: str) -> None:
        studio.faults(**{fault: 1})

        self.must_have_given_back(studio, studio.ended(studio.submit()), code)

    @pytest.mark.parametrize(("status", "code"), [(Status.CANCELED, "prediction_failed"), (Status.ABORTED, "deadline_exceeded")])
    def test_a_prediction_that_is_ended_at_the_provider_gives_back(self, studio: Studio, status: Status, code: str) -> None:
        studio.faults(run_seconds=60)
        job_id = studio.submit()

        studio.become(studio.prediction(), status)

        self.must_have_given_back(studio, studio.ended(job_id), code)

    def test_a_prediction_that_takes_too_long_gives_back(self, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        studio.faults(run_seconds=60)
        impatient = replace(catalog.template("flux-schnell"), seconds_max=2)
        monkeypatch.setattr(catalog, "template", lambda _: impatient)

        self.must_have_given_back(studio, studio.ended(studio.submit()), "deadline_exceeded")

    @pytest.mark.parametrize(
        ("status", "code"),
        [(401, "provider_unavailable"), (402, "provider_unavailable"), (422, "invalid_input")],
    )
    def test_a_request_that_the_provider_refuses_gives_back(self, studio: Studio, status: int, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
        document = json.dumps({"title": "Refused", "detail": "No.", "status": status}).encode()
        with server(answering(Reply(status, document, {"Content-Type": "application/problem+json"}))) as refusing:
            with_setting(monkeypatch, "REPLICATE_BASE_URL", f"{refusing}/v1")

            self.must_have_given_back(studio, studio.ended(studio.submit()), code)

    def test_a_provider_that_is_down_until_the_deadline_gives_back(self, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        studio.faults(unavailable=1)
        impatient = replace(catalog.template("flux-schnell"), seconds_max=3)
        monkeypatch.setattr(catalog, "template", lambda _: impatient)

        self.must_have_given_back(studio, studio.ended(studio.submit()), "provider_unavailable")

    def test_a_cancel_gives_back(self, studio: Studio) -> None:
        studio.faults(run_seconds=60)
        job_id = studio.submit()
        studio.prediction()

        assert call_api("POST", f"/jobs/{job_id}/cancel")[0] == 202

        job = studio.ended(job_id)
        assert (job.status, job.charged, job.refunded) == (JobStatus.CANCELED, 0, 10)
        assert balanced() == Balance(available=100, granted=100, jobs_total=1)
        until(lambda: studio.seen("predictions")[0]["status"] == "canceled")


class TestRefundOfTheWrongAmount:
    """6. The refund is computed anew, or goes to another pocket than the one that paid."""

    def test_what_was_held_is_given_back_whatever_it_would_cost_today(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "DEFAULT_IMAGE_CREDIT_COST", 23)
        job = held_job(num_outputs=3)
        assert (job.quoted, balanced().available) == (69, 31)
        with_setting(monkeypatch, "DEFAULT_IMAGE_CREDIT_COST", 1)

        refund(job)

        assert (stored(job).refunded, balanced()) == (69, Balance(available=100, granted=100, jobs_total=1))

    @pytest.mark.parametrize(("stored_count", "charged"), [(0, 0), (1, 10), (2, 20), (3, 30)])
    def test_a_part_that_was_not_delivered_is_given_back(self, stored_count: int, charged: int) -> None:
        job = held_job(num_outputs=4)
        for number in range(stored_count):
            job_store.note_output(stored(job), replace(OUTPUT, number=number))

        refund(job)

        assert (stored(job).charged, stored(job).refunded) == (charged, 40 - charged)
        assert balanced() == Balance(available=100 - charged, spent=charged, granted=100, jobs_total=1)

    def test_a_part_of_a_credit_is_not_charged(self) -> None:
        open_account(100)
        job, _ = ledger.hold(replace(image_job(num_outputs=3), quoted=20), key=None, now=NOON)
        job_store.note_output(job, OUTPUT)

        complete(job)

        assert (stored(job).charged, stored(job).refunded) == (6, 14)

    def test_the_account_that_paid_gets_it_back_and_no_other(self) -> None:
        same_user_elsewhere, somebody = open_account(100, AccountId("mobile", "ann")), open_account(100, BOB)
        job = held_job()

        refund(job)

        assert balanced() == Balance(available=100, granted=100, jobs_total=1)
        for other in (same_user_elsewhere, somebody):
            assert balanced(other) == Balance(available=100, granted=100)

    def test_credits_that_are_held_cannot_be_taken_away_before_they_come_back(self) -> None:
        job = held_job(credits=10)
        with pytest.raises(InvalidRequest):
            ledger.grant(ANN, -1, reason="a new period", reference="period 2", now=NOON)

        refund(job)

        assert balanced() == Balance(available=10, granted=10, jobs_total=1)


class TestWebhookFromAnybody:
    """7. The webhook is open to everybody, or lets a bad signature pass."""

    FORGERIES = (
        "unsigned", "no id", "no time", "no signature", "another secret", "another body", "moved in time", "stale", "from the future",
        "guessed nonce", "another account's reference", "another job's reference",
    )  # fmt: skip

    @staticmethod
    def forged(forgery: str, job: Job, replicate: SimulatedReplicate) -> tuple[str, bytes, dict[str, str]]:
        """A webhook that says that the job has succeeded, and has one thing wrong with it."""
        content = message(output=["https://replicate.delivery/evil.png"])
        reference, headers, now = reference_of(job), signed(replicate, content), datetime.now(UTC)
        match forgery:
            case "unsigned":
                headers = {}
            case "no id" | "no time" | "no signature":
                name = {"no id": "webhook-id", "no time": "webhook-timestamp", "no signature": "webhook-signature"}[forgery]
                del headers[name]
            case "another secret":
                headers["webhook-signature"] = Webhook("whsec_" + "A" * 32).sign("msg_1", now, content.decode())
            case "another body":
                content = content.replace(b"succeeded", b"processed")
            case "moved in time":
                headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) - 1)
            case "stale" | "from the future":
                headers = signed(replicate, content, sent_at=now + timedelta(seconds=310 if forgery == "from the future" else -310))
            case "guessed nonce":
                reference = str(Reference(job.account, job.job_id, new_nonce()))
            case "another account's reference":
                reference = reference.replace("web/ann", "web/bob")
            case "another job's reference":
                reference = reference.replace(job.job_id, image_job().job_id)
        return reference, content, headers

    @pytest.mark.parametrize("forgery", FORGERIES)
    def test_a_webhook_that_is_not_replicates_own_changes_nothing(self, forgery: str, simulated_replicate: SimulatedReplicate, woken: list[str]) -> None:
        job = asked_job()

        assert knock(*self.forged(forgery, job, simulated_replicate)) == (404 if forgery.endswith("reference") else 401)

        assert (stored(job), woken) == (job, [])
        assert (balanced().held, balanced().spent) == (10, 0)
        content = message()
        assert knock(reference_of(job), content, signed(simulated_replicate, content)) == 200
        assert woken == ["token"]

    def test_without_a_secret_nobody_is_let_in(self, woken: list[str]) -> None:
        job = asked_job()

        assert knock(reference_of(job), message(), {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}) == 503

        assert (stored(job), woken) == (job, [])

    def test_a_replayed_webhook_charges_nothing_again(self, simulated_replicate: SimulatedReplicate, woken: list[str]) -> None:
        job, content = asked_job(), message()
        headers = signed(simulated_replicate, content)
        assert knock(reference_of(job), content, headers) == 200
        job_store.note_output(job := stored(job), OUTPUT)
        complete(job)
        before, ended = balanced(), stored(job)

        for _ in range(3):
            assert knock(reference_of(job), content, headers) == 200

        assert (balanced(), stored(job), woken) == (before, ended, ["token"])

    def test_a_webhook_of_ones_own_job_does_not_open_somebody_elses(self, simulated_replicate: SimulatedReplicate, woken: list[str]) -> None:
        mine, content = asked_job(), message()
        headers = signed(simulated_replicate, content)
        open_account(100, BOB)
        theirs, _ = ledger.hold(image_job(account=BOB), key=None, now=NOON)
        now = datetime.now(UTC)
        assert job_store.begin_attempt(theirs, "lap", lease_until=now + LATER, now=now)
        before = stored(theirs)
        assert mine.attempt

        # The signature is Replicate's own, and the URL that it came to is not part of what is signed.
        assert knock(str(Reference(BOB, theirs.job_id, mine.attempt.nonce)), content, headers) == 401

        assert (stored(theirs), woken) == (before, [])

    def test_what_a_signed_body_claims_is_never_the_result(self, simulated_replicate: SimulatedReplicate, woken: list[str]) -> None:
        job = asked_job()
        content = message(output=["https://replicate.delivery/evil.png"], error="E005", status_code=200)

        assert knock(reference_of(job), content, signed(simulated_replicate, content)) == 200

        assert (stored(job).outputs, stored(job).failure, stored(job).held) == ((), None, 10)
        assert woken == ["token"]


class TestLostWebhook:
    """8. A webhook that is lost leaves the job, and the credits, where they are for ever."""

    @pytest.mark.parametrize(
        ("fault", "end"),
        [({}, "completed"), ({"fail": 1}, "failed"), ({"flag_sensitive": 1}, "failed"), ({"no_output": 1}, "failed")],
        ids=str,
    )
    def test_a_job_ends_when_every_webhook_is_lost(self, studio: Studio, fault: dict[str, float], end: str) -> None:
        studio.faults(lose_webhook=1, **fault)

        job = studio.ended(studio.submit())

        assert {each["status_code"] for each in studio.seen("webhooks")} == {None}
        assert (job.status, job.charged) == (end, 10 if end == "completed" else 0)
        assert balanced().held == 0

    @pytest.mark.parametrize("status", [Status.CANCELED, Status.ABORTED, Status.FAILED])
    def test_a_job_ends_when_the_provider_ends_it_and_tells_nobody(self, studio: Studio, status: Status) -> None:
        studio.faults(run_seconds=60)
        job_id = studio.submit()

        studio.become(studio.prediction(), status)

        assert studio.ended(job_id).status is JobStatus.FAILED
        assert balanced() == Balance(available=100, granted=100, jobs_total=1)

    def test_a_job_ends_when_its_execution_is_stopped_and_tells_nobody(self, studio: Studio) -> None:
        studio.faults(run_seconds=60)
        job_id = studio.submit()
        studio.prediction()
        arn = os.environ["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:") + f":{job_id}"
        client("stepfunctions").stop_execution(executionArn=arn)
        job = studio.ended(job_id)
        assert not job.status.is_final

        recover(job)

        assert (stored(job).status, balanced().available) == (JobStatus.FAILED, 100)
        assert studio.seen("predictions")[0]["status"] == "canceled"


class TestCallbackBeforeRecord:
    """9. The webhook is quicker than the answer that brings the prediction's id."""

    def test_a_webhook_that_comes_before_the_answer_is_not_lost(self, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        def answer_after_the_webhook(request: Received) -> Reply:
            headers: dict[str, str] = {name: request.headers[name] for name in ("authorization", "content-type") if name in request.headers}
            answer = requests.request(request.method, studio.replicate.base_url + request.path, data=request.body, headers=headers, timeout=5)
            if request.method == "POST":
                until(lambda: [each for each in studio.seen("webhooks") if each["event"] == "completed" and each["status_code"] == 200])
                attempt = job_store.read(ANN, str(entries()[0].job_id)).attempt
                known.append((answer.json()["id"], attempt.prediction_id if attempt else None))
            return Reply(answer.status_code, answer.content, {"Content-Type": "application/json"})

        known: list[tuple[str, str | None]] = []
        with server(answer_after_the_webhook) as slow:
            with_setting(monkeypatch, "REPLICATE_BASE_URL", f"{slow}/v1")
            job = studio.ended(studio.submit())

        ((prediction_id, known_id),) = known
        assert prediction_id == known_id
        assert (job.status, len(job.attempts), job.charged) == (JobStatus.COMPLETED, 1, 10)
        assert len(studio.seen("predictions")) == 1

    def test_a_webhook_that_cannot_be_recorded_is_asked_for_again(self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch) -> None:
        job, content = asked_job(), message()
        nowhere = reference_of(job).replace(job.job_id, image_job().job_id)

        # Replicate comes again for whatever is not 2xx or 3xx.
        assert knock(nowhere, content, signed(simulated_replicate, content)) == 404
        with monkeypatch.context() as broken:
            broken.setattr(job_store, "note_prediction", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                knock(reference_of(job), content, signed(simulated_replicate, content))
        assert knock(reference_of(job), content, signed(simulated_replicate, content)) == 200


class TestPaidTwice:
    """10. What was paid for is asked for again after a crash, a time-out or a lost answer, or its id is lost."""

    @pytest.mark.parametrize("error", ["Runtime.ExitError", "Sandbox.Timedout"])
    def test_a_crash_between_the_request_and_its_note_pays_once(self, studio: Studio, error: str) -> None:
        def crash(*_: Any, **__: Any) -> None:
            raise type(error, (Exception,), {})("exit status 137")

        def ask(event: Any) -> None:
            with pytest.MonkeyPatch.context() as patch:
                if event["job_id"] not in crashed:
                    crashed.append(event["job_id"])
                    patch.setattr(job_store, "note_prediction", crash)
                handler_of("request_prediction")(event, CONTEXT)

        crashed: list[str] = []
        studio.faults(lose_webhook=1, run_seconds=1)
        studio.workflow.break_function("request_prediction", ask)

        job_id = studio.submit()
        job = studio.ended(job_id)

        (prediction,) = studio.seen("predictions")
        assert crashed == [job_id]
        assert job.attempt
        assert (job.status, job.attempt.prediction_id, len(job.attempts)) == (JobStatus.COMPLETED, prediction["id"], 1)

    def test_an_answer_that_is_lost_pays_once(self, studio: Studio) -> None:
        studio.faults(lost_create_answer=1, lose_webhook=1, run_seconds=1)

        jobs = [studio.ended(job_id) for job_id in [studio.submit() for _ in range(3)]]

        assert [job.status for job in jobs] == [JobStatus.COMPLETED] * 3
        assert {job.attempt.prediction_id for job in jobs if job.attempt} == {prediction["id"] for prediction in studio.seen("predictions")}
        assert len(studio.seen("predictions")) == 3

    def test_a_retry_after_a_failed_store_asks_for_nothing_again(self, studio: Studio) -> None:
        def fail_after_work(event: Any) -> None:
            tries.append(event["job_id"])
            handler_of("store_output")(event, CONTEXT)
            if len(tries) <= 2:
                raise RuntimeError("the upload failed")

        tries: list[str] = []
        studio.workflow.break_function("store_output", fail_after_work)

        job = studio.ended(studio.submit())

        assert (job.status, len(tries), len(studio.seen("predictions"))) == (JobStatus.COMPLETED, 3, 1)
        assert (len(job.outputs), balanced().spent) == (1, 10)

    def test_the_same_request_sent_again_is_one_job_and_one_payment(self, studio: Studio) -> None:
        sent = [call_api("POST", "/jobs", body=body(), headers={"idempotency-key": "order 1"})[1]["id"] for _ in range(3)]

        studio.ended(sent[0])

        assert len(set(sent)) == len(studio.seen("predictions")) == 1
        assert balanced() == Balance(available=90, spent=10, granted=100, jobs_total=1)


class TestLateEvents:
    """11. Events that are late, repeated or out of order overwrite what is true."""

    @pytest.mark.parametrize(
        "faults", [{"duplicate_webhook": 1}, {"reorder": 1}, {"duplicate_webhook": 1, "reorder": 1, "delay_webhook_seconds": 0.3}], ids=str
    )
    def test_events_in_any_order_are_one_delivery(self, studio: Studio, faults: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
        announced: list[str] = []
        monkeypatch.setattr(events, "announce", lambda job: announced.append(job.job_id))
        studio.faults(**faults)

        job = studio.ended(studio.submit())

        # A start that was overtaken comes after the completion.
        until(lambda: {each["event"] for each in studio.seen("webhooks")} == {"start", "completed"})
        assert {each["status_code"] for each in studio.seen("webhooks")} == {200}
        assert (stored(job), job.status, announced) == (job, JobStatus.COMPLETED, [job.job_id])
        assert balanced() == Balance(available=90, spent=10, granted=100, jobs_total=1)

    @pytest.mark.parametrize("end", ["completed", "failed", "canceled"])
    def test_a_job_that_has_ended_stays_as_it_is(self, end: str, simulated_replicate: SimulatedReplicate, woken: list[str]) -> None:
        job = asked_job()
        assert job.attempt
        job_store.note_prediction(job, job.attempt, "prediction1", now=NOON)
        match end:
            case "completed":
                job_store.note_output(stored(job), OUTPUT)
            case "canceled":
                job_store.request_cancel(job, look_at=NOON, now=NOON)
        refund(job)
        ended, before, etag = stored(job), balanced(), call_api("GET", f"/jobs/{job.job_id}")[2]["ETag"]
        assert ended.status == end

        for status in ("starting", "processing", "succeeded", "failed", "canceled", "aborted", "succeeded", "processing"):
            content = message(status)
            assert knock(reference_of(job), content, signed(simulated_replicate, content)) == 200

        assert (stored(job), balanced(), woken) == (ended, before, [])
        assert call_api("GET", f"/jobs/{job.job_id}")[2]["ETag"] == etag


class TestTemporaryOutputs:
    """12. The provider's link is delivered as the result, and dies within the hour."""

    def test_what_was_delivered_outlives_the_provider(self, studio: Studio) -> None:
        job_id = studio.submit(num_outputs=2)
        studio.ended(job_id)
        (prediction,) = studio.seen("predictions")
        theirs = [requests.get(url, timeout=5).content for url in prediction["output"]]

        studio.replicate.stop()

        _, shown, _ = call_api("GET", f"/jobs/{job_id}")
        with pytest.raises(requests.ConnectionError):
            requests.get(prediction["output"][0], timeout=5)
        assert shown["status"] == "completed"
        assert urlsplit(studio.replicate.base_url).netloc not in json.dumps(shown)
        assert [requests.get(output["url"], timeout=5).content for output in shown["outputs"]] == theirs
        assert all(requests.get(output["thumbnail_url"], timeout=5).ok for output in shown["outputs"])

    def test_an_output_that_cannot_be_fetched_any_more_is_not_delivered(self, studio: Studio) -> None:
        def fetch_too_late(event: Any) -> Any:
            studio.replicate._api.lifecycle.deliveries._files.clear()
            return handler_of("store_output")(event, CONTEXT)

        studio.workflow.break_function("store_output", fetch_too_late)

        job = studio.ended(studio.submit())

        assert job.failure
        assert (job.status, job.failure.code, job.outputs) == (JobStatus.FAILED, "output_unavailable", ())
        assert balanced() == Balance(available=100, granted=100, jobs_total=1)

    def test_a_job_whose_storing_fails_is_never_completed(self, simulated_replicate: SimulatedReplicate) -> None:
        requests.put(f"{simulated_replicate.base_url}/faults", json={"run_seconds": 0, "queue_seconds": 0}, timeout=5).raise_for_status()
        job = held_job()
        handler_of("request_prediction")(key(job, task_token="t", entered_at=NOON.isoformat(), retry_count=0), CONTEXT)
        attempt = stored(job).attempt
        assert attempt
        until(lambda: requests.get(f"{simulated_replicate.base_url}/sim/predictions", timeout=5).json()["predictions"][0]["status"] == "succeeded")

        # Neither the thumbnail nor the output can be put.
        with (
            troubled(aws_adapter.client("s3"), "PutObject", *[Trouble("InternalError")] * 2),
            pytest.raises(Exception, match="InternalError"),
        ):
            handler_of("store_output")(key(job), CONTEXT)

        assert (stored(job).outputs, stored(job).status) == ((), JobStatus.PROCESSING)
        complete(job)
        assert (stored(job).status, stored(job).charged, balanced().available) == (JobStatus.FAILED, 0, 100)


class TestSomebodyElses:
    """Also seen elsewhere: jobs that anybody reads or stops by their ids, and open doors to what costs money."""

    def job_of_ann(self) -> Job:
        job = held_job(num_outputs=2)
        job_store.note_output(job, OUTPUT)
        refund(job)
        return stored(job)

    def test_every_route_with_an_id_is_tried_here(self) -> None:
        tried = {"/jobs/{job_id}", "/jobs/{job_id}/cancel", "/accounts/{platform}/{user}", "/accounts/{platform}/{user}/credits"}
        public = {"/templates/{code}"}

        assert {path for _, path in ROUTES if "{" in path} == tried | public | {"/accounts/{platform}/{user}/entries"}

    @pytest.mark.parametrize("claims", [{"user": "bob"}, {"user": "ann", "custom:platform": "mobile"}], ids=str)
    @pytest.mark.parametrize("ended", [True, False])
    def test_somebody_elses_job_is_not_there(self, claims: dict[str, Any], ended: bool) -> None:  # noqa: FBT001 (a column of the table)
        open_account(100, AccountId(claims.get("custom:platform", "web"), claims["user"]))
        job = self.job_of_ann() if ended else held_job()
        before = stored(job)

        for method, path in (route for route in ROUTES if "{job_id}" in route[1]):
            seen = [call_api(method, path.format(job_id=job_id), **claims) for job_id in (job.job_id, image_job().job_id)]
            assert seen[0][0] == 404
            assert seen[0] == seen[1]
        seen = [call_api("POST", "/jobs", body={"rerun_of": job_id}, **claims) for job_id in (job.job_id, image_job().job_id)]
        assert seen[0][0] == 422
        assert seen[0] == seen[1]

        assert stored(job) == before
        assert call_api("GET", "/jobs", **claims)[1] == {"jobs": [], "next_cursor": None, "total": 0}
        assert call_api("GET", f"/jobs/{job.job_id}")[0] == 200

    @pytest.mark.parametrize("user", ["bob#JOB", "ann#JOB#1", "../ann", "web/ann", "a b", "", "x" * 129])
    def test_an_id_that_reaches_into_another_partition_does_not_come_in(self, user: str) -> None:
        job = self.job_of_ann()

        assert call_api("GET", f"/jobs/{job.job_id}", user=user)[0] == 403

    def test_nobody_but_an_administrator_reads_another_account(self) -> None:
        open_account(100)

        for method, path in (route for route in ROUTES if "{user}" in route[1]):
            sent = {"amount": 1, "reason": "r", "reference": "r"} if method == "POST" else None
            assert call_api(method, path.format(platform="web", user="ann"), body=sent, user="bob")[0] == 403

        assert balanced().granted == 100

    def test_without_a_token_nothing_can_be_asked_for(self) -> None:
        job = held_job()

        for method, path in ROUTES:
            sent = {"amount": 1, "reason": "r", "reference": "r"} if "credits" in path else {"paused": True} if "paused" in path else body()
            status, _, _ = call_api(method, path.format(platform="web", user="ann", job_id=job.job_id, code="flux-schnell"), body=sent, user=None)
            assert status == (200 if path == "/health" else 401)

        assert (stored(job), balanced().held) == (job, 10)


@pytest.fixture(autouse=True)
def settings_of_this_test() -> Iterator[None]:
    """What a test sets for itself is forgotten with it."""
    yield
    forget_settings()
