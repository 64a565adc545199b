"""The step StoreOutput: which outputs are stored, and how."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import unquote

import pytest

from darkroom.domain.errors import OutputUnavailable
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage import jobs, ledger
from tests.aws import client
from tests.builders import ANN, NOON, stored
from tests.integration.servers import Reply
from tests.integration.steps import BUCKET
from tests.integration.store_output.delivery import StoreOutput, image
from tests.integration.videos import video

pytestmark = pytest.mark.usefixtures("aws")


class TestStoreOutput(StoreOutput):
    @pytest.mark.parametrize(
        "prompt",
        [
            "灯塔",
            "e\u0301 \u00e9 🧑🏽‍🚀",
            "a/b=c&d %41+\n",
            "x" * 1_800,
            "x" * 5_000,
            "🏮" * 150,
            "x" + "🏮" * 200,
            "xx" + "灯" * 250,
        ],
    )
    def test_object_metadata_names_job_template_and_prompt(self, prompt: str) -> None:
        job = self.processing(prompt=prompt)
        with self.returning(["/a"], {"/a": Reply(200, image())}):
            (output,) = self.store(job).outputs

        metadata = client("s3").head_object(Bucket=BUCKET, Key=output.key)["Metadata"]
        assert (metadata["job-id"], metadata["template"]) == (
            job.job_id,
            f"flux-schnell@{job.template.version}",
        )
        read = unquote(metadata["prompt"], errors="strict")
        assert prompt.startswith(read)
        assert read == prompt or len(metadata["prompt"]) > 1_800 - 12
        assert metadata["prompt"].isascii()
        assert sum(len(name) + len(value) for name, value in metadata.items()) <= 2_048

    @pytest.mark.parametrize(
        "output",
        [
            ["/a", "/b"],
            {"images": ["/a", "/b"]},
            [{"url": "/a"}, {"url": "/b", "seed": 7}],
            [["/a"], None, "no link", ["/b"]],
        ],
    )
    def test_stores_each_output_with_a_thumbnail(self, output: object) -> None:
        files = {
            "/a": Reply(200, image("WEBP", (64, 32))),
            "/b": Reply(200, image("PNG", (10, 20))),
        }
        with self.returning(output, files):
            job = self.store(self.processing(num_outputs=2))

        prefix = f"media/web/ann/{job.job_id}/"
        objects = self.objects()
        assert sorted(objects) == [
            prefix + name for name in ("0.thumbnail.jpg", "0.webp", "1.png", "1.thumbnail.jpg")
        ]
        assert objects[prefix + "0.webp"]["Body"].read() == files["/a"].body
        assert objects[prefix + "0.webp"]["ContentType"] == "image/webp"
        assert [
            (stored.number, stored.content_type, stored.bytes, stored.width, stored.height)
            for stored in job.outputs
        ] == [
            (0, "image/webp", len(files["/a"].body), 64, 32),
            (1, "image/png", len(files["/b"].body), 10, 20),
        ]
        assert [(stored.key, stored.thumbnail_key) for stored in job.outputs] == [
            (prefix + "0.webp", prefix + "0.thumbnail.jpg"),
            (prefix + "1.png", prefix + "1.thumbnail.jpg"),
        ]
        assert job.storing_at
        assert job.status is JobStatus.PROCESSING

    def test_single_link_is_one_output(self) -> None:
        with self.returning("/a", {"/a": Reply(200, image())}):
            job = self.store(self.processing())

        assert len(job.outputs) == 1

    def test_detects_the_content_type_from_the_bytes(self) -> None:
        with self.returning(
            "/a.png", {"/a.png": Reply(200, image("JPEG"), {"Content-Type": "text/html"})}
        ):
            job = self.store(self.processing())

        assert (job.outputs[0].content_type, job.outputs[0].key[-5:]) == ("image/jpeg", "0.jpg")

    def test_fewer_outputs_are_a_partial_delivery(self) -> None:
        with self.returning(["/a"], {"/a": Reply(200, image())}):
            job = self.store(self.processing(num_outputs=3))

        ended = ledger.resolve(ANN, job.job_id, now=NOON)
        assert (ended.status, ended.charged, ended.refunded) == (JobStatus.COMPLETED, 10, 20)

    def test_ignores_outputs_beyond_the_requested_count(self) -> None:
        with self.returning(["/a", "/a", "/a"], {"/a": Reply(200, image())}):
            job = self.store(self.processing())

        assert (len(job.outputs), len(self.fetched)) == (1, 1)

    def test_invalid_output_does_not_affect_the_others(self) -> None:
        files = {"/a": Reply(200, b"nothing"), "/b": Reply(200, image())}
        with self.returning(["/a", "/b", "/dead"], files):
            job = self.store(self.processing(num_outputs=3))

        assert [output.number for output in job.outputs] == [1]
        assert job.failure is None

    def test_retry_downloads_only_missing_outputs(self) -> None:
        files = {"/a": Reply(200, image()), "/b": Reply(503), "/c": Reply(200, image())}
        with self.returning(["/a", "/b", "/c"], files):
            job = self.processing(num_outputs=3)
            with pytest.raises(OutputUnavailable):
                self.store(job)
            assert [output.number for output in stored(job).outputs] == [0, 2]
            files["/b"] = Reply(200, image())
            self.store(job)

        assert [request.path for request in self.fetched] == ["/a", "/b", "/c", "/b"]
        assert sorted(output.number for output in stored(job).outputs) == [0, 1, 2]

    def test_concurrent_invocation_does_not_count_outputs_twice(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = {"/a": Reply(200, image()), "/b": Reply(200, image())}
        with self.returning(["/a", "/b"], files):
            job = self.processing(num_outputs=3)
            note, is_first = jobs.record_storing, iter([True])

            def overtaken(known: Job, *, now: datetime) -> bool:
                recorded = note(known, now=now)
                if next(is_first, False):
                    self.store(job)
                return recorded

            monkeypatch.setattr(jobs, "record_storing", overtaken)
            self.store(job)

        assert [output.number for output in stored(job).outputs] == [0, 1]
        ended = ledger.resolve(ANN, job.job_id, now=NOON)
        assert (ended.charged, ended.refunded) == (20, 10)

    def test_retry_overwrites_the_object_of_a_crashed_invocation(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with self.returning("/a", {"/a": Reply(200, image())}):
            job = self.processing()
            with monkeypatch.context() as crashing:
                crashing.setattr(jobs, "record_output", lambda *_: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    self.store(job)
            self.store(job)

        assert (len(stored(job).outputs), len(self.objects())) == (1, 2)

    def test_stores_a_video_with_its_length_and_a_thumbnail(self) -> None:
        body = video((128, 72))
        with self.returning("/a.mp4", {"/a.mp4": Reply(200, body)}):
            job = self.store(self.processing())

        (output,) = job.outputs
        prefix = f"media/web/ann/{job.job_id}/"
        assert (output.key, output.content_type, output.bytes, output.width, output.height, output.seconds) == (
            f"{prefix}0.mp4", "video/mp4", len(body), 128, 72, 2.0,
        )  # fmt: skip
        assert self.objects()[output.key]["Body"].read() == body
        assert output.thumbnail_key == f"{prefix}0.thumbnail.jpg"
        assert output.placeholder
