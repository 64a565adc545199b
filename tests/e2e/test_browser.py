"""A browser uses one link to an output as an image, by fetch, on a canvas, and for a download."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from werkzeug.wrappers import Request

from local.cloudformation.aws_endpoint import AwsEndpoint
from local.stack import LocalStack
from tests.chromium import NotHere, Visit, chromium, visit
from tests.e2e.actors import Actor

PAGE = (Path(__file__).parent / "use_links.html").read_text(encoding="utf-8")
# The header of the objects of release 0.1.0.
WITHOUT_REVALIDATION = "private, max-age=3600, immutable"


@pytest.fixture(autouse=True)
def browser() -> None:
    """Without Chromium, skip the test; fail in CI."""
    try:
        chromium()
    except NotHere as missing:
        if os.environ.get("CI"):
            pytest.fail(f"the links must be tried in CI: {missing}")
        warnings.warn(f"no browser tries the links: {missing}", stacklevel=1)
        pytest.skip(f"not tried: {missing}")


@pytest.fixture
def s3_log(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Record the path and the status of each GET that the local S3 responds to."""
    log: list[tuple[str, int]] = []
    respond_as_s3 = AwsEndpoint._respond_as_s3

    def respond(
        endpoint: AwsEndpoint, request: Request, environ: Any, start_response: Any
    ) -> Iterable[bytes]:
        def start(status: str, headers: Any, *error: object) -> object:
            if request.method == "GET":
                log.append((request.path, int(status.split(maxsplit=1)[0])))
            return start_response(status, headers, *error)

        return respond_as_s3(endpoint, request, environ, start)

    monkeypatch.setattr(AwsEndpoint, "_respond_as_s3", respond)
    return log


def link_to_old_object(stack: LocalStack, body: bytes, content_type: str) -> str:
    """Store an object as release 0.1.0 did, and return a link to it."""
    s3 = stack.client("s3")
    target = {"Bucket": stack.physical_id("MediaBucket"), "Key": "media/web/old/0.webp"}
    s3.put_object(**target, Body=body, ContentType=content_type, CacheControl=WITHOUT_REVALIDATION)
    url: str = s3.generate_presigned_url("get_object", target)
    return url


def opened(home: Path, job: dict[str, Any], **links: str) -> Visit:
    """Open the page with the links of a job's first output, and with more links."""
    output = job["outputs"][0]
    data = {
        "links": {"output": output["url"], **links},
        "toSave": {**output, "name": "fetched.webp"},
    }
    return visit(PAGE.replace('"LINKS"', json.dumps(data)), home, downloads_count=2)


def test_one_link_works_as_image_by_fetch_on_a_canvas_and_for_a_download(
    actor: Actor, stack: LocalStack, s3_log: list[tuple[str, int]], tmp_path: Path
) -> None:
    job = actor.ended(actor.submit(output_format="webp"))
    (output,) = job["outputs"]
    body = requests.get(output["url"], timeout=10).content
    old = link_to_old_object(stack, body, output["content_type"])
    assert actor.client.get(f"/jobs/{job['id']}")["outputs"] == job["outputs"]
    s3_log.clear()

    seen = opened(tmp_path, job, old=old)

    report = seen.report["output"]
    assert report["image"] == [output["width"], output["height"]]
    assert (report["fetch"]["status"], report["fetch"]["bytes"]) == (200, output["bytes"])
    assert report["fetch"]["headers"].keys() >= {"content-length", "etag"}
    assert report["canvas"] == 255
    assert report["range"] == [206, f"bytes 0-9/{output['bytes']}"]
    day = job["created_at"].partition("T")[0]
    assert seen.files == {"fetched.webp": body, f"flux-schnell-{day}-1.webp": body}

    # The image transfers the object. Fetch, canvas, range and a file of the same link ask for
    # changes. The link with a name is another one, so it transfers the object again.
    path = urlsplit(output["url"]).path
    assert [status for of, status in s3_log if of == path] == [200, 304, 304, 304, 304, 200]

    # Without revalidation, the browser uses the stored response without CORS headers.
    assert seen.report["old"]["image"] == report["image"]
    assert "Failed to fetch" in seen.report["old"]["fetch"]
    assert "does not load" in seen.report["old"]["canvas"]
