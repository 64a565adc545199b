"""The step StoreOutput: the stored variants of an output, and what they and the file say."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from tests.integration.servers import Reply
from tests.integration.store_output.delivery import (
    ReplicateWithFiles,
    image,
    objects,
    processing_job,
    store,
)

pytestmark = pytest.mark.usefixtures("aws")

PROMPT = "a lighthouse at dawn"


def test_previews_are_stored_smaller_first_and_recorded_with_their_sizes(
    replicate: ReplicateWithFiles,
) -> None:
    job = processing_job()
    with replicate.returning("/a", {"/a": Reply(200, image("PNG", (1600, 800)))}):
        (output,) = store(job).outputs

    in_bucket = objects()
    prefix = f"media/web/ann/{job.job_id}/0"
    assert [(each.key, each.width, each.height) for each in output.previews] == [
        (f"{prefix}.512.webp", 512, 256),
        (f"{prefix}.1024.webp", 1024, 512),
    ]
    for preview in output.previews:
        stored = in_bucket[preview.key]
        body = stored["Body"].read()
        assert (stored["ContentType"], len(body)) == ("image/webp", preview.bytes)
        found = Image.open(BytesIO(body))
        assert (found.format, found.size) == ("WEBP", (preview.width, preview.height))


def test_variants_say_that_a_model_made_them_and_do_not_contain_the_prompt(
    replicate: ReplicateWithFiles,
) -> None:
    body = image("PNG", (600, 400))
    with replicate.returning("/a", {"/a": Reply(200, body)}):
        job = store(processing_job(prompt=PROMPT))

    (output,) = job.outputs
    bodies = {key: stored["Body"].read() for key, stored in objects().items()}
    assert bodies.pop(output.key) == body
    assert len(bodies) == 3
    for variant in bodies.values():
        assert b"digitalsourcetype/trainedAlgorithmicMedia" in variant
        assert job.model_input.model.encode() in variant
        assert PROMPT.encode() not in variant


@pytest.mark.parametrize("chunk_type", [b"caBX", b"teSt"])
def test_a_manifest_of_the_provider_is_kept_and_recorded(
    replicate: ReplicateWithFiles, chunk_type: bytes
) -> None:
    whole, data = image("PNG"), b"a manifest"
    checksum = struct.pack(">I", zlib.crc32(chunk_type + data))
    chunk = struct.pack(">I", len(data)) + chunk_type + data + checksum
    body = whole[:33] + chunk + whole[33:]
    with replicate.returning("/a", {"/a": Reply(200, body)}):
        (output,) = store(processing_job()).outputs

    assert output.c2pa is (chunk_type == b"caBX")
    assert objects()[output.key]["Body"].read() == body
