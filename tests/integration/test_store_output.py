"""The step StoreOutput, with real files over HTTP."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image

from darkroom.domain.errors import GenerationFailed, OutputUnavailable, RetryLater
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus
from darkroom.domain.predictions import Prediction
from darkroom.media import inspect
from darkroom.services import store_output
from darkroom.storage import jobs, ledger
from tests.aws import CONTEXT, client, handler_of
from tests.builders import ANN, NOON, held_job, image_job, stored
from tests.integration.servers import Received, Reply, answering, server
from tests.integration.steps import BUCKET, at, key, with_setting
from tests.integration.videos import video

pytestmark = pytest.mark.usefixtures("aws")


def image(
    file_format: str = "WEBP", size: tuple[int, int] = (300, 200), mode: str = "RGB", **save: Any
) -> bytes:
    buffer = BytesIO()
    Image.new(mode, size, "teal" if mode != "P" else 3).save(buffer, file_format, **save)
    return buffer.getvalue()


def damaged_image(seed: int) -> bytes:
    """An image with orientation and caption, some of whose first bytes were changed."""
    dice = random.Random(seed)
    image = Image.new("RGB", (80, 60), "teal")
    exif = image.getexif()
    exif[274], exif[270] = 6, "a caption"
    buffer = BytesIO()
    image.save(buffer, ("PNG", "JPEG", "WEBP")[seed % 3], exif=exif)
    damaged = bytearray(buffer.getvalue())
    for _ in range(dice.randint(1, 4)):
        damaged[dice.randrange(min(300, len(damaged)))] = dice.choice([0, 255, dice.randrange(256)])
    return bytes(damaged)


class TestStoreOutput:
    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.fetched: list[Received] = []

    @contextmanager
    def returning(
        self, output: object, files: dict[str, Reply] | None = None, **prediction: Any
    ) -> Iterator[str]:
        """A Replicate whose prediction has this output; a path in it leads to a file of its delivery host."""

        def answer(request: Received) -> Reply:
            if request.path.startswith("/v1/predictions/"):
                document = {
                    "id": "p1",
                    "status": "succeeded",
                    "output": output_of(f"http://{request.headers['host']}"),
                    **prediction,
                }
                return Reply(
                    200, json.dumps(document).encode(), {"Content-Type": "application/json"}
                )
            self.fetched.append(request)
            return (files or {}).get(request.path, Reply(404))

        def output_of(base: str) -> object:
            return json.loads(json.dumps(output).replace('"/', f'"{base}/'))

        with server(answer) as base:
            self.monkeypatch.setenv("REPLICATE_BASE_URL", f"{base}/v1")
            with_setting(self.monkeypatch, "DELIVERY_HOSTS", base.removeprefix("http://"))
            yield base

    def processing(self, **parameters: Any) -> Job:
        job, now = held_job(**parameters), datetime.now(UTC)
        attempt = jobs.begin_attempt(job, "entry", lease_until=now, now=now)
        assert attempt
        assert jobs.record_prediction(job, attempt, "p1", now=now)
        return stored(job)

    def store(self, job: Job) -> Job:
        handler_of("store_output")(key(job), CONTEXT)
        return stored(job)

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
    def test_the_object_says_where_it_comes_from_for_as_long_as_it_fits(self, prompt: str) -> None:
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

    def test_an_output_that_drips_is_requested_again(self) -> None:
        with self.returning(["/a"], {"/a": Reply(200, image())}):
            with_setting(self.monkeypatch, "OUTPUT_SECONDS_MAX", 0)
            with pytest.raises(OutputUnavailable):
                self.store(self.processing())

    def test_an_output_that_stays_unavailable_is_given_up_after_two_minutes(self) -> None:
        job, began = self.processing(), datetime.now(UTC)
        with self.returning(["/a"], {"/a": Reply(503)}):
            for seconds in (0, 119):
                at(self.monkeypatch, began + timedelta(seconds=seconds))
                with pytest.raises(OutputUnavailable):
                    self.store(job)
            at(self.monkeypatch, began + timedelta(seconds=120))

            assert self.refused(job) is FailureCode.OUTPUT_UNAVAILABLE

    def refused(self, job: Job) -> FailureCode:
        with pytest.raises(GenerationFailed) as failed:
            self.store(job)
        recorded = stored(job).failure
        assert recorded
        assert recorded == failed.value.failure
        return recorded.code

    def objects(self) -> dict[str, Any]:
        listed = client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {
            item["Key"]: client("s3").get_object(Bucket=BUCKET, Key=item["Key"]) for item in listed
        }

    @pytest.mark.parametrize(
        "output",
        [
            ["/a", "/b"],
            {"images": ["/a", "/b"]},
            [{"url": "/a"}, {"url": "/b", "seed": 7}],
            [["/a"], None, "no link", ["/b"]],
        ],
    )
    def test_every_output_is_copied_with_a_thumbnail_beside_it(self, output: object) -> None:
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

    def test_a_single_link_is_one_output(self) -> None:
        with self.returning("/a", {"/a": Reply(200, image())}):
            job = self.store(self.processing())

        assert len(job.outputs) == 1

    @pytest.mark.parametrize(
        ("file_format", "mode"),
        [
            ("PNG", "RGBA"),
            ("PNG", "P"),
            ("PNG", "L"),
            ("PNG", "I;16"),
            ("JPEG", "RGB"),
            ("JPEG", "CMYK"),
            ("WEBP", "RGBA"),
        ],
    )
    @pytest.mark.parametrize("size", [(1, 1), (900, 30), (30, 900)])
    def test_a_thumbnail_is_200_by_200_and_jpeg(
        self, file_format: str, mode: str, size: tuple[int, int]
    ) -> None:
        buffer = BytesIO()
        Image.new(mode, size).save(buffer, file_format)
        with self.returning("/a", {"/a": Reply(200, buffer.getvalue())}):
            job = self.store(self.processing())

        (output,) = job.outputs
        assert output.thumbnail_key
        thumbnail = self.objects()[output.thumbnail_key]
        thumbnail_image = Image.open(BytesIO(thumbnail["Body"].read()))
        assert (thumbnail_image.format, thumbnail_image.size, thumbnail["ContentType"]) == (
            "JPEG",
            (200, 200),
            "image/jpeg",
        )
        assert output.placeholder
        assert output.placeholder.startswith("data:image/webp;base64,")
        assert (output.width, output.height) == size

    def test_nothing_is_believed_of_a_name_or_a_header(self) -> None:
        with self.returning(
            "/a.png", {"/a.png": Reply(200, image("JPEG"), {"Content-Type": "text/html"})}
        ):
            job = self.store(self.processing())

        assert (job.outputs[0].content_type, job.outputs[0].key[-5:]) == ("image/jpeg", "0.jpg")

    def test_the_token_of_the_provider_stays_with_the_provider(self) -> None:
        with self.returning("/a", {"/a": Reply(200, image())}):
            self.store(self.processing())

        assert [
            request.headers.keys() & {"authorization", "cookie"} for request in self.fetched
        ] == [set()]

    def test_fewer_outputs_than_requested_are_a_partial_delivery(self) -> None:
        with self.returning(["/a"], {"/a": Reply(200, image())}):
            job = self.store(self.processing(num_outputs=3))

        ended = ledger.resolve(ANN, job.job_id, now=NOON)
        assert (ended.status, ended.charged, ended.refunded) == (JobStatus.COMPLETED, 10, 20)

    def test_more_outputs_than_requested_are_left_where_they_are(self) -> None:
        with self.returning(["/a", "/a", "/a"], {"/a": Reply(200, image())}):
            job = self.store(self.processing())

        assert (len(job.outputs), len(self.fetched)) == (1, 1)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>expired</html>",
            b"GIF89a" + b"\0" * 40,
            b"\x89PNG\r\n\x1a\n",
            image("GIF"),
            image("BMP"),
            b"%!PS-Adobe-3.0 EPSF-3.0\n",
        ],
    )
    def test_what_is_no_image_is_rejected(self, body: bytes) -> None:
        with self.returning("/a", {"/a": Reply(200, body, {"Content-Type": "image/png"})}):
            job = self.processing()
            assert self.refused(job) is FailureCode.OUTPUT_REJECTED

        assert self.objects() == {}

    def test_one_bad_output_does_not_cost_the_others(self) -> None:
        files = {"/a": Reply(200, b"nothing"), "/b": Reply(200, image())}
        with self.returning(["/a", "/b", "/dead"], files):
            job = self.store(self.processing(num_outputs=3))

        assert [output.number for output in job.outputs] == [1]
        assert job.failure is None

    @pytest.mark.parametrize("status", [403, 404, 410])
    def test_a_dead_link_is_not_tried_again(self, status: int) -> None:
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
    def test_a_fetch_that_may_succeed_another_time_is_tried_again(self, reply: Reply) -> None:
        with self.returning("/a", {"/a": reply, "/b": Reply(200, image())}):
            job = self.processing()
            with pytest.raises(OutputUnavailable):
                self.store(job)

        assert (stored(job).failure, len(self.fetched)) == (None, 1)

    def test_a_second_run_fetches_only_what_is_missing(self) -> None:
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

    def test_what_another_invocation_stored_meanwhile_is_not_counted_again(
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

    def test_a_crash_between_storing_and_recording_stores_the_same_object_again(
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

    @pytest.mark.parametrize(
        "link",
        [
            "https://evil.example/a.png", "http://127.0.0.1:9/a.png", "https://127.0.0.1/a.png", "http://localhost/a.png",
            "https://169.254.169.254/latest/meta-data/", "https://replicate.delivery.evil.example/a.png",
        ],
    )  # fmt: skip
    def test_another_host_is_not_called(self, link: str) -> None:
        with self.returning(link):
            assert self.refused(self.processing()) is FailureCode.OUTPUT_REJECTED

        assert self.fetched == []

    def test_a_delivery_host_at_a_private_address_is_not_called(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        received: list[Received] = []
        with server(answering(Reply(200, image()), received=received)) as private:
            host = f"localhost:{private.rpartition(':')[2]}"
            with self.returning(f"https://{host}/a"):
                with_setting(monkeypatch, "DELIVERY_HOSTS", host)

                assert self.refused(self.processing()) is FailureCode.OUTPUT_REJECTED

        assert received == []

    def test_the_largest_output_is_taken_and_one_byte_more_is_not(
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

    @pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
    def test_an_image_that_ends_too_early_is_delivered_without_a_thumbnail(
        self, file_format: str
    ) -> None:
        buffer = BytesIO()
        Image.effect_noise((300, 200), 90).convert("RGB").save(buffer, file_format)
        with self.returning(
            "/a", {"/a": Reply(200, buffer.getvalue()[: len(buffer.getvalue()) // 2])}
        ):
            job = self.store(self.processing())

        assert [
            (output.width, output.height, output.thumbnail_key, output.placeholder)
            for output in job.outputs
        ] == [(300, 200, None, None)]

    def test_more_pixels_than_may_be_decoded_are_delivered_without_a_thumbnail(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with self.returning("/a", {"/a": Reply(200, image("PNG", (101, 100)))}):
            with_setting(monkeypatch, "IMAGE_PIXELS_MAX", 10_000)
            job = self.store(self.processing())

        assert [(output.width, output.thumbnail_key) for output in job.outputs] == [(101, None)]

    def test_an_image_of_several_frames_is_delivered_or_rejected(self) -> None:
        several = image("MPO", save_all=True, append_images=[Image.new("RGB", (300, 200), "red")])
        with self.returning("/a", {"/a": Reply(200, several)}):
            job = self.processing()
            with suppress(GenerationFailed):
                self.store(job)

        assert stored(job).outputs or stored(job).failure == failure(FailureCode.OUTPUT_REJECTED)

    def test_a_damaged_image_is_an_image_or_none_and_no_crash(self) -> None:
        for seed in range(6_000):
            file = BytesIO(damaged_image(seed))
            try:
                inspect.probe(file)
                inspect.thumbnail(file)
            except (GenerationFailed, inspect.NoThumbnail):
                continue

    def test_a_video_is_copied_with_its_length_and_a_thumbnail(self) -> None:
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

    def test_a_prediction_that_still_runs_is_waited_for(self) -> None:
        with self.returning(None, status="processing"), pytest.raises(RetryLater) as pause:
            self.store(self.processing())

        assert timedelta() < pause.value.at - datetime.now(UTC) < timedelta(seconds=10)

    def test_a_job_without_a_prediction_goes_back(self) -> None:
        job = held_job()

        with pytest.raises(RetryLater):
            self.store(job)

        assert stored(job).storing_at is None

    @pytest.mark.parametrize(
        ("prediction", "code"),
        [
            (
                {
                    "status": "failed",
                    "error": "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
                },
                FailureCode.REFUSED,
            ),
            ({"status": "failed", "error": "NSFW content detected"}, FailureCode.REFUSED),
            ({"status": "failed", "error": "CUDA out of memory"}, FailureCode.PREDICTION_FAILED),
            ({"status": "failed", "error": None}, FailureCode.PREDICTION_FAILED),
            ({"status": "canceled"}, FailureCode.PREDICTION_FAILED),
            (
                {
                    "status": "canceled",
                    "deadline": "2026-01-02T12:05:00Z",
                    "completed_at": "2026-01-02T12:04:00Z",
                },
                FailureCode.PREDICTION_FAILED,
            ),
            (
                {
                    "status": "canceled",
                    "deadline": "2026-01-02T12:05:00Z",
                    "completed_at": "2026-01-02T12:05:01Z",
                },
                FailureCode.DEADLINE_EXCEEDED,
            ),
            ({"status": "aborted"}, FailureCode.DEADLINE_EXCEEDED),
            ({"status": "succeeded"}, FailureCode.NO_OUTPUT),
            ({"status": "succeeded", "output": []}, FailureCode.NO_OUTPUT),
            ({"status": "succeeded", "output": "just text"}, FailureCode.NO_OUTPUT),
            ({"status": "succeeded", "data_removed": True}, FailureCode.OUTPUT_UNAVAILABLE),
        ],
    )
    def test_a_prediction_that_came_to_nothing_says_why(
        self, prediction: dict[str, Any], code: FailureCode
    ) -> None:
        with self.returning(prediction.pop("output", None), **prediction):
            assert self.refused(self.processing()) is code

    def test_a_job_that_ended_while_the_provider_was_asked_is_left_alone(self) -> None:
        finished = store_output._finished_prediction

        def ended_meanwhile(job: Job) -> Prediction:
            prediction = finished(job)
            ledger.resolve(job.account, job.job_id, now=NOON)
            return prediction

        self.monkeypatch.setattr(store_output, "_finished_prediction", ended_meanwhile)
        with self.returning(["/a"], {"/a": Reply(200, image())}):
            job = self.store(self.processing())

        assert (job.status, job.outputs, job.storing_at) == (JobStatus.FAILED, (), None)
        assert (self.fetched, self.objects()) == ([], {})

    def test_a_final_job_is_left_alone(self) -> None:
        job = self.processing()
        ended = ledger.resolve(ANN, job.job_id, now=NOON)

        assert self.store(job) == ended
        assert self.fetched == []
