"""GET /jobs/{job_id} returns the job, its links, and headers for polling and caching."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from darkroom import clock
from darkroom.domain.failures import FailureCode, failure
from darkroom.storage import jobs, ledger
from tests.aws import client
from tests.builders import ANN, NOON, call_api, held_job
from tests.integration.api.calls import (
    finished_job,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestReadJob:
    def test_an_open_job_has_a_retry_time_that_grows_with_its_age(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        _, _, young = call_api("GET", f"/jobs/{job.job_id}")
        monkeypatch.setattr(clock, "now", lambda: job.created_at + timedelta(seconds=31))
        _, _, old = call_api("GET", f"/jobs/{job.job_id}")

        assert (young["Retry-After"], old["Retry-After"]) == ("1", "5")
        assert young["Cache-Control"] == old["Cache-Control"] == "private, no-cache"

    def test_a_final_job_has_no_retry_time(self) -> None:
        assert "Retry-After" not in call_api("GET", f"/jobs/{finished_job().job_id}")[2]

    def test_an_unchanged_job_returns_304_for_its_etag(self) -> None:
        job = held_job()
        path = f"/jobs/{job.job_id}"
        etag = call_api("GET", path)[2]["ETag"]

        for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
            status, document, headers = call_api("GET", path, headers={"if-none-match": known})
            assert (status, document, headers["ETag"]) == (304, None, etag)
        assert call_api("GET", path, headers={"if-none-match": '"other"'})[0] == 200

    def test_the_announcement_of_a_job_does_not_change_its_etag(self) -> None:
        job = ledger.resolve(ANN, held_job().job_id, now=datetime.now(UTC))
        path = f"/jobs/{job.job_id}"
        etag = call_api("GET", path)[2]["ETag"]

        assert jobs.leave_open_jobs(job)

        assert call_api("GET", path, headers={"if-none-match": etag})[0] == 304

    def test_a_change_of_the_job_changes_its_etag(self) -> None:
        job = held_job()
        path = f"/jobs/{job.job_id}"
        etag = call_api("GET", path)[2]["ETag"]

        jobs.store_task_token(job, "token", "entry", next_check_at=datetime.now(UTC))

        assert call_api("GET", path, headers={"if-none-match": etag})[0] == 200

    def test_links_and_etag_stay_the_same_until_half_of_the_life_of_a_link(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = f"/jobs/{finished_job().job_id}"

        def read(now: datetime, known: str | None = None) -> tuple[int, Any, str]:
            monkeypatch.setattr(clock, "now", lambda: now)
            headers = {"if-none-match": known} if known else {}
            status, document, received = call_api("GET", path, headers=headers)
            return status, document, received["ETag"]

        _, first, etag = read(NOON)
        _, last, _ = read(NOON + timedelta(minutes=30, microseconds=-1))
        unchanged, _, _ = read(NOON + timedelta(minutes=30, microseconds=-1), etag)
        changed, later, _ = read(NOON + timedelta(minutes=30), etag)

        assert (first, unchanged) == (last, 304)
        assert (first["links_expire_at"], changed) == ("2026-01-02T13:30:00.000Z", 200)
        assert later["links_expire_at"] == "2026-01-02T14:00:00.000Z"
        assert all(
            first["outputs"][0][name] != later["outputs"][0][name]
            for name in ("url", "download_url")
        )

    def test_the_etag_of_a_job_of_another_account_returns_404(self) -> None:
        job = held_job()
        etag = call_api("GET", f"/jobs/{job.job_id}")[2]["ETag"]

        assert (
            call_api("GET", f"/jobs/{job.job_id}", user="bob", headers={"if-none-match": etag})[0]
            == 404
        )

    def test_a_completed_job_has_signed_links_to_the_stored_outputs(self) -> None:
        job = finished_job(outputs_count=2)
        for output in job.outputs:
            client("s3").put_object(Bucket="darkroom-test-media", Key=output.key, Body=b"image")

        _, document, _ = call_api("GET", f"/jobs/{job.job_id}")

        assert document["status"] == "completed"
        assert document["credits"] == {"quoted": 20, "held": 0, "charged": 20, "refunded": 0}
        assert [output.keys() for output in document["outputs"]] == [
            {
                "url",
                "download_url",
                "thumbnail_url",
                "placeholder",
                "previews",
                "content_type",
                "bytes",
                "width",
                "height",
                "seconds",
                "frames",
                "provenance",
            }
        ] * 2
        assert all(
            "darkroom-test-media" in output["url"] and "Signature" in output["url"]
            for output in document["outputs"]
        )
        expires_in = datetime.fromisoformat(document["links_expire_at"]) - datetime.now(UTC)
        assert timedelta(minutes=59) < expires_in <= timedelta(minutes=90)

    def test_a_failed_job_has_an_error_and_its_credits_are_refunded(self) -> None:
        _, document, _ = call_api("GET", f"/jobs/{finished_job(outputs_count=0).job_id}")

        assert document["status"] == "failed"
        assert document["error"] == {
            "code": "refused",
            "message": failure(FailureCode.REFUSED).message,
            "retryable": False,
        }
        assert document["credits"] == {"quoted": 10, "held": 0, "charged": 0, "refunded": 10}
        assert (document["outputs"], document["links_expire_at"]) == ([], None)
        assert document["finished_at"].endswith("Z")
