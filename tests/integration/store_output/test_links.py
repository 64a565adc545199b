"""The step StoreOutput: which links of an output are delivered, and which get the token."""

from __future__ import annotations

import pytest

from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import JobStatus
from darkroom.providers import replicate as replicate_module
from darkroom.storage import ledger
from tests.builders import ANN, NOON
from tests.integration.servers import Received, Reply, answering, server
from tests.integration.steps import with_setting
from tests.integration.store_output.delivery import (
    ReplicateWithFiles,
    image,
    processing_job,
    recorded_failure,
    store,
)

pytestmark = pytest.mark.usefixtures("aws")

PAGE = "https://replicate.com/p/p1"
INPUT = "https://bucket.s3.amazonaws.com/input.png?X-Amz-Signature=abc"
FILES = {path: Reply(200, image(size=(8 + at, 8))) for at, path in enumerate(("/a", "/b", "/c"))}


@pytest.mark.parametrize(
    ("output", "outputs_count", "paths"),
    [
        ({"page": PAGE, "image": "/a"}, 1, ["/a"]),
        ({"page": PAGE, "images": ["/a", "/b", "/c"], "seed": 7}, 3, ["/a", "/b", "/c"]),
        ({"input_image": INPUT, "output": "/b"}, 1, ["/b"]),
        (["/a", "/a", "/a"], 3, ["/a"]),
        (["/a", "/a", "/b", "/b", "/c"], 2, ["/a", "/b"]),
        ([INPUT, "/c", PAGE, "/c", "/b"], 2, ["/c", "/b"]),
    ],
)
def test_only_different_links_to_delivery_hosts_are_outputs(
    replicate: ReplicateWithFiles, output: object, outputs_count: int, paths: list[str]
) -> None:
    with replicate.returning(output, FILES):
        job = store(processing_job(num_outputs=outputs_count))

    assert [request.path for request in replicate.downloads] == paths
    assert len(job.outputs) == len(paths)


def test_a_repeated_link_is_charged_once(replicate: ReplicateWithFiles) -> None:
    with replicate.returning(["/a", "/a", "/a", "/a"], FILES):
        job = store(processing_job(num_outputs=4))

    ended = ledger.resolve(ANN, job.job_id, now=NOON)
    assert (ended.status, ended.charged, ended.refunded) == (JobStatus.COMPLETED, 10, 30)


def test_links_to_other_hosts_only_name_these_hosts(
    replicate: ReplicateWithFiles, caplog: pytest.LogCaptureFixture
) -> None:
    moved = "https://files.moved.example/a.png?token=abc"
    with replicate.returning([moved, PAGE, moved, "https://user:key@x.example/a"]):
        assert recorded_failure(processing_job()) is FailureCode.OUTPUT_HOST_REFUSED

    (line,) = [vars(each) for each in caplog.records if each.msg == "links ignored"]
    assert line["hosts"] == ["files.moved.example", "replicate.com", "x.example"]
    assert replicate.downloads == []


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(replicate_module, "secret_values", lambda *_, **__: ("r8_test",))
    return "Bearer r8_test"


@pytest.mark.parametrize("status", [401, 403])
def test_replicates_own_host_gets_the_token_when_it_asks(
    replicate: ReplicateWithFiles, token: str, status: int
) -> None:
    with replicate.returning("/a", {"/a": Reply(status)}, files_with_token=FILES):
        job = store(processing_job())

    assert len(job.outputs) == 1
    assert [request.headers.get("authorization") for request in replicate.downloads] == [
        None,
        token,
    ]


def test_another_host_never_gets_the_token(
    replicate: ReplicateWithFiles, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[Received] = []
    with (
        server(answering(Reply(403), received=received)) as other,
        replicate.returning(f"{other}/a"),
    ):
        with_setting(monkeypatch, "DELIVERY_HOSTS", other.removeprefix("http://"))
        job = processing_job()
        with pytest.raises(Exception, match="403"):
            store(job)

    assert [request.headers.get("authorization") for request in received] == [None]


@pytest.mark.parametrize(
    ("url", "has_token"),
    [
        ("https://replicate.delivery/a.png", True),
        ("https://pbxt.replicate.delivery/a.png", True),
        ("https://api.replicate.com/v1/files/a/download", True),
        ("https://REPLICATE.delivery/a.png", True),
        ("http://replicate.delivery/a.png", False),
        ("https://replicate.delivery.example/a.png", False),
        ("https://notreplicate.delivery/a.png", False),
        ("https://example.com/replicate.delivery/a.png", False),
        ("https://example.com\\.replicate.delivery/a.png", False),
        ("https:///a.png", False),
    ],
)
def test_the_token_is_for_hosts_of_replicate_only(url: str, token: str, *, has_token: bool) -> None:
    assert replicate_module.output_headers(url) == ({"Authorization": token} if has_token else {})
