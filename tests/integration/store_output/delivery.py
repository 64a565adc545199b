"""A job with a recorded prediction, and the files of its output."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import Job
from darkroom.storage import attempts
from tests.aws import CONTEXT, client, handler_of
from tests.builders import held_job, stored
from tests.integration.servers import Received, Reply, server
from tests.integration.steps import BUCKET, key, with_setting


def image(
    file_format: str = "WEBP", size: tuple[int, int] = (300, 200), mode: str = "RGB", **save: Any
) -> bytes:
    buffer = BytesIO()
    Image.new(mode, size, "teal" if mode != "P" else 3).save(buffer, file_format, **save)
    return buffer.getvalue()


def damaged_image(seed: int) -> bytes:
    """Return an image with orientation and caption, and change 1 to 4 of its first 300 bytes."""
    generator = random.Random(seed)
    image = Image.new("RGB", (80, 60), "teal")
    exif = image.getexif()
    exif[274], exif[270] = 6, "a caption"
    buffer = BytesIO()
    image.save(buffer, ("PNG", "JPEG", "WEBP")[seed % 3], exif=exif)
    damaged = bytearray(buffer.getvalue())
    for _ in range(generator.randint(1, 4)):
        damaged[generator.randrange(min(300, len(damaged)))] = generator.choice(
            [0, 255, generator.randrange(256)]
        )
    return bytes(damaged)


class ReplicateWithFiles:
    """A Replicate with one prediction, and the delivery host with the files of its output."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.downloads: list[Received] = []

    @contextmanager
    def returning(
        self,
        output: object,
        files: dict[str, Reply] | None = None,
        *,
        files_with_token: dict[str, Reply] | None = None,
        **prediction: Any,
    ) -> Iterator[None]:
        """Serve a prediction with this output. A path in the output becomes the URL of a file.

        A request with a token gets `files_with_token`, if given.
        """

        def respond(request: Received) -> Reply:
            if request.path.startswith("/v1/predictions/"):
                base_url = f"http://{request.headers['host']}"
                document = {
                    "id": "p1",
                    "status": "succeeded",
                    "output": with_urls(output, base_url),
                    **prediction,
                }
                return Reply(
                    200, json.dumps(document).encode(), {"Content-Type": "application/json"}
                )
            self.downloads.append(request)
            has_token = "authorization" in request.headers
            served = (files_with_token if has_token else files) or files or {}
            return served.get(request.path, Reply(404))

        with server(respond) as base_url:
            self._monkeypatch.setenv("REPLICATE_BASE_URL", f"{base_url}/v1")
            with_setting(self._monkeypatch, "DELIVERY_HOSTS", base_url.removeprefix("http://"))
            yield


def with_urls(output: object, base_url: str) -> object:
    return json.loads(json.dumps(output).replace('"/', f'"{base_url}/'))


def processing_job(**parameters: Any) -> Job:
    """Return a job whose prediction p1 is recorded."""
    job, now = held_job(**parameters), datetime.now(UTC)
    attempt = attempts.begin_attempt(job, "entry", lease_until=now, now=now)
    assert attempt
    assert attempts.record_prediction(job, attempt, "p1", now=now)
    return stored(job)


def store(job: Job) -> Job:
    """Run the step StoreOutput, and return the stored job."""
    handler_of("store_output")(key(job), CONTEXT)
    return stored(job)


def recorded_failure(job: Job) -> FailureCode:
    """Run the step StoreOutput, which must fail, and return the failure code on the job."""
    with pytest.raises(GenerationFailed) as failed:
        store(job)
    recorded = stored(job).failure
    assert recorded
    assert recorded == failed.value.failure
    return recorded.code


def objects() -> dict[str, Any]:
    """Return each object of the bucket by its key."""
    s3 = client("s3")
    listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {item["Key"]: s3.get_object(Bucket=BUCKET, Key=item["Key"]) for item in listed}
