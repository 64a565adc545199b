"""The step StoreOutput: which links are downloaded, and which downloads are retried."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from darkroom.domain.errors import GenerationFailed, OutputUnavailable
from darkroom.domain.failures import FailureCode
from darkroom.media.outputs.download import fetch_output
from tests.builders import stored
from tests.integration.servers import Received, Reply, answering, server
from tests.integration.steps import at, with_setting
from tests.integration.store_output.delivery import (
    ReplicateWithFiles,
    image,
    processing_job,
    recorded_failure,
    store,
)

pytestmark = pytest.mark.usefixtures("aws")


def test_slow_download_is_retried(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    with replicate.returning(["/a"], {"/a": Reply(200, image())}):
        with_setting(monkeypatch, "OUTPUT_SECONDS_MAX", 0)
        with pytest.raises(OutputUnavailable):
            store(processing_job())


def test_unavailable_output_fails_the_job_after_two_minutes(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, first_try = processing_job(), datetime.now(UTC)
    with replicate.returning(["/a"], {"/a": Reply(503)}):
        for seconds in (0, 119):
            at(monkeypatch, first_try + timedelta(seconds=seconds))
            with pytest.raises(OutputUnavailable):
                store(job)
        at(monkeypatch, first_try + timedelta(seconds=120))

        assert recorded_failure(job) is FailureCode.OUTPUT_UNAVAILABLE


def test_download_does_not_send_the_provider_token(replicate: ReplicateWithFiles) -> None:
    with replicate.returning("/a", {"/a": Reply(200, image())}):
        store(processing_job())

    assert [
        request.headers.keys() & {"authorization", "cookie"} for request in replicate.downloads
    ] == [set()]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(410),
        Reply(204),
        Reply(206, image()),
        Reply(302, headers={"Location": "/b"}),
        Reply(308),
    ],
)
def test_download_that_cannot_succeed_is_not_retried(
    replicate: ReplicateWithFiles, reply: Reply
) -> None:
    with replicate.returning("/a", {"/a": reply, "/b": Reply(200, image())}):
        assert recorded_failure(processing_job()) is FailureCode.OUTPUT_UNAVAILABLE

    assert [request.path for request in replicate.downloads] == ["/a"]


def test_redirect_to_another_host_names_the_host(
    replicate: ReplicateWithFiles, caplog: pytest.LogCaptureFixture
) -> None:
    moved = Reply(302, headers={"Location": "https://files.moved.example/a.png?token=abc"})
    with replicate.returning("/a", {"/a": moved}):
        assert recorded_failure(processing_job()) is FailureCode.OUTPUT_HOST_REFUSED

    (line,) = [vars(each) for each in caplog.records if each.msg == "output host refused"]
    assert (line["host"], line["cause"]) == ("files.moved.example", "a redirect")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500),
        Reply(503),
        Reply(429),
        Reply(401),
        Reply(403),
        Reply(404),
        Reply(302, headers={"Location": "https://[no-host"}),
        Reply(200, b""),
        Reply(200, b"half", content_length=99),
        Reply(200, b"<!DOCTYPE html><p>One moment"),
    ],
)
def test_temporary_failure_is_retried(replicate: ReplicateWithFiles, reply: Reply) -> None:
    files = {"/a": reply}
    with replicate.returning("/a", files):
        job = processing_job()
        with pytest.raises(OutputUnavailable):
            store(job)
        assert stored(job).failure is None
        files["/a"] = Reply(200, image())
        assert len(store(job).outputs) == 1


def test_does_not_connect_to_another_host(replicate: ReplicateWithFiles) -> None:
    links = (
        "https://evil.example/a.png",
        "http://127.0.0.1:9/a.png",
        "https://127.0.0.1/a.png",
        "http://localhost/a.png",
        "https://169.254.169.254/latest/meta-data/",
        "https://replicate.delivery.evil.example/a.png",
    )
    codes = {}

    for link in links:
        with replicate.returning(link):
            codes[link] = recorded_failure(processing_job())

    assert codes == dict.fromkeys(links, FailureCode.OUTPUT_HOST_REFUSED)
    assert replicate.downloads == []


def test_the_download_itself_refuses_another_host() -> None:
    with pytest.raises(GenerationFailed) as refused:
        fetch_output("https://evil.example/a.png", lambda _: {})

    assert refused.value.failure.code is FailureCode.OUTPUT_HOST_REFUSED


def test_does_not_connect_to_a_private_address(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[Received] = []
    with server(answering(Reply(200, image()), received=received)) as private:
        host = f"localhost:{private.rpartition(':')[2]}"
        with replicate.returning(f"https://{host}/a"):
            with_setting(monkeypatch, "DELIVERY_HOSTS", host)

            assert recorded_failure(processing_job()) is FailureCode.OUTPUT_HOST_REFUSED

    assert received == []


def test_accepts_the_largest_output_and_rejects_one_more_byte(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = image()
    with replicate.returning("/a", {"/a": Reply(200, body)}):
        with_setting(monkeypatch, "OUTPUT_BYTES_MAX", len(body) - 1)
        assert recorded_failure(processing_job()) is FailureCode.OUTPUT_REJECTED
        with_setting(monkeypatch, "OUTPUT_BYTES_MAX", len(body))
        assert len(store(processing_job()).outputs) == 1
