"""The local S3 responds to browsers and players as S3 does: CORS, HEAD, ranges, 304, file names.

Sources: Amazon S3 API Reference, "GetObject" and "HeadObject", and Amazon S3 User Guide, "Using
cross-origin resource sharing (CORS)".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.cloudformation.account import ADMINISTRATOR, client
from local.cloudformation.aws_endpoint import LocalAws
from tests.aws import TEMPLATE

BUCKET, KEY, BODY = "media", "media/web/ann/1/0.webp", bytes(range(256))
GALLERY = {"Origin": "https://gallery.example"}
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
RULE = TEMPLATE["Resources"]["MediaBucket"]["Properties"]["CorsConfiguration"]["CorsRules"][0]


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A client of a bucket with the CORS rule of the template, for one origin."""
    aws = LocalAws(0)
    aws.start()
    s3 = client("s3", aws.url, ADMINISTRATOR)
    s3.create_bucket(Bucket=BUCKET)
    rule = {
        "AllowedMethods": RULE["AllowedMethods"],
        "AllowedOrigins": [GALLERY["Origin"]],
        "AllowedHeaders": RULE["AllowedHeaders"],
        "ExposeHeaders": RULE["ExposedHeaders"],
        "MaxAgeSeconds": RULE["MaxAge"],
    }
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})
    s3.put_object(
        Bucket=BUCKET,
        Key=KEY,
        Body=BODY,
        ContentType="image/webp",
        CacheControl="private, no-cache",
    )
    yield s3
    aws.stop()


def link(s3: Any, operation: str = "get_object", **parameters: str) -> str:
    target = {"Bucket": BUCKET, "Key": KEY, **parameters}
    url: str = s3.generate_presigned_url(operation, target)
    return url


def get(url: str, method: str = "GET", **headers: str) -> requests.Response:
    return requests.request(method, url, headers=headers, timeout=5)


def cors_of(response: requests.Response) -> dict[str, str]:
    return {
        name: value
        for name, value in response.headers.items()
        if name.lower().startswith("access-control-") or name == "Vary"
    }


def test_without_an_allowed_origin_a_response_has_no_cors_headers(s3: Any) -> None:
    image = get(link(s3))
    other = get(link(s3), Origin="https://other.example")

    assert (image.status_code, image.content, cors_of(image)) == (200, BODY, {})
    assert (other.status_code, other.content, cors_of(other)) == (200, BODY, {"Vary": VARY})


def test_a_page_of_an_allowed_origin_sees_length_range_tag_and_name(s3: Any) -> None:
    response = get(link(s3), **GALLERY)

    assert (response.status_code, response.content) == (200, BODY)
    assert cors_of(response) == {
        "Access-Control-Allow-Origin": GALLERY["Origin"],
        "Access-Control-Allow-Methods": "GET, HEAD, POST",
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": (
            "Content-Disposition, Content-Length, Content-Range, ETag"
        ),
        "Access-Control-Max-Age": "600",
        "Vary": VARY,
    }
    assert {"ETag", "Content-Length"} <= response.headers.keys()


def test_a_link_allows_the_method_that_it_was_signed_for(s3: Any) -> None:
    head = get(link(s3, "head_object"), "HEAD", **GALLERY)

    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "256", b"")
    assert head.headers["Access-Control-Allow-Origin"] == GALLERY["Origin"]
    assert get(link(s3), "HEAD").status_code == 403
    assert get(link(s3, "head_object")).status_code == 403


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=250-", 250, 255),
        ("bytes=-6", 250, 255),
        ("bytes=9-999", 9, 255),
    ],
)
def test_a_player_reads_a_part_of_an_object(s3: Any, asked: str, first: int, last: int) -> None:
    part = get(link(s3), Range=asked, **GALLERY)

    assert (part.status_code, part.content) == (206, BODY[first : last + 1])
    assert part.headers["Content-Range"] == f"bytes {first}-{last}/256"
    assert part.headers["Access-Control-Allow-Origin"] == GALLERY["Origin"]


def test_a_part_behind_the_end_does_not_exist(s3: Any) -> None:
    assert get(link(s3), Range="bytes=256-").status_code == 416


@pytest.mark.parametrize("origin", [{}, GALLERY])
def test_a_browser_that_has_the_object_gets_no_body(s3: Any, origin: dict[str, str]) -> None:
    with requests.Session() as session:
        first = session.get(link(s3), timeout=5)
        known = {"If-None-Match": first.headers["ETag"], **origin}
        again = session.get(link(s3), headers=known, timeout=5)
        other = session.get(link(s3), headers={"If-None-Match": '"other"'}, timeout=5)

    assert first.headers["Cache-Control"] == "private, no-cache"
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers.get("Access-Control-Allow-Origin") == origin.get("Origin")
    assert (other.status_code, other.content) == (200, BODY)


def test_a_signed_file_name_is_sent_and_cannot_be_changed(s3: Any) -> None:
    named = link(s3, ResponseContentDisposition='attachment; filename="flux-1.webp"')

    response = get(named, **GALLERY)

    assert response.headers["Content-Disposition"] == 'attachment; filename="flux-1.webp"'
    assert "Content-Disposition" not in get(link(s3)).headers
    assert get(named.replace("flux-1", "flux-2")).status_code == 403
    assert get(link(s3) + "&response-content-disposition=attachment").status_code == 403
