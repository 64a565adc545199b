"""A job whose prediction has succeeded, and the files of its delivery host."""

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
from darkroom.storage import jobs
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


class StoreOutput:
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
