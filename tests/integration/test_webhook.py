"""Replicate's webhook: who may call, what a call can change, and what it never can."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from darkroom.aws import clients as aws_adapter
from darkroom.aws import secrets
from darkroom.domain.jobs import Attempt, Job, JobStatus
from darkroom.domain.references import Reference, new_nonce
from darkroom.storage import jobs, ledger
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, client, forget_settings, handler_of
from tests.builders import ANN, held_job, http_event, image_job, stored, until
from tests.contract import must_be_as_described
from tests.integration.broken_aws import failing_calls

pytestmark = pytest.mark.usefixtures("aws")

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of 24 byte").decode()
LATER = timedelta(minutes=1)


def put_secret(secret: str) -> None:
    client("secretsmanager").put_secret_value(
        SecretId=os.environ["REPLICATE_WEBHOOK_SECRET"], SecretString=secret
    )


@pytest.fixture
def job() -> Job:
    """A job whose prediction was asked for, and a secret to sign with."""
    put_secret(SECRET)
    job, now = held_job(), datetime.now(UTC)
    assert jobs.store_task_token(job, "token-of-the-entry", "entry", next_check_at=now)
    assert jobs.begin_attempt(job, "entry", lease_until=now + LATER, now=now)
    return stored(job)


def attempt_of(job: Job) -> Attempt:
    assert job.attempt
    return job.attempt


def reference_of(job: Job) -> str:
    return str(Reference(job.account, job.job_id, attempt_of(job).nonce))


def signed(body: bytes, *, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    at = at or datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", at, body.decode("utf-8", "replace"))
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def call(reference: str | None, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    event = http_event("POST", "/webhooks/replicate", user=None, headers=headers)
    event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    event["queryStringParameters"] = None if reference is None else {"job": reference}
    answer = handler_of("receive_prediction")(event, CONTEXT)
    must_be_as_described(
        "POST", "/webhooks/replicate", answer["statusCode"], answer["headers"], answer["body"]
    )
    return int(answer["statusCode"]), json.loads(answer["body"])


def ask_replicate(replicate: SimulatedReplicate, reference: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {"input": {"prompt": "x"}}
    if reference:
        # Nobody listens there.
        body |= {
            "webhook": f"http://127.0.0.1:9/webhooks/replicate?job={quote(reference, safe='')}"
        }
    answer = requests.post(
        f"{replicate.base_url}/v1/models/black-forest-labs/flux-schnell/predictions",
        json=body,
        headers={"Authorization": "Bearer r8_test"},
        timeout=5,
    )
    created: dict[str, Any] = answer.json()
    return created


def seen_at(replicate: SimulatedReplicate, prediction_id: str) -> str:
    predictions = requests.get(f"{replicate.base_url}/sim/predictions", timeout=5).json()[
        "predictions"
    ]
    (seen,) = (prediction for prediction in predictions if prediction["id"] == prediction_id)
    status: str = seen["status"]
    return status


def prediction(status: str = "succeeded", prediction_id: str = "prediction1", **more: Any) -> bytes:
    return json.dumps({"id": prediction_id, "status": status, **more}).encode()


def tell(
    job: Job, status: str = "succeeded", prediction_id: str = "prediction1", **sign: Any
) -> tuple[int, Any]:
    body = prediction(status, prediction_id)
    return call(reference_of(job), body, signed(body, **sign))


def is_prediction(body: bytes) -> bool:
    try:
        document = json.loads(body)
    except ValueError:
        return False
    return isinstance(document, dict) and all(
        isinstance(document.get(name), str) for name in ("id", "status")
    )


class TestWhoMayCall:
    def refused(self, job: Job, headers: dict[str, str], *, status: int = 401) -> None:
        answered, problem = call(reference_of(job), prediction(), headers)

        assert answered == status, problem
        assert problem["status"] == status
        assert stored(job) == job

    def test_who_signs_with_the_secret(self, job: Job) -> None:
        assert tell(job)[0] == 200
        assert stored(job).status is JobStatus.PROCESSING

    def test_nobody_who_does_not_sign(self, job: Job) -> None:
        self.refused(job, {})

    @pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_nobody_who_leaves_a_header_out(self, job: Job, missing: str) -> None:
        self.refused(
            job, {name: value for name, value in signed(prediction()).items() if name != missing}
        )

    @pytest.mark.parametrize("minutes", [10, 5.1, -5.1, -10])
    def test_nobody_from_another_time(self, job: Job, minutes: float) -> None:
        self.refused(job, signed(prediction(), at=datetime.now(UTC) - timedelta(minutes=minutes)))

    @pytest.mark.parametrize("minutes", [4.9, -4.9])
    def test_who_is_a_little_early_or_late(self, job: Job, minutes: float) -> None:
        assert tell(job, at=datetime.now(UTC) - timedelta(minutes=minutes))[0] == 200

    def test_nobody_older_than_the_setting_says(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WEBHOOK_AGE_SECONDS_MAX", "60")
        forget_settings()

        self.refused(job, signed(prediction(), at=datetime.now(UTC) - timedelta(minutes=2)))

    def test_nobody_who_changed_the_body(self, job: Job) -> None:
        self.refused(job, signed(prediction("failed")))

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
    def test_nobody_who_changed_what_is_signed_with_it(self, job: Job, name: str) -> None:
        headers = signed(prediction())
        self.refused(job, headers | {name: str(int(headers["webhook-timestamp"]) + 1)})

    def test_nobody_with_another_secret(self, job: Job) -> None:
        self.refused(job, signed(prediction(), secret=OTHER_SECRET))

    def test_one_good_signature_among_several_is_enough(self, job: Job) -> None:
        body = prediction()
        headers = signed(body)
        headers["webhook-signature"] = f"v1,AAAA v1a,{'B' * 44} {headers['webhook-signature']}"

        assert call(reference_of(job), body, headers)[0] == 200

    def test_nobody_while_there_is_no_secret(self, job: Job) -> None:
        client("secretsmanager").delete_secret(
            SecretId=os.environ["REPLICATE_WEBHOOK_SECRET"], ForceDeleteWithoutRecovery=True
        )
        secrets._cache.clear()

        self.refused(job, signed(prediction()), status=503)

    def test_nobody_while_the_secret_is_empty(self) -> None:
        job = held_job()
        now = datetime.now(UTC)
        jobs.begin_attempt(job, "entry", lease_until=now + LATER, now=now)

        assert call(reference_of(stored(job)), prediction(), signed(prediction()))[0] == 503

    @pytest.mark.parametrize("secret", ["whsec_", "whsec_?", "whsec_=", "é", " "])
    def test_nobody_while_the_secret_is_none(self, job: Job, secret: str) -> None:
        put_secret(secret)
        put_secret(secret + " ")
        secrets._cache.clear()

        answered, _ = tell(job, secret=OTHER_SECRET)

        assert answered in (401, 503)
        assert stored(job) == job

    def test_the_previous_secret_is_accepted_after_a_rotation_and_the_one_before_is_not(
        self, job: Job
    ) -> None:
        put_secret(OTHER_SECRET)
        secrets._cache.clear()
        assert tell(job, "starting")[0] == 200
        assert tell(job, "starting", secret=OTHER_SECRET)[0] == 200

        put_secret("whsec_" + base64.b64encode(b"a third secret with 24 by").decode())
        secrets._cache.clear()

        assert tell(job, "starting")[0] == 401
        assert tell(job, "starting", secret=OTHER_SECRET)[0] == 200

    def test_a_new_secret_is_looked_up_when_the_known_ones_do_not_fit(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("darkroom.providers.webhook_signature.REFETCH_SECONDS_MIN", 0.0)
        assert tell(job, "starting")[0] == 200

        put_secret(OTHER_SECRET)

        assert tell(job, "starting", secret=OTHER_SECRET)[0] == 200

    def test_forgeries_do_not_make_us_ask_for_the_secret_each_time(self, job: Job) -> None:
        assert tell(job, "starting")[0] == 200

        with failing_calls(aws_adapter.client("secretsmanager"), "GetSecretValue") as asked:
            for _ in range(5):
                self.refused(stored(job), {})

        assert asked == []

    HEADER_TEXT = st.text(st.characters(codec="utf-8"), max_size=80)
    SIGNATURE = st.one_of(
        HEADER_TEXT,
        st.sampled_from(
            ["v1,", "v1", ",", "v1,,", "v1,=", "v1,AAAA", "v2,AAAA", "v1,é", " ", "v1,AA AA"]
        ),
        HEADER_TEXT.map("v1,{}".format),
    )
    TIMESTAMP = st.one_of(
        HEADER_TEXT,
        st.sampled_from(
            [
                "nan",
                "inf",
                "-inf",
                "1e400",
                "-1",
                "0",
                "99999999999999999999",
                "１７００",
                "0x10",
                "",
            ]
        ),
        st.integers().map(str),
    )

    @settings(
        max_examples=1_500,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "webhook-id": HEADER_TEXT,
                "webhook-timestamp": TIMESTAMP,
                "webhook-signature": SIGNATURE,
            },
        ),
        st.binary(max_size=60),
    )
    def test_malformed_headers_are_refused_whatever_they_hold(
        self, job: Job, headers: dict[str, str], body: bytes
    ) -> None:
        answered, _ = call(reference_of(job), body, headers)

        assert answered == 401

    @settings(
        max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(SIGNATURE, TIMESTAMP)
    def test_a_good_time_or_a_good_id_helps_no_bad_signature(
        self, job: Job, signature: str, timestamp: str
    ) -> None:
        good = signed(prediction())

        assert (
            call(reference_of(job), prediction(), good | {"webhook-signature": signature})[0] == 401
        )
        assert (
            call(reference_of(job), prediction(), good | {"webhook-timestamp": timestamp})[0] == 401
        )
        assert stored(job) == job

    JSON = st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["id", "status", "webhook", "output", "x"]), inner, max_size=4
            ),
        ),
        max_leaves=8,
    )

    @settings(
        max_examples=1_000,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.one_of(JSON.map(json.dumps), st.text(max_size=80)).map(str.encode))
    def test_a_signed_body_that_is_no_prediction_changes_nothing(
        self, job: Job, body: bytes
    ) -> None:
        assume(not is_prediction(body))
        answered, _ = call(reference_of(job), body, signed(body))

        assert answered in (415, 422)
        assert stored(job) == job


class TestWhichJob:
    @pytest.mark.parametrize(
        "reference",
        [None, "", "x", "web/ann", "web/ann/x/y", "/".join(["web", "ann", "0" * 36, "0" * 32])],
    )
    def test_a_missing_or_malformed_reference_leads_nowhere(
        self, job: Job, reference: str | None
    ) -> None:
        assert call(reference, prediction(), signed(prediction()))[0] == 404
        assert stored(job) == job

    def test_a_job_that_is_not_there_is_not_found(self, job: Job) -> None:
        nowhere = str(Reference(ANN, image_job().job_id, attempt_of(job).nonce))

        assert call(nowhere, prediction(), signed(prediction()))[0] == 404

    def test_another_accounts_job_is_not_found(self, job: Job) -> None:
        theirs = reference_of(job).replace("web/ann", "web/bob")

        assert call(theirs, prediction(), signed(prediction()))[0] == 404

    def test_a_wrong_nonce_is_refused(self, job: Job) -> None:
        guessed = str(Reference(job.account, job.job_id, new_nonce()))

        assert call(guessed, prediction(), signed(prediction()))[0] == 401
        assert stored(job) == job

    def test_a_job_that_was_never_requested_refuses_any_nonce(self) -> None:
        put_secret(SECRET)
        job = held_job()

        assert (
            call(
                str(Reference(job.account, job.job_id, new_nonce())),
                prediction(),
                signed(prediction()),
            )[0]
            == 401
        )

    def test_the_signature_is_checked_before_anything_is_told(self, job: Job) -> None:
        assert call("web/ann/x/y", prediction(), {})[0] == 401
        assert call(reference_of(job), b"no json", {})[0] == 401


class TestWhatItSays:
    def test_a_start_makes_the_job_processing(self, job: Job) -> None:
        assert tell(job, "processing") == (200, {"noted": "started"})

        now = stored(job)
        assert (now.status, attempt_of(now).prediction_id, attempt_of(now).finished_at) == (
            JobStatus.PROCESSING,
            "prediction1",
            None,
        )
        assert now.started_at

    @pytest.mark.parametrize("status", ["succeeded", "failed", "canceled", "aborted"])
    def test_an_end_is_recorded_and_resumes_the_workflow_once(
        self, job: Job, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resumed: list[tuple[str, str]] = []
        states = aws_adapter.client("stepfunctions")
        monkeypatch.setattr(
            states,
            "send_task_success",
            lambda *, taskToken, output: resumed.append((taskToken, output)),  # noqa: N803 (AWS's own name)
        )

        assert tell(job, status) == (200, {"noted": "finished"})

        now = stored(job)
        assert (now.status, attempt_of(now).prediction_id) == (JobStatus.PROCESSING, "prediction1")
        assert attempt_of(now).finished_at
        assert resumed == [("token-of-the-entry", "{}")]

    def test_a_repeated_end_changes_nothing(self, job: Job) -> None:
        tell(job)
        before = stored(job)

        assert tell(job)[0] == 200
        assert stored(job) == before

    def test_a_start_after_the_end_changes_nothing(self, job: Job) -> None:
        tell(job)
        before = stored(job)

        assert tell(job, "processing")[0] == 200
        assert stored(job) == before

    @pytest.mark.parametrize("status", ["processing", "succeeded", "failed"])
    def test_a_final_job_changes_no_more(self, job: Job, status: str) -> None:
        tell(job, "starting")
        ended = ledger.resolve(job.account, job.job_id, now=datetime.now(UTC))

        assert tell(job, status) == (200, {"noted": "late"})
        assert stored(job) == ended

    def test_a_job_that_ended_without_its_prediction_takes_it_for_an_orphan(self, job: Job) -> None:
        ended = ledger.resolve(job.account, job.job_id, now=datetime.now(UTC))

        assert tell(job, "processing") == (200, {"noted": "stray"})
        assert stored(job) == ended

    def test_an_end_without_anybody_asleep_is_no_error(self, job: Job) -> None:
        # No execution of this job exists here, so its token is nobody's.
        assert tell(job) == (200, {"noted": "late"})

    def test_outputs_in_the_body_are_believed_by_nobody(self, job: Job) -> None:
        body = prediction(output=["https://replicate.delivery/evil.png"], error="E005")

        assert call(reference_of(job), body, signed(body))[0] == 200
        assert (stored(job).outputs, stored(job).failure) == ((), None)

    @pytest.mark.parametrize("status", ["starting", "succeeded"])
    def test_a_webhook_of_another_job_or_attempt_is_not_used_for_this_one(
        self, job: Job, status: str
    ) -> None:
        another = (
            Reference(ANN, image_job().job_id, attempt_of(job).nonce),
            Reference(job.account, job.job_id, "0" * 32),
        )
        for meant_for in another:
            body = prediction(
                status,
                webhook=f"https://darkroom.test/webhooks/replicate?job={quote(str(meant_for), safe='')}",
            )

            assert call(reference_of(job), body, signed(body)) == (200, {"noted": "stray"})
            assert stored(job) == job

    @pytest.mark.parametrize("safe", ["", "/"])
    def test_what_was_meant_for_this_attempt_is_its_own(self, job: Job, safe: str) -> None:
        body = prediction(
            "starting",
            webhook=f"https://darkroom.test/webhooks/replicate?job={quote(reference_of(job), safe=safe)}",
        )

        assert call(reference_of(job), body, signed(body)) == (200, {"noted": "started"})
        assert attempt_of(stored(job)).prediction_id == "prediction1"

    @pytest.mark.parametrize(
        ("whose", "status"),
        [("nobody's", "canceled"), ("the job's own", "canceled"), ("another job's", "processing")],
    )
    def test_an_orphan_is_stopped_unless_it_is_another_jobs_own(
        self, simulated_replicate: SimulatedReplicate, whose: str, status: str
    ) -> None:
        put_secret(SECRET)
        job, now = held_job(), datetime.now(UTC)
        attempt = jobs.begin_attempt(job, "entry", lease_until=now + LATER, now=now)
        assert attempt
        assert jobs.record_prediction(job, attempt, "prediction1", now=now)
        before = stored(job)
        webhooks = {
            "nobody's": None,
            "the job's own": reference_of(before),
            "another job's": str(Reference(ANN, image_job().job_id, attempt.nonce)),
        }
        requests.put(
            f"{simulated_replicate.base_url}/faults",
            json={"run_seconds": 60, "queue_seconds": 0},
            timeout=5,
        ).raise_for_status()
        created = ask_replicate(simulated_replicate, webhooks[whose])

        answered = tell(before, "processing", created["id"])

        assert answered == (200, {"noted": "stray"})
        assert stored(job) == before
        assert until(lambda: seen_at(simulated_replicate, created["id"]) == status)

    def test_an_orphan_that_cannot_be_stopped_is_answered_all_the_same(self, job: Job) -> None:
        tell(job)
        before = stored(job)

        # Nobody listens at the provider's address here.
        assert tell(job, "succeeded", "prediction2") == (200, {"noted": "stray"})
        assert stored(job) == before

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"no json", b"[]", b"null", b"7", b"{}", b'{"id": "p"}', b'{"status": "succeeded"}', b'{"id": 7, "status": "succeeded"}',
            b'{"id": "", "status": "succeeded"}', b'{"id": "p", "status": null}', b'{"id": ["p"], "status": "succeeded"}', b"[" * 100_000,
            b'{"id": ' + b"9" * 5_000 + b', "status": "x"}', b'{"id": "\\ud800", "status": "succeeded"}',
            b'{"id": "' + b"p" * 500_000 + b'", "status": "processing"}',
        ],
        ids=lambda body: repr(body[:30]),
    )  # fmt: skip
    def test_a_signed_body_that_is_no_prediction_changes_nothing(
        self, job: Job, body: bytes
    ) -> None:
        assert call(reference_of(job), body, signed(body))[0] == 422
        assert stored(job) == job

    def test_a_body_that_is_not_utf_8_is_refused(self, job: Job) -> None:
        assert call(reference_of(job), b'{"id": "\xff"}', signed(b'{"id": "\xff"}'))[0] == 401

    def test_a_body_as_text_is_taken_too(self, job: Job) -> None:
        body = prediction("processing", logs="灯塔 🏮")
        event = http_event(
            "POST", "/webhooks/replicate", body=body.decode(), user=None, headers=signed(body)
        )
        event["queryStringParameters"] = {"job": reference_of(job)}

        assert handler_of("receive_prediction")(event, CONTEXT)["statusCode"] == 200

    def test_the_largest_body_is_taken_and_one_byte_more_is_not(self, job: Job) -> None:
        empty = prediction("processing", logs="")
        largest = prediction("processing", logs="x" * (5_000_000 - len(empty)))

        assert call(reference_of(job), largest + b" ", signed(largest + b" "))[0] == 413
        assert stored(job) == job
        assert call(reference_of(job), largest, signed(largest))[0] == 200

    @pytest.mark.parametrize(
        "content_type",
        ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"],
    )
    def test_the_content_type_does_not_matter(self, job: Job, content_type: str) -> None:
        body = prediction("processing")

        assert (
            call(reference_of(job), body, signed(body) | {"content-type": content_type})[0] == 200
        )

    def test_an_event_that_could_not_be_recorded_is_sent_again(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "record_prediction", lambda *_, **__: 1 / 0)

        # Replicate comes again after any 5xx.
        assert tell(job)[0] == 500
