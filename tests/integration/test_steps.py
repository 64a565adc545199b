"""The steps of the workflow, one by one, with the real provider adapter over HTTP."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image
from standardwebhooks import Webhook

from darkroom import clock
from darkroom.adapters import aws as aws_adapter
from darkroom.adapters import callbacks, job_store, ledger
from darkroom.adapters import workflow as workflow_adapter
from darkroom.domain.errors import ComeBackLater, GenerationFailed, OutputUnavailable, ProviderUnavailable
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus, Output
from local.replicate import SimulatedReplicate
from tests.aws import CONTEXT, Workflow, client, forget_settings, handler_of
from tests.builders import ANN, NOON, call_api, held_job, image_job, open_account, stored, until
from tests.integration.broken_aws import Trouble, troubled
from tests.integration.servers import Received, Reply, answering, server

pytestmark = pytest.mark.usefixtures("aws")

BUCKET = "darkroom-test-media"


def key(job: Job, **more: Any) -> dict[str, Any]:
    return {"account": str(job.account), "job_id": job.job_id, **more}


def at(monkeypatch: pytest.MonkeyPatch, time: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: time)


def with_setting(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    monkeypatch.setenv(name, str(value))
    forget_settings()


def is_open(job: Job) -> bool:
    """Whether recovery would ever look at the job."""
    return (job.account, job.job_id) in list(job_store.due(now=datetime.now(UTC) + timedelta(days=1), limit=100))


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The task tokens that were woken."""
    tokens: list[str] = []

    def send_task_success(*, taskToken: str, output: str) -> None:  # noqa: N803 (AWS's own name)
        assert output == "{}"
        tokens.append(taskToken)

    monkeypatch.setattr(aws_adapter.client("stepfunctions"), "send_task_success", send_task_success)
    return tokens


@pytest.fixture
def announced() -> Callable[[], list[dict[str, Any]]]:
    """What has come out of the bus so far, oldest first."""
    queue = client("sqs").create_queue(QueueName="announced")["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = os.environ["EVENT_BUS_NAME"]
    client("events").put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["darkroom"]}))
    client("events").put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    seen: list[dict[str, Any]] = []

    def look() -> list[dict[str, Any]]:
        while messages := client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                seen.append(json.loads(message["Body"]))
                client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return seen

    return look


class TestRequestPrediction:
    @pytest.fixture(autouse=True)
    def public(self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch) -> None:
        self.replicate = simulated_replicate
        # Nobody listens there: whatever happens here happens without webhooks.
        with_setting(monkeypatch, "PUBLIC_URL", "http://127.0.0.1:9")
        self.faults(run_seconds=30)

    def faults(self, **faults: float) -> None:
        requests.put(f"{self.replicate.base_url}/faults", json=faults, timeout=5).raise_for_status()

    def predictions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.replicate.base_url}/sim/predictions", timeout=5).json()["predictions"]
        return found

    def enter(self, job: Job, *, token: str = "token", entered_at: datetime = NOON, retry_count: int = 0) -> None:
        handler_of("request_prediction")(key(job, task_token=token, entered_at=entered_at.isoformat(), retry_count=retry_count), CONTEXT)

    def test_parks_the_token_and_asks_for_what_is_on_the_job(self) -> None:
        job = held_job(num_outputs=2)

        self.enter(job)

        now = stored(job)
        (created,) = self.predictions()
        assert now.attempt
        assert (now.status, now.task_token, len(now.attempts)) == (JobStatus.PROCESSING, "token", 1)
        assert now.attempt.prediction_id == created["id"]
        assert created["input"] == job.work.input
        assert created["webhook_events_filter"] == ["start", "completed"]
        assert created["webhook"] == f"http://127.0.0.1:9/webhooks/replicate?job=web%2Fann%2F{job.job_id}%2F{now.attempt.nonce}"
        deadline = datetime.fromisoformat(created["deadline"])
        assert timedelta(seconds=-2) < deadline - job.deadline_at <= timedelta(seconds=1)
        assert "token" not in created["webhook"].replace("webhooks", "")

    def test_a_later_lap_asks_how_it_is_doing_and_makes_no_second_prediction(self, woken: list[str]) -> None:
        job = held_job()
        self.enter(job)

        self.enter(job, token="second", entered_at=NOON + timedelta(seconds=15))

        assert stored(job).task_token == "second"
        assert len(self.predictions()) == 1
        assert woken == []

    def test_a_lap_that_finds_the_prediction_finished_wakes_itself(self, woken: list[str]) -> None:
        self.faults(run_seconds=0, queue_seconds=0)
        job = held_job()
        self.enter(job)
        until(lambda: self.predictions()[0]["status"] == "succeeded")

        self.enter(job, token="second", entered_at=NOON + timedelta(seconds=15))

        assert woken == ["second"]

    def test_a_crash_after_asking_is_found_again_and_not_paid_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = held_job()
        with monkeypatch.context() as crashing:
            crashing.setattr(job_store, "note_prediction", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                self.enter(job)
        assert stored(job).status is JobStatus.PENDING

        self.enter(job, retry_count=1)

        (created,) = self.predictions()
        now = stored(job)
        assert now.attempt
        assert (now.attempt.prediction_id, now.status) == (created["id"], JobStatus.PROCESSING)

    def test_a_crash_before_asking_is_not_asked_for_again_while_the_other_may_be_asking(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job, now = held_job(), datetime.now(UTC)
        assert job_store.begin_attempt(job, "lap", lease_until=now + timedelta(seconds=35), now=now)

        for seconds in (0, 34):
            at(monkeypatch, now + timedelta(seconds=seconds))
            with pytest.raises(ComeBackLater):
                self.enter(job, entered_at=NOON + timedelta(seconds=seconds))
        assert self.predictions() == []
        at(monkeypatch, now + timedelta(seconds=36))
        self.enter(job, entered_at=NOON + timedelta(seconds=36))

        assert len(self.predictions()) == 1
        assert len(stored(job).attempts) == 1

    def test_an_answer_that_was_lost_is_looked_for_and_not_paid_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = held_job()
        self.faults(lost_create_answer=1, run_seconds=30)
        with pytest.raises(ComeBackLater) as pause:
            self.enter(job)
        self.faults(run_seconds=30)
        at(monkeypatch, pause.value.at)

        self.enter(job, entered_at=NOON + timedelta(seconds=5))

        (created,) = self.predictions()
        now = stored(job)
        assert now.attempt
        assert now.attempt.prediction_id == created["id"]

    def test_without_a_public_url_it_is_not_asked_again_in_the_same_lap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "PUBLIC_URL", "")
        job = held_job()
        self.faults(lost_create_answer=1, run_seconds=30)
        with pytest.raises(ComeBackLater) as pause:
            self.enter(job)
        self.faults(run_seconds=30)
        at(monkeypatch, pause.value.at)

        with pytest.raises(ComeBackLater):
            self.enter(job, retry_count=1)

        assert len(self.predictions()) == 1

    def test_without_a_public_url_nobody_pays_twice_for_an_answer_that_was_lost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "PUBLIC_URL", "")
        job, now = held_job(), datetime.now(UTC)
        self.faults(lost_create_answer=1, run_seconds=30)
        with pytest.raises(ComeBackLater):
            self.enter(job)
        self.faults(run_seconds=30)
        at(monkeypatch, now + timedelta(seconds=90))

        with pytest.raises(GenerationFailed):
            self.enter(job, entered_at=NOON + timedelta(seconds=90))

        assert stored(job).failure == failure(FailureCode.PROVIDER_UNAVAILABLE)
        assert len(self.predictions()) == 1

    def test_a_provider_in_trouble_is_asked_again_when_nothing_can_have_come_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job, now = held_job(), datetime.now(UTC)
        self.faults(unavailable=1)
        with pytest.raises(ComeBackLater):
            self.enter(job)
        with pytest.raises(ProviderUnavailable):
            self.enter(job, entered_at=NOON + timedelta(seconds=5))
        self.faults(run_seconds=30)
        with pytest.raises(ComeBackLater):
            self.enter(job, entered_at=NOON + timedelta(seconds=10))
        assert self.predictions() == []
        at(monkeypatch, now + timedelta(seconds=90))

        self.enter(job, entered_at=NOON + timedelta(seconds=90))

        assert len(self.predictions()) == 1
        asked = stored(job)
        assert asked.attempt
        assert (asked.attempt.asks_count, asked.failure) == (2, None)

    def test_a_provider_that_stays_in_trouble_is_given_up_at_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = held_job()
        self.faults(unavailable=1)
        with pytest.raises(ComeBackLater):
            self.enter(job)
        self.faults(run_seconds=30)
        at(monkeypatch, job.deadline_at)

        with pytest.raises(GenerationFailed):
            self.enter(job, entered_at=NOON + timedelta(minutes=9))

        assert (stored(job).failure, self.predictions()) == (failure(FailureCode.PROVIDER_UNAVAILABLE), [])

    def test_what_still_runs_at_the_deadline_has_failed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = held_job()
        self.enter(job)
        at(monkeypatch, job.deadline_at)

        with pytest.raises(GenerationFailed):
            self.enter(job, entered_at=NOON + timedelta(minutes=5))

        assert stored(job).failure == failure(FailureCode.DEADLINE_EXCEEDED)

    def test_what_finished_before_the_deadline_is_not_thrown_away_after_it(self, monkeypatch: pytest.MonkeyPatch, woken: list[str]) -> None:
        self.faults(run_seconds=0, queue_seconds=0)
        job = held_job()
        self.enter(job)
        until(lambda: self.predictions()[0]["status"] == "succeeded")
        at(monkeypatch, job.deadline_at + timedelta(seconds=30))

        self.enter(job, token="late", entered_at=NOON + timedelta(minutes=6))

        assert woken == ["late"]
        assert stored(job).failure is None

    def test_a_throttled_ask_is_made_when_the_provider_says(self) -> None:
        job, now = held_job(), datetime.now(UTC)
        self.faults(throttle=1)

        with pytest.raises(ComeBackLater) as pause:
            self.enter(job)

        waiting = stored(job)
        assert waiting.waiting_since
        assert timedelta(seconds=2) <= pause.value.at - now <= timedelta(seconds=6)
        assert datetime.fromisoformat(str(pause.value)) == pause.value.at.replace(microsecond=0)
        assert (waiting.status, self.predictions()) == (JobStatus.PENDING, [])
        self.faults(run_seconds=30)
        self.enter(job, entered_at=NOON + timedelta(seconds=5))

        assert len(self.predictions()) == 1
        assert (stored(job).status, stored(job).waiting_since) == (JobStatus.PROCESSING, None)

    def test_what_the_provider_refuses_fails_the_job_with_its_words(self) -> None:
        job = image_job()
        open_account(100)
        job, _ = ledger.hold(replace(job, work=replace(job.work, input={"prompt": 7})), key=None, now=NOON)

        with pytest.raises(GenerationFailed) as failed:
            self.enter(job)

        noted = stored(job).failure
        assert noted
        assert noted.code is FailureCode.INVALID_INPUT
        assert "Expected: string" in noted.message
        assert str(failed.value) == "invalid_input"

    def test_a_token_that_the_provider_refuses_is_our_fault(self) -> None:
        client("secretsmanager").put_secret_value(SecretId=os.environ["REPLICATE_TOKEN_SECRET"], SecretString="wrong")
        forget_settings()
        job = held_job()

        with pytest.raises(GenerationFailed):
            self.enter(job)

        noted = stored(job).failure
        assert noted
        assert (noted.code, noted.is_fault) == (FailureCode.PROVIDER_UNAVAILABLE, True)

    def test_after_the_deadline_nothing_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = held_job()
        at(monkeypatch, job.deadline_at)

        with pytest.raises(GenerationFailed):
            self.enter(job)

        assert (stored(job).failure, self.predictions()) == (failure(FailureCode.DEADLINE_EXCEEDED), [])

    def test_an_older_lap_steps_aside(self, woken: list[str]) -> None:
        job = held_job()
        job_store.park_token(job, "new", "2026-01-02T12:00:30.000000#000", look_at=NOON)

        self.enter(job, token="old")

        assert (stored(job).task_token, self.predictions(), woken) == ("new", [], [])

    def test_a_final_job_goes_on_at_once(self, woken: list[str]) -> None:
        job = held_job()
        ended = ledger.resolve(ANN, job.job_id, now=NOON)

        self.enter(job)

        assert (stored(job), self.predictions(), woken) == (ended, [], ["token"])


def picture(file_format: str = "WEBP", size: tuple[int, int] = (300, 200), mode: str = "RGB", **save: Any) -> bytes:
    buffer = BytesIO()
    Image.new(mode, size, "teal" if mode != "P" else 3).save(buffer, file_format, **save)
    return buffer.getvalue()


def damaged_picture(seed: int) -> bytes:
    """A picture with orientation and caption, some of whose first bytes were changed."""
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
    def returning(self, output: object, files: dict[str, Reply] | None = None, **prediction: Any) -> Iterator[str]:
        """A Replicate whose prediction has this output; a path in it leads to a file of its delivery host."""

        def answer(request: Received) -> Reply:
            if request.path.startswith("/v1/predictions/"):
                document = {"id": "p1", "status": "succeeded", "output": output_of(f"http://{request.headers['host']}"), **prediction}
                return Reply(200, json.dumps(document).encode(), {"Content-Type": "application/json"})
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
        attempt = job_store.begin_attempt(job, "lap", lease_until=now, now=now)
        assert attempt
        assert job_store.note_prediction(job, attempt, "p1", now=now)
        return stored(job)

    def store(self, job: Job) -> Job:
        handler_of("store_output")(key(job), CONTEXT)
        return stored(job)

    def refused(self, job: Job) -> FailureCode:
        with pytest.raises(GenerationFailed) as failed:
            self.store(job)
        noted = stored(job).failure
        assert noted
        assert noted == failed.value.failure
        return noted.code

    def objects(self) -> dict[str, Any]:
        listed = client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {item["Key"]: client("s3").get_object(Bucket=BUCKET, Key=item["Key"]) for item in listed}

    @pytest.mark.parametrize("output", [["/a", "/b"], {"images": ["/a", "/b"]}, [{"url": "/a"}, {"url": "/b", "seed": 7}], [["/a"], None, "no link", ["/b"]]])
    def test_every_output_is_copied_with_a_thumbnail_beside_it(self, output: object) -> None:
        files = {"/a": Reply(200, picture("WEBP", (64, 32))), "/b": Reply(200, picture("PNG", (10, 20)))}
        with self.returning(output, files):
            job = self.store(self.processing(num_outputs=2))

        prefix = f"media/web/ann/{job.job_id}/"
        objects = self.objects()
        assert sorted(objects) == [prefix + name for name in ("0.thumbnail.jpg", "0.webp", "1.png", "1.thumbnail.jpg")]
        assert objects[prefix + "0.webp"]["Body"].read() == files["/a"].body
        assert objects[prefix + "0.webp"]["ContentType"] == "image/webp"
        assert [(stored.number, stored.content_type, stored.bytes, stored.width, stored.height) for stored in job.outputs] == [
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
        with self.returning("/a", {"/a": Reply(200, picture())}):
            job = self.store(self.processing())

        assert len(job.outputs) == 1

    @pytest.mark.parametrize(
        ("file_format", "mode"), [("PNG", "RGBA"), ("PNG", "P"), ("PNG", "L"), ("PNG", "I;16"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGBA")]
    )
    @pytest.mark.parametrize("size", [(1, 1), (900, 30), (30, 900)])
    def test_a_thumbnail_is_200_by_200_and_jpeg(self, file_format: str, mode: str, size: tuple[int, int]) -> None:
        buffer = BytesIO()
        Image.new(mode, size).save(buffer, file_format)
        with self.returning("/a", {"/a": Reply(200, buffer.getvalue())}):
            job = self.store(self.processing())

        (output,) = job.outputs
        assert output.thumbnail_key
        thumbnail = self.objects()[output.thumbnail_key]
        shown = Image.open(BytesIO(thumbnail["Body"].read()))
        assert (shown.format, shown.size, thumbnail["ContentType"]) == ("JPEG", (200, 200), "image/jpeg")
        assert output.placeholder
        assert output.placeholder.startswith("data:image/webp;base64,")
        assert (output.width, output.height) == size

    def test_nothing_is_believed_of_a_name_or_a_header(self) -> None:
        with self.returning("/a.png", {"/a.png": Reply(200, picture("JPEG"), {"Content-Type": "text/html"})}):
            job = self.store(self.processing())

        assert (job.outputs[0].content_type, job.outputs[0].key[-5:]) == ("image/jpeg", "0.jpg")

    def test_the_token_of_the_provider_stays_with_the_provider(self) -> None:
        with self.returning("/a", {"/a": Reply(200, picture())}):
            self.store(self.processing())

        assert [request.headers.keys() & {"authorization", "cookie"} for request in self.fetched] == [set()]

    def test_fewer_outputs_than_asked_for_are_a_partial_delivery(self) -> None:
        with self.returning(["/a"], {"/a": Reply(200, picture())}):
            job = self.store(self.processing(num_outputs=3))

        ended = ledger.resolve(ANN, job.job_id, now=NOON)
        assert (ended.status, ended.charged, ended.refunded) == (JobStatus.COMPLETED, 10, 20)

    def test_more_outputs_than_asked_for_are_left_where_they_are(self) -> None:
        with self.returning(["/a", "/a", "/a"], {"/a": Reply(200, picture())}):
            job = self.store(self.processing())

        assert (len(job.outputs), len(self.fetched)) == (1, 1)

    @pytest.mark.parametrize(
        "body", [b"", b"<html>expired</html>", b"GIF89a" + b"\0" * 40, b"\x89PNG\r\n\x1a\n", picture("GIF"), picture("BMP"), b"%!PS-Adobe-3.0 EPSF-3.0\n"]
    )
    def test_what_is_no_picture_is_rejected(self, body: bytes) -> None:
        with self.returning("/a", {"/a": Reply(200, body, {"Content-Type": "image/png"})}):
            job = self.processing()
            assert self.refused(job) is FailureCode.OUTPUT_REJECTED

        assert self.objects() == {}

    def test_one_bad_output_does_not_cost_the_others(self) -> None:
        files = {"/a": Reply(200, b"nothing"), "/b": Reply(200, picture())}
        with self.returning(["/a", "/b", "/dead"], files):
            job = self.store(self.processing(num_outputs=3))

        assert [output.number for output in job.outputs] == [1]
        assert job.failure is None

    @pytest.mark.parametrize("status", [403, 404, 410])
    def test_a_dead_link_is_not_tried_again(self, status: int) -> None:
        with self.returning("/a", {"/a": Reply(status)}):
            assert self.refused(self.processing()) is FailureCode.OUTPUT_UNAVAILABLE

    @pytest.mark.parametrize("reply", [Reply(500), Reply(503), Reply(429), Reply(302, headers={"Location": "/b"}), Reply(200, b"half", content_length=99)])
    def test_a_fetch_that_may_succeed_another_time_is_tried_again(self, reply: Reply) -> None:
        with self.returning("/a", {"/a": reply, "/b": Reply(200, picture())}):
            job = self.processing()
            with pytest.raises(OutputUnavailable):
                self.store(job)

        assert (stored(job).failure, len(self.fetched)) == (None, 1)

    def test_a_second_run_fetches_only_what_is_missing(self) -> None:
        files = {"/a": Reply(200, picture()), "/b": Reply(503), "/c": Reply(200, picture())}
        with self.returning(["/a", "/b", "/c"], files):
            job = self.processing(num_outputs=3)
            with pytest.raises(OutputUnavailable):
                self.store(job)
            assert [output.number for output in stored(job).outputs] == [0, 2]
            files["/b"] = Reply(200, picture())
            self.store(job)

        assert [request.path for request in self.fetched] == ["/a", "/b", "/c", "/b"]
        assert sorted(output.number for output in stored(job).outputs) == [0, 1, 2]

    def test_a_crash_between_storing_and_noting_stores_the_same_object_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with self.returning("/a", {"/a": Reply(200, picture())}):
            job = self.processing()
            with monkeypatch.context() as crashing:
                crashing.setattr(job_store, "note_output", lambda *_: 1 / 0)
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

    def test_a_delivery_host_at_a_private_address_is_not_called(self, monkeypatch: pytest.MonkeyPatch) -> None:
        received: list[Received] = []
        with server(answering(Reply(200, picture()), received=received)) as private:
            host = f"localhost:{private.rpartition(':')[2]}"
            with self.returning(f"https://{host}/a"):
                with_setting(monkeypatch, "DELIVERY_HOSTS", host)

                assert self.refused(self.processing()) is FailureCode.OUTPUT_REJECTED

        assert received == []

    def test_the_largest_output_is_taken_and_one_byte_more_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        body = picture()
        with self.returning("/a", {"/a": Reply(200, body)}):
            with_setting(monkeypatch, "OUTPUT_BYTES_MAX", len(body) - 1)
            assert self.refused(self.processing()) is FailureCode.OUTPUT_REJECTED
            with_setting(monkeypatch, "OUTPUT_BYTES_MAX", len(body))
            job = image_job()
            ledger.hold(job, key=None, now=NOON)
            attempt = job_store.begin_attempt(job, "lap", lease_until=NOON, now=NOON)
            assert attempt
            job_store.note_prediction(job, attempt, "p1", now=NOON)

            assert len(self.store(job).outputs) == 1

    @pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
    def test_a_picture_that_ends_too_early_is_delivered_without_a_thumbnail(self, file_format: str) -> None:
        buffer = BytesIO()
        Image.effect_noise((300, 200), 90).convert("RGB").save(buffer, file_format)
        with self.returning("/a", {"/a": Reply(200, buffer.getvalue()[: len(buffer.getvalue()) // 2])}):
            job = self.store(self.processing())

        assert [(output.width, output.height, output.thumbnail_key, output.placeholder) for output in job.outputs] == [(300, 200, None, None)]

    def test_more_pixels_than_may_be_decoded_are_delivered_without_a_thumbnail(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with self.returning("/a", {"/a": Reply(200, picture("PNG", (101, 100)))}):
            with_setting(monkeypatch, "IMAGE_PIXELS_MAX", 10_000)
            job = self.store(self.processing())

        assert [(output.width, output.thumbnail_key) for output in job.outputs] == [(101, None)]

    def test_a_picture_of_several_frames_is_delivered_or_rejected(self) -> None:
        several = picture("MPO", save_all=True, append_images=[Image.new("RGB", (300, 200), "red")])
        with self.returning("/a", {"/a": Reply(200, several)}):
            job = self.processing()
            with suppress(GenerationFailed):
                self.store(job)

        assert stored(job).outputs or stored(job).failure == failure(FailureCode.OUTPUT_REJECTED)

    def test_a_damaged_picture_is_a_picture_or_none_and_no_crash(self) -> None:
        from darkroom.adapters import pictures  # noqa: PLC0415 (only the store step has the library for pixels)

        for seed in range(6_000):
            file = BytesIO(damaged_picture(seed))
            try:
                pictures.look_at(file)
                pictures.thumbnail(file, pixels_max=40_000_000)
            except (GenerationFailed, pictures.NoThumbnail):
                continue

    def test_a_prediction_that_still_runs_is_waited_for(self) -> None:
        with self.returning(None, status="processing"), pytest.raises(ComeBackLater) as pause:
            self.store(self.processing())

        assert timedelta() < pause.value.at - datetime.now(UTC) < timedelta(seconds=10)

    def test_a_job_without_a_prediction_goes_back(self) -> None:
        job = held_job()

        with pytest.raises(ComeBackLater):
            self.store(job)

        assert stored(job).storing_at is None

    @pytest.mark.parametrize(
        ("prediction", "code"),
        [
            (
                {"status": "failed", "error": "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"},
                FailureCode.REFUSED,
            ),
            ({"status": "failed", "error": "NSFW content detected"}, FailureCode.REFUSED),
            ({"status": "failed", "error": "CUDA out of memory"}, FailureCode.PREDICTION_FAILED),
            ({"status": "failed", "error": None}, FailureCode.PREDICTION_FAILED),
            ({"status": "canceled"}, FailureCode.PREDICTION_FAILED),
            ({"status": "canceled", "deadline": "2026-01-02T12:05:00Z", "completed_at": "2026-01-02T12:04:00Z"}, FailureCode.PREDICTION_FAILED),
            ({"status": "canceled", "deadline": "2026-01-02T12:05:00Z", "completed_at": "2026-01-02T12:05:01Z"}, FailureCode.DEADLINE_EXCEEDED),
            ({"status": "aborted"}, FailureCode.DEADLINE_EXCEEDED),
            ({"status": "succeeded"}, FailureCode.NO_OUTPUT),
            ({"status": "succeeded", "output": []}, FailureCode.NO_OUTPUT),
            ({"status": "succeeded", "output": "just text"}, FailureCode.NO_OUTPUT),
            ({"status": "succeeded", "data_removed": True}, FailureCode.OUTPUT_UNAVAILABLE),
        ],
    )
    def test_a_prediction_that_came_to_nothing_says_why(self, prediction: dict[str, Any], code: FailureCode) -> None:
        with self.returning(prediction.pop("output", None), **prediction):
            assert self.refused(self.processing()) is code

    def test_a_final_job_is_left_alone(self) -> None:
        job = self.processing()
        ended = ledger.resolve(ANN, job.job_id, now=NOON)

        assert self.store(job) == ended
        assert self.fetched == []


class TestEnding:
    def refund(self, job: Job, error: str = "RuntimeError") -> Any:
        return handler_of("refund_job")(key(job, failure=error), CONTEXT)

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            ("ProviderUnavailable", FailureCode.PROVIDER_UNAVAILABLE),
            ("OutputUnavailable", FailureCode.OUTPUT_UNAVAILABLE),
            ("States.Timeout", FailureCode.INTERNAL),
            ("KeyError", FailureCode.INTERNAL),
        ],
    )
    def test_a_fault_gives_the_credits_back_and_is_red(self, error: str, code: FailureCode) -> None:
        job = held_job()

        assert self.refund(job, error) == {"fault": True}

        now = stored(job)
        assert (now.status, now.failure, now.refunded) == (JobStatus.FAILED, failure(code), 10)
        assert ledger.balance(ANN).available == 100

    @pytest.mark.parametrize(("code", "fault"), [(code, failure(code).is_fault) for code in FailureCode])
    def test_only_a_fault_is_red(self, code: FailureCode, fault: bool) -> None:  # noqa: FBT001 (a column of the table)
        job = held_job()
        job_store.note_failure(job, failure(code))

        assert self.refund(job, "GenerationFailed") == {"fault": fault}
        assert stored(job).failure == failure(code)

    def test_a_partial_delivery_is_not_red(self) -> None:
        job = held_job(num_outputs=2)
        job_store.note_output(job, Output(number=0, key="k", content_type="image/png", bytes=1, width=1, height=1))

        assert self.refund(job, "OutputUnavailable") == {"fault": False}
        assert (stored(job).status, stored(job).charged, stored(job).refunded) == (JobStatus.COMPLETED, 10, 10)

    def test_a_repeat_tells_the_same(self) -> None:
        job = held_job()
        first = self.refund(job)
        ended = stored(job)

        assert self.refund(job, "ProviderUnavailable") == first
        assert stored(job) == ended
        assert ledger.balance(ANN).available == 100

    def test_a_job_that_was_completed_meanwhile_stays_completed(self) -> None:
        job = held_job()
        job_store.note_output(job, Output(number=0, key="k", content_type="image/png", bytes=1, width=1, height=1))
        handler_of("complete_job")(key(job), CONTEXT)
        ended = stored(job)

        assert self.refund(job) == {"fault": False}
        assert stored(job) == ended

    def test_what_still_runs_at_the_provider_is_stopped(self, simulated_replicate: SimulatedReplicate) -> None:
        requests.put(f"{simulated_replicate.base_url}/faults", json={"run_seconds": 60}, timeout=5).raise_for_status()
        job = held_job()
        handler_of("request_prediction")(key(job, task_token="t", entered_at=NOON.isoformat(), retry_count=0), CONTEXT)

        self.refund(job)

        (prediction,) = requests.get(f"{simulated_replicate.base_url}/sim/predictions", timeout=5).json()["predictions"]
        assert prediction["status"] == "canceled"

    def test_a_provider_that_does_not_answer_keeps_no_credits_back(self) -> None:
        job, now = held_job(), datetime.now(UTC)
        attempt = job_store.begin_attempt(job, "lap", lease_until=now, now=now)
        assert attempt
        job_store.note_prediction(job, attempt, "p1", now=now)

        # Nobody listens at the provider's address here.
        self.refund(job)

        assert stored(job).refunded == 10

    @pytest.mark.parametrize("delivered", [0, 1])
    def test_the_world_is_told_and_recovery_looks_no_more(self, delivered: int, announced: Callable[[], list[dict[str, Any]]]) -> None:
        job = held_job()
        for number in range(delivered):
            job_store.note_output(job, Output(number=number, key="k", content_type="image/png", bytes=1, width=1, height=1))
        assert is_open(job)

        handler_of("complete_job")(key(job), CONTEXT)

        status = "completed" if delivered else "failed"
        (event,) = announced()
        assert (event["source"], event["detail-type"]) == ("darkroom", f"job.{status}")
        assert event["detail"] == {
            "id": f"{job.job_id}.{status}", "account": "web/ann", "job_id": job.job_id, "status": status, "template": "flux-schnell",
            "quoted": 10, "charged": 10 * delivered, "refunded": 10 - 10 * delivered,
        }  # fmt: skip
        assert not is_open(job)

    @pytest.mark.parametrize("function", ["complete_job", "refund_job"])
    def test_a_job_stays_open_until_it_is_announced(self, function: str, announced: Callable[[], list[dict[str, Any]]]) -> None:
        job = held_job()
        with troubled(aws_adapter.client("events"), "PutEvents", Trouble("InternalException")), pytest.raises(Exception, match="InternalException"):
            handler_of(function)(key(job, failure="x"), CONTEXT)
        assert stored(job).status is JobStatus.FAILED
        assert is_open(job)

        handler_of(function)(key(job, failure="x"), CONTEXT)

        assert not is_open(job)
        assert [event["detail"]["job_id"] for event in announced()] == [job.job_id]
        assert ledger.balance(ANN).available == 100


class TestRecoverJobs:
    def recover(self) -> None:
        handler_of("recover_jobs")({}, CONTEXT)

    def test_a_job_that_is_final_but_unannounced_is_announced_and_leaves(
        self, announced: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = held_job()
        ended = ledger.resolve(ANN, job.job_id, now=datetime.now(UTC))
        self.recover()
        assert announced() == []
        at(monkeypatch, job.created_at + timedelta(seconds=31))

        self.recover()

        assert [event["detail"]["id"] for event in announced()] == [f"{job.job_id}.failed"]
        assert not is_open(job)
        assert replace(stored(job), revision=0) == replace(ended, revision=0)
        self.recover()
        assert len(announced()) == 1

    def test_a_stopped_execution_is_settled_but_not_before_its_sandboxes_are_gone(
        self, workflow: Workflow, announced: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asleep: list[object] = []
        workflow.break_function("request_prediction", asleep.append)
        job = held_job()
        # A short lap, because the stand-in stops an execution only between two states.
        workflow_adapter.start(replace(job, wait_seconds=1))
        arn = os.environ["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:") + f":{job.job_id}"
        until(lambda: asleep)
        client("stepfunctions").stop_execution(executionArn=arn)
        until(lambda: (found := workflow_adapter.execution(job.job_id)) and not found.is_running)
        execution = workflow_adapter.execution(job.job_id)
        assert execution
        assert execution.stopped_at
        stopped_at = execution.stopped_at

        at(monkeypatch, stopped_at + timedelta(seconds=119))
        self.recover()
        assert stored(job).status is JobStatus.PENDING
        at(monkeypatch, stopped_at + timedelta(seconds=181))
        self.recover()

        ended = stored(job)
        assert (ended.status, ended.refunded, ended.failure) == (JobStatus.FAILED, 10, failure(FailureCode.INTERNAL))
        assert [event["detail"]["job_id"] for event in announced()] == [job.job_id]
        assert not is_open(job)

    def test_a_stopped_execution_that_had_stored_something_is_a_delivery(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = held_job(num_outputs=2)
        job_store.note_output(job, Output(number=0, key="k", content_type="image/png", bytes=1, width=1, height=1))
        monkeypatch.setattr(workflow_adapter, "execution", lambda _: workflow_adapter.Execution(is_running=False, stopped_at=job.created_at))
        at(monkeypatch, job.created_at + timedelta(minutes=5))

        self.recover()

        assert (stored(job).status, stored(job).charged, stored(job).refunded) == (JobStatus.COMPLETED, 10, 10)

    def test_a_running_job_past_its_time_is_woken_and_not_settled(self, monkeypatch: pytest.MonkeyPatch, woken: list[str]) -> None:
        job = held_job()
        job_store.park_token(job, "token", "lap", look_at=job.created_at)
        monkeypatch.setattr(workflow_adapter, "execution", lambda _: workflow_adapter.Execution(is_running=True, stopped_at=None))
        at(monkeypatch, job.deadline_at)
        self.recover()
        assert woken == []
        at(monkeypatch, job.deadline_at + timedelta(hours=1))

        self.recover()

        assert woken == ["token"]
        assert stored(job).status is JobStatus.PENDING
        assert is_open(job)

    def test_one_job_in_trouble_does_not_keep_the_others_waiting(self, announced: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch) -> None:
        open_account(100)
        jobs = [ledger.hold(image_job(), key=None, now=NOON)[0] for _ in range(3)]
        for job in jobs:
            ledger.resolve(ANN, job.job_id, now=NOON)

        with troubled(aws_adapter.client("events"), "PutEvents", Trouble("InternalException")):
            self.recover()

        assert len(announced()) == 2
        assert sum(is_open(job) for job in jobs) == 1
        at(monkeypatch, datetime.now(UTC) + timedelta(minutes=2))
        self.recover()
        assert len(announced()) == 3

    def test_a_workflow_that_cannot_be_started_is_tried_again_a_minute_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = held_job()
        started: list[str] = []
        monkeypatch.setattr(workflow_adapter, "execution", lambda _: None)
        at(monkeypatch, job.created_at + timedelta(seconds=31))
        self.recover()  # There is no state machine here.
        assert is_open(job)
        monkeypatch.setattr(workflow_adapter, "start", lambda found: started.append(found.job_id))
        self.recover()
        assert started == []

        at(monkeypatch, job.created_at + timedelta(seconds=92))
        self.recover()

        assert started == [job.job_id]


class TestNotifyClient:
    def notify(self, job: Job) -> Any:
        detail = {"account": str(job.account), "job_id": job.job_id}
        record = {"messageId": "m1", "body": json.dumps({"detail": detail}), "eventSource": "aws:sqs", "receiptHandle": "r", "attributes": {}}
        return handler_of("notify_client")({"Records": [record]}, CONTEXT)

    def ended_job(self, callback_url: str | None) -> Job:
        open_account(100)
        job = replace(image_job(prompt="灯塔 🏮"), callback_url=callback_url, metadata={"order": "7"})
        ledger.hold(job, key=None, now=NOON)
        job_store.note_output(job, Output(number=0, key="media/k", content_type="image/png", bytes=1, width=1, height=1))
        return ledger.resolve(ANN, job.job_id, now=NOON)

    def answered(self, reply: Reply) -> tuple[Any, list[Received], Job]:
        received: list[Received] = []
        with server(answering(reply, received=received)) as base:
            job = self.ended_job(f"{base}/hook?x=1")
            return self.notify(job), received, job

    def test_the_callback_is_the_job_as_its_owner_reads_it_signed_with_the_accounts_secret(self) -> None:
        result, (request,), job = self.answered(Reply(204))

        assert result == {"batchItemFailures": []}
        assert (request.method, request.path, request.headers["content-type"]) == ("POST", "/hook?x=1", "application/json")
        secret = call_api("GET", "/callbacks/secret")[1]["secret"]
        message = Webhook(secret).verify(request.body, request.headers)
        assert (message["type"], message["timestamp"]) == ("job.completed", "2026-01-02T12:00:00.000Z")
        _, shown, _ = call_api("GET", f"/jobs/{job.job_id}")
        for document in (message["data"], shown):
            assert "X-Amz-Signature" in document["outputs"][0].pop("url")
            assert document.pop("links_expire_at")
        assert message["data"] == shown
        assert request.headers["webhook-id"] == f"{job.job_id}.completed"
        assert "authorization" not in request.headers

    def test_a_repeat_has_the_same_id(self) -> None:
        received: list[Received] = []
        with server(answering(Reply(), received=received)) as base:
            job = self.ended_job(base)
            self.notify(job)
            self.notify(job)

        assert len({request.headers["webhook-id"] for request in received}) == 1
        assert len(received) == 2

    @pytest.mark.parametrize(
        "reply", [Reply(500), Reply(404), Reply(401), Reply(429), Reply(301, headers={"Location": "/"}), Reply(307, headers={"Location": "/"})]
    )
    def test_a_callback_that_is_not_taken_stays_in_the_queue(self, reply: Reply) -> None:
        result, received, _ = self.answered(reply)

        assert result == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
        assert len(received) == 1, "a redirect is not followed"

    @pytest.mark.parametrize("status", [200, 201, 202, 204, 410])
    def test_a_callback_that_is_taken_or_no_longer_wanted_is_done(self, status: int) -> None:
        assert self.answered(Reply(status))[0] == {"batchItemFailures": []}

    def test_nobody_who_listens_is_a_failure(self) -> None:
        with server(answering(Reply())) as gone:
            pass

        assert self.notify(self.ended_job(gone)) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_a_private_address_is_not_called(self, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
        received: list[Received] = []
        with_setting(monkeypatch, "PRIVATE_HOSTS", "")
        with server(answering(Reply(), received=received)) as base:
            job = self.ended_job(f"https://{host}:{base.rpartition(':')[2]}/")

            with pytest.raises(callbacks.CallbackNotTaken, match="AddressRefused"):
                callbacks.send(job, now=NOON)

        assert received == []

    def test_a_job_without_a_callback_or_that_is_gone_is_done(self) -> None:
        assert self.notify(self.ended_job(None)) == {"batchItemFailures": []}
        assert self.notify(image_job()) == {"batchItemFailures": []}
