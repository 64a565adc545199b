"""The step StoreOutput: which outputs are stored, with which metadata and content type."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from darkroom.domain.errors import OutputUnavailable
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage import jobs, ledger
from tests.aws import client
from tests.builders import ANN, NOON, stored
from tests.integration.servers import Reply
from tests.integration.steps import BUCKET
from tests.integration.store_output.delivery import (
    ReplicateWithFiles,
    image,
    objects,
    processing_job,
    store,
)
from tests.integration.videos import video

pytestmark = pytest.mark.usefixtures("aws")


def test_object_metadata_names_the_job_and_the_template_and_not_the_prompt(
    replicate: ReplicateWithFiles,
) -> None:
    job = processing_job(prompt="a lighthouse at dawn")
    with replicate.returning(["/a"], {"/a": Reply(200, image())}):
        (output,) = store(job).outputs

    head = client("s3").head_object(Bucket=BUCKET, Key=output.key)
    assert head["Metadata"] == {
        "job-id": job.job_id,
        "template": f"flux-schnell@{job.template.version}",
    }
    assert "lighthouse" not in repr(head)


def test_browsers_ask_for_changes_before_they_use_a_kept_object(
    replicate: ReplicateWithFiles,
) -> None:
    job = processing_job()
    with replicate.returning(["/a"], {"/a": Reply(200, image())}):
        (output,) = store(job).outputs

    for key in (output.key, output.thumbnail_key):
        head = client("s3").head_object(Bucket=BUCKET, Key=key)
        assert head["CacheControl"] == "private, no-cache"


@pytest.mark.parametrize(
    "output",
    [
        ["/a", "/b"],
        {"images": ["/a", "/b"]},
        [{"url": "/a"}, {"url": "/b", "seed": 7}],
        [["/a"], None, "no link", ["/b"]],
    ],
)
def test_stores_each_output_with_a_thumbnail(replicate: ReplicateWithFiles, output: object) -> None:
    files = {
        "/a": Reply(200, image("WEBP", (64, 32))),
        "/b": Reply(200, image("PNG", (10, 20))),
    }
    with replicate.returning(output, files):
        job = store(processing_job(num_outputs=2))

    prefix = f"media/web/ann/{job.job_id}/"
    in_bucket = objects()
    first, second = job.outputs
    variants = ("0.64.webp", "0.thumbnail.jpg", "1.20.webp", "1.thumbnail.jpg")
    assert in_bucket.keys() == {first.key, second.key, *(prefix + name for name in variants)}
    assert in_bucket[first.key]["Body"].read() == files["/a"].body
    assert in_bucket[first.key]["ContentType"] == "image/webp"
    assert [
        (output.number, output.content_type, output.bytes, output.width, output.height)
        for output in job.outputs
    ] == [
        (0, "image/webp", len(files["/a"].body), 64, 32),
        (1, "image/png", len(files["/b"].body), 10, 20),
    ]
    assert re.fullmatch(f"{prefix}0-[0-9a-f]{{8}}\\.webp", first.key)
    assert re.fullmatch(f"{prefix}1-[0-9a-f]{{8}}\\.png", second.key)
    assert [output.thumbnail_key for output in job.outputs] == [
        prefix + "0.thumbnail.jpg",
        prefix + "1.thumbnail.jpg",
    ]
    assert job.storing_at
    assert job.status is JobStatus.PROCESSING


def test_single_link_is_one_output(replicate: ReplicateWithFiles) -> None:
    with replicate.returning("/a", {"/a": Reply(200, image())}):
        job = store(processing_job())

    assert len(job.outputs) == 1


def test_detects_the_content_type_from_the_bytes(replicate: ReplicateWithFiles) -> None:
    with replicate.returning(
        "/a.png", {"/a.png": Reply(200, image("JPEG"), {"Content-Type": "text/html"})}
    ):
        job = store(processing_job())

    assert (job.outputs[0].content_type, job.outputs[0].key[-4:]) == ("image/jpeg", ".jpg")


def test_fewer_outputs_are_a_partial_delivery(replicate: ReplicateWithFiles) -> None:
    with replicate.returning(["/a"], {"/a": Reply(200, image())}):
        job = store(processing_job(num_outputs=3))

    ended = ledger.resolve(ANN, job.job_id, now=NOON)
    assert (ended.status, ended.charged, ended.refunded) == (JobStatus.COMPLETED, 10, 20)


def test_ignores_outputs_beyond_the_requested_count(replicate: ReplicateWithFiles) -> None:
    files = {"/a": Reply(200, image()), "/b": Reply(200, image())}
    with replicate.returning(["/a", "/b"], files):
        job = store(processing_job())

    assert (len(job.outputs), len(replicate.downloads)) == (1, 1)


def test_invalid_output_does_not_affect_the_others(replicate: ReplicateWithFiles) -> None:
    files = {"/a": Reply(200, b"nothing"), "/b": Reply(200, image()), "/dead": Reply(410)}
    with replicate.returning(["/a", "/b", "/dead"], files):
        job = store(processing_job(num_outputs=3))

    assert [output.number for output in job.outputs] == [1]
    assert job.failure is None


def test_retry_downloads_only_missing_outputs(replicate: ReplicateWithFiles) -> None:
    files = {"/a": Reply(200, image()), "/b": Reply(503), "/c": Reply(200, image())}
    with replicate.returning(["/a", "/b", "/c"], files):
        job = processing_job(num_outputs=3)
        with pytest.raises(OutputUnavailable):
            store(job)
        assert [output.number for output in stored(job).outputs] == [0, 2]
        files["/b"] = Reply(200, image())
        store(job)

    assert [request.path for request in replicate.downloads] == ["/a", "/b", "/c", "/b"]
    assert sorted(output.number for output in stored(job).outputs) == [0, 1, 2]


def test_concurrent_invocation_does_not_count_outputs_twice(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"/a": Reply(200, image()), "/b": Reply(200, image())}
    with replicate.returning(["/a", "/b"], files):
        job = processing_job(num_outputs=3)
        record_storing = jobs.record_storing

        def run_another_invocation(known: Job, *, now: datetime) -> bool:
            monkeypatch.setattr(jobs, "record_storing", record_storing)
            recorded = record_storing(known, now=now)
            store(job)
            return recorded

        monkeypatch.setattr(jobs, "record_storing", run_another_invocation)
        store(job)

    assert [output.number for output in stored(job).outputs] == [0, 1]
    ended = ledger.resolve(ANN, job.job_id, now=NOON)
    assert (ended.charged, ended.refunded) == (20, 10)


def test_stores_a_video_with_its_length_and_a_thumbnail(replicate: ReplicateWithFiles) -> None:
    body = video((128, 72))
    with replicate.returning("/a.mp4", {"/a.mp4": Reply(200, body)}):
        job = store(processing_job())

    (output,) = job.outputs
    prefix = f"media/web/ann/{job.job_id}/"
    assert output.key.endswith(".mp4")
    assert output.content_type == "video/mp4"
    assert output.bytes == len(body)
    assert (output.width, output.height, output.seconds) == (128, 72, 2.0)
    assert objects()[output.key]["Body"].read() == body
    assert output.thumbnail_key == f"{prefix}0.thumbnail.jpg"
    assert output.placeholder
