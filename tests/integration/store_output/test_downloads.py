"""The step StoreOutput: which links are fetched, and which fetches are tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from darkroom.domain.errors import OutputUnavailable
from darkroom.domain.failures import FailureCode
from darkroom.storage import jobs, ledger
from tests.builders import NOON, image_job, stored
from tests.integration.servers import Received, Reply, answering, server
from tests.integration.steps import at, with_setting
from tests.integration.store_output.delivery import StoreOutput, image

pytestmark = pytest.mark.usefixtures("aws")


class TestStoreOutput(StoreOutput):
    def test_slow_download_is_retried(self) -> None:
        with self.returning(["/a"], {"/a": Reply(200, image())}):
            with_setting(self.monkeypatch, "OUTPUT_SECONDS_MAX", 0)
            with pytest.raises(OutputUnavailable):
                self.store(self.processing())

    def test_unavailable_output_fails_the_job_after_two_minutes(self) -> None:
        job, began = self.processing(), datetime.now(UTC)
        with self.returning(["/a"], {"/a": Reply(503)}):
            for seconds in (0, 119):
                at(self.monkeypatch, began + timedelta(seconds=seconds))
                with pytest.raises(OutputUnavailable):
                    self.store(job)
            at(self.monkeypatch, began + timedelta(seconds=120))

            assert self.refused(job) is FailureCode.OUTPUT_UNAVAILABLE

    def test_download_does_not_send_the_provider_token(self) -> None:
        with self.returning("/a", {"/a": Reply(200, image())}):
            self.store(self.processing())

        assert [
            request.headers.keys() & {"authorization", "cookie"} for request in self.fetched
        ] == [set()]

    @pytest.mark.parametrize("status", [403, 404, 410])
    def test_dead_link_is_not_retried(self, status: int) -> None:
        with self.returning("/a", {"/a": Reply(status)}):
            assert self.refused(self.processing()) is FailureCode.OUTPUT_UNAVAILABLE

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(500),
            Reply(503),
            Reply(429),
            Reply(302, headers={"Location": "/b"}),
            Reply(200, b"half", content_length=99),
        ],
    )
    def test_temporary_failure_is_retried(self, reply: Reply) -> None:
        with self.returning("/a", {"/a": reply, "/b": Reply(200, image())}):
            job = self.processing()
            with pytest.raises(OutputUnavailable):
                self.store(job)

        assert (stored(job).failure, len(self.fetched)) == (None, 1)

    @pytest.mark.parametrize(
        "link",
        [
            "https://evil.example/a.png", "http://127.0.0.1:9/a.png", "https://127.0.0.1/a.png", "http://localhost/a.png",
            "https://169.254.169.254/latest/meta-data/", "https://replicate.delivery.evil.example/a.png",
        ],
    )  # fmt: skip
    def test_does_not_connect_to_another_host(self, link: str) -> None:
        with self.returning(link):
            assert self.refused(self.processing()) is FailureCode.OUTPUT_REJECTED

        assert self.fetched == []

    def test_does_not_connect_to_a_private_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        received: list[Received] = []
        with server(answering(Reply(200, image()), received=received)) as private:
            host = f"localhost:{private.rpartition(':')[2]}"
            with self.returning(f"https://{host}/a"):
                with_setting(monkeypatch, "DELIVERY_HOSTS", host)

                assert self.refused(self.processing()) is FailureCode.OUTPUT_REJECTED

        assert received == []

    def test_accepts_the_largest_output_and_rejects_one_more_byte(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = image()
        with self.returning("/a", {"/a": Reply(200, body)}):
            with_setting(monkeypatch, "OUTPUT_BYTES_MAX", len(body) - 1)
            assert self.refused(self.processing()) is FailureCode.OUTPUT_REJECTED
            with_setting(monkeypatch, "OUTPUT_BYTES_MAX", len(body))
            job = image_job()
            ledger.hold(job, key=None, now=NOON)
            attempt = jobs.begin_attempt(job, "entry", lease_until=NOON, now=NOON)
            assert attempt
            jobs.record_prediction(job, attempt, "p1", now=NOON)

            assert len(self.store(job).outputs) == 1
