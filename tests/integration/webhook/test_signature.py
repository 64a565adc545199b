"""Replicate's webhook: who may call."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta

import pytest

from darkroom.aws import clients as aws_adapter
from darkroom.aws import secrets
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage import jobs
from tests.aws import client, forget_settings
from tests.builders import held_job, stored
from tests.integration.broken_aws import failing_calls
from tests.integration.webhook.wire import (
    LATER,
    OTHER_SECRET,
    call,
    prediction,
    put_secret,
    reference_of,
    signed,
    tell,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestSignature:
    def refused(self, job: Job, headers: dict[str, str], *, status: int = 401) -> None:
        answered, problem = call(reference_of(job), prediction(), headers)

        assert answered == status, problem
        assert problem["status"] == status
        assert stored(job) == job

    def test_accepts_a_valid_signature(self, job: Job) -> None:
        assert tell(job)[0] == 200
        assert stored(job).status is JobStatus.PROCESSING

    def test_refuses_an_unsigned_webhook(self, job: Job) -> None:
        self.refused(job, {})

    @pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_refuses_a_webhook_without_one_of_the_headers(self, job: Job, missing: str) -> None:
        self.refused(
            job, {name: value for name, value in signed(prediction()).items() if name != missing}
        )

    @pytest.mark.parametrize("minutes", [10, 5.1, -5.1, -10])
    def test_refuses_a_timestamp_outside_five_minutes(self, job: Job, minutes: float) -> None:
        self.refused(job, signed(prediction(), at=datetime.now(UTC) - timedelta(minutes=minutes)))

    @pytest.mark.parametrize("minutes", [4.9, -4.9])
    def test_accepts_a_timestamp_within_five_minutes(self, job: Job, minutes: float) -> None:
        assert tell(job, at=datetime.now(UTC) - timedelta(minutes=minutes))[0] == 200

    def test_refuses_a_webhook_older_than_the_setting(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WEBHOOK_AGE_SECONDS_MAX", "60")
        forget_settings()

        self.refused(job, signed(prediction(), at=datetime.now(UTC) - timedelta(minutes=2)))

    def test_refuses_a_changed_body(self, job: Job) -> None:
        self.refused(job, signed(prediction("failed")))

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
    def test_refuses_a_changed_signed_header(self, job: Job, name: str) -> None:
        headers = signed(prediction())
        self.refused(job, headers | {name: str(int(headers["webhook-timestamp"]) + 1)})

    def test_refuses_a_signature_with_another_secret(self, job: Job) -> None:
        self.refused(job, signed(prediction(), secret=OTHER_SECRET))

    def test_accepts_one_valid_signature_among_several(self, job: Job) -> None:
        body = prediction()
        headers = signed(body)
        headers["webhook-signature"] = f"v1,AAAA v1a,{'B' * 44} {headers['webhook-signature']}"

        assert call(reference_of(job), body, headers)[0] == 200

    def test_is_unavailable_without_a_secret(self, job: Job) -> None:
        client("secretsmanager").delete_secret(
            SecretId=os.environ["REPLICATE_WEBHOOK_SECRET"], ForceDeleteWithoutRecovery=True
        )
        secrets._cache.clear()

        self.refused(job, signed(prediction()), status=503)

    def test_is_unavailable_with_an_empty_secret(self) -> None:
        job = held_job()
        now = datetime.now(UTC)
        jobs.begin_attempt(job, "entry", lease_until=now + LATER, now=now)

        assert call(reference_of(stored(job)), prediction(), signed(prediction()))[0] == 503

    @pytest.mark.parametrize("secret", ["whsec_", "whsec_?", "whsec_=", "é", " "])
    def test_refuses_webhooks_while_the_secret_is_malformed(self, job: Job, secret: str) -> None:
        put_secret(secret)
        put_secret(secret + " ")
        secrets._cache.clear()

        answered, _ = tell(job, secret=OTHER_SECRET)

        assert answered in (401, 503)
        assert stored(job) == job

    def test_accepts_only_the_current_and_the_previous_secret(self, job: Job) -> None:
        put_secret(OTHER_SECRET)
        secrets._cache.clear()
        assert tell(job, "starting")[0] == 200
        assert tell(job, "starting", secret=OTHER_SECRET)[0] == 200

        put_secret("whsec_" + base64.b64encode(b"a third secret with 24 by").decode())
        secrets._cache.clear()

        assert tell(job, "starting")[0] == 401
        assert tell(job, "starting", secret=OTHER_SECRET)[0] == 200

    def test_reads_the_secret_again_when_no_known_secret_matches(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("darkroom.providers.webhook_signature.REFETCH_SECONDS_MIN", 0.0)
        assert tell(job, "starting")[0] == 200

        put_secret(OTHER_SECRET)

        assert tell(job, "starting", secret=OTHER_SECRET)[0] == 200

    def test_forged_webhooks_do_not_read_the_secret_again(self, job: Job) -> None:
        assert tell(job, "starting")[0] == 200

        with failing_calls(aws_adapter.client("secretsmanager"), "GetSecretValue") as asked:
            for _ in range(5):
                self.refused(stored(job), {})

        assert asked == []
