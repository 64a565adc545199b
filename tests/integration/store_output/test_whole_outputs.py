"""The step StoreOutput: only whole files are delivered, also after a kill while decoding."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from darkroom.domain.errors import GenerationFailed, OutputUnavailable
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, JobStatus, Output
from darkroom.media import bucket
from darkroom.media.outputs import inspect
from darkroom.services import deliver_output
from darkroom.storage import jobs, ledger
from tests.builders import ANN, NOON, stored
from tests.integration.servers import Reply
from tests.integration.steps import at, with_setting
from tests.integration.store_output.delivery import (
    ReplicateWithFiles,
    image,
    objects,
    processing_job,
    recorded_failure,
    store,
)
from tests.integration.videos import video

pytestmark = pytest.mark.usefixtures("aws")


class Killed(BaseException):
    """The execution environment is killed."""


def kill(*_: object, **__: object) -> Any:
    raise Killed


def store_killed(job: Job, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> None:
    """Run the step StoreOutput, and kill it at the call of a function."""
    with monkeypatch.context() as patch:
        patch.setattr(module, name, kill)
        with pytest.raises(Killed):
            store(job)


def noise(file_format: str, size: tuple[int, int] = (300, 200)) -> bytes:
    buffer = BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(buffer, file_format)
    return buffer.getvalue()


WHOLE: dict[str, Callable[[], bytes]] = {
    "PNG": lambda: noise("PNG"),
    "JPEG": lambda: noise("JPEG"),
    "WebP": lambda: noise("WEBP"),
    "MP4": video,
}


@pytest.mark.parametrize("part", [0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", WHOLE)
def test_a_cut_file_is_downloaded_again_and_the_whole_file_is_delivered(
    replicate: ReplicateWithFiles, name: str, part: float
) -> None:
    body = WHOLE[name]()
    files = {"/a": Reply(200, body[: int(len(body) * part)])}
    with replicate.returning("/a", files):
        job = processing_job()
        with pytest.raises(OutputUnavailable):
            store(job)
        assert (stored(job).outputs, stored(job).decoding, objects()) == ((), None, {})
        files["/a"] = Reply(200, body)
        (output,) = store(job).outputs

    assert objects()[output.key]["Body"].read() == body
    assert output.thumbnail_key
    assert output.previews


def test_an_image_without_its_last_chunk_is_downloaded_again(
    replicate: ReplicateWithFiles,
) -> None:
    with replicate.returning("/a", {"/a": Reply(200, noise("PNG")[:-12])}):
        job = processing_job()
        with pytest.raises(OutputUnavailable):
            store(job)

    assert objects() == {}


def test_a_file_that_stays_cut_fails_the_job_after_two_minutes(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, first_try = processing_job(), datetime.now(UTC)
    with replicate.returning("/a", {"/a": Reply(200, noise("JPEG")[:-2000])}):
        for seconds in (0, 119):
            at(monkeypatch, first_try + timedelta(seconds=seconds))
            with pytest.raises(OutputUnavailable):
                store(job)
        at(monkeypatch, first_try + timedelta(seconds=120))
        assert recorded_failure(job) is FailureCode.OUTPUT_UNAVAILABLE

    ended = ledger.resolve(ANN, job.job_id, now=NOON)
    assert (ended.status, ended.charged, ended.refunded) == (JobStatus.FAILED, 0, 10)
    assert objects() == {}


def test_a_cut_file_does_not_affect_the_other_outputs(replicate: ReplicateWithFiles) -> None:
    files = {"/a": Reply(200, noise("PNG")[:-2000]), "/b": Reply(200, image())}
    with replicate.returning(["/a", "/b"], files):
        job = processing_job(num_outputs=2)
        with pytest.raises(OutputUnavailable):
            store(job)

    (output,) = stored(job).outputs
    assert (output.number, output.key in objects()) == (1, True)


def test_a_kill_while_decoding_leads_to_a_delivery_without_variants(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = noise("PNG")
    files = {"/a": Reply(200, body), "/b": Reply(200, image())}
    with replicate.returning(["/a", "/b"], files):
        job = processing_job(num_outputs=2)
        store_killed(job, monkeypatch, inspect, "decode")
        decoding = stored(job).decoding
        assert decoding
        assert objects()[decoding.key]["Body"].read() == body
        first, second = store(job).outputs

    assert (first.key, first.width, first.height, first.bytes) == (
        decoding.key,
        300,
        200,
        len(body),
    )
    assert (first.thumbnail_key, first.placeholder, first.previews) == (None, None, ())
    # The killed invocation had stored the file, so the retry downloads only the other one.
    assert [request.path for request in replicate.downloads] == ["/a", "/b"]
    assert second.thumbnail_key
    assert stored(job).decoding is None


def test_a_kill_before_the_decoding_is_recorded_costs_no_variants(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    with replicate.returning("/a", {"/a": Reply(200, image())}):
        job = processing_job()
        store_killed(job, monkeypatch, jobs, "record_decoding")
        (output,) = store(job).outputs

    assert output.thumbnail_key


@pytest.mark.parametrize("name", WHOLE)
def test_a_cut_file_is_not_delivered_after_a_kill_while_decoding(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    body = WHOLE[name]()
    files = {"/a": Reply(200, body[: int(len(body) * 0.9)])}
    with replicate.returning("/a", files):
        job = processing_job()
        store_killed(job, monkeypatch, inspect, "decode")
        files["/a"] = Reply(200, body)
        (output,) = store(job).outputs

    assert objects()[output.key]["Body"].read() == body
    assert output.thumbnail_key
    assert len([key for key in objects() if "-" in key.rpartition("/")[2]]) == 1


@pytest.mark.parametrize(
    ("setting", "body", "pixels"),
    [
        ("OUTPUT_PIXELS_MAX", lambda: image("PNG", (101, 100)), 10_100),
        ("VIDEO_PIXELS_MAX", video, 64 * 48),
    ],
)
def test_an_output_with_more_pixels_than_the_budget_is_delivered_without_variants(
    replicate: ReplicateWithFiles,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    body: Callable[[], bytes],
    pixels: int,
) -> None:
    delivered = {}
    with replicate.returning("/a", {"/a": Reply(200, body())}):
        for pixels_max in (pixels, pixels - 1):
            with_setting(monkeypatch, setting, pixels_max)
            (output,) = store(processing_job()).outputs
            delivered[pixels_max] = output.width * output.height, bool(output.thumbnail_key)

    assert delivered == {pixels: (pixels, True), pixels - 1: (pixels, False)}


def test_a_cut_output_with_too_many_pixels_is_downloaded_again(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_setting(monkeypatch, "OUTPUT_PIXELS_MAX", 1)
    with replicate.returning("/a", {"/a": Reply(200, noise("PNG")[:-2000])}):
        job = processing_job()
        with pytest.raises(OutputUnavailable):
            store(job)

    assert (stored(job).outputs, objects()) == ((), {})


def test_variants_that_cannot_be_made_do_not_fail_the_job(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver_output, "make_variants", lambda *_, **__: 1 / 0)
    with replicate.returning("/a", {"/a": Reply(200, image())}):
        (output,) = store(processing_job()).outputs

    assert (output.width, output.thumbnail_key, output.previews) == (300, None, ())
    assert list(objects()) == [output.key]


def test_an_output_that_is_rejected_while_it_is_decoded_leaves_no_object(
    replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject(*_: object) -> Any:
        raise GenerationFailed(failure(FailureCode.OUTPUT_REJECTED))

    monkeypatch.setattr(inspect, "decode", reject)
    with replicate.returning("/a", {"/a": Reply(200, image())}):
        job = processing_job()
        assert recorded_failure(job) is FailureCode.OUTPUT_REJECTED

    assert (objects(), stored(job).decoding) == ({}, None)


class TestTwoInvocations:
    """A second invocation runs while the first one puts or decodes its file."""

    def run(
        self,
        replicate: ReplicateWithFiles,
        monkeypatch: pytest.MonkeyPatch,
        overtaken: tuple[ModuleType, str],
        bodies: tuple[bytes, bytes],
    ) -> Output:
        """Run both, and return the delivered output. Each invocation gets one of the bodies."""
        files = {"/a": Reply(200, bodies[0])}
        call, job = getattr(*overtaken), processing_job()

        def run_the_second(*args: Any) -> Any:
            monkeypatch.setattr(*overtaken, call)
            files["/a"] = Reply(200, bodies[1])
            store(job)
            return call(*args)

        monkeypatch.setattr(*overtaken, run_the_second)
        with replicate.returning("/a", files):
            (output,) = store(job).outputs
        assert [key for key in objects() if key.endswith(".png")] == [output.key]
        return output

    def test_the_second_one_delivers_the_object_that_the_first_one_decodes(
        self, replicate: ReplicateWithFiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = noise("PNG")
        output = self.run(replicate, monkeypatch, (inspect, "decode"), (body, b"another file"))

        assert objects()[output.key]["Body"].read() == body
        assert output.thumbnail_key is None

    @pytest.mark.parametrize("overtaken", [(inspect, "decode"), (bucket, "put")])
    def test_a_late_cut_file_does_not_replace_a_whole_one(
        self,
        replicate: ReplicateWithFiles,
        monkeypatch: pytest.MonkeyPatch,
        overtaken: tuple[ModuleType, str],
    ) -> None:
        body = noise("PNG")
        output = self.run(replicate, monkeypatch, overtaken, (body[:-2000], body))

        assert objects()[output.key]["Body"].read() == body
        assert output.thumbnail_key
