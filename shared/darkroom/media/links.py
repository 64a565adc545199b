"""Signed links to objects of the media bucket, which stay the same long enough for browser caches.

A link is signed as of the start of the current window, which is half of `link_seconds` long. So an
execution environment gives an object one link for the whole window. A link works for
`link_seconds` from the end of its window, so every response has links with at least that much time.

The client of S3 signs a link in 0.2 ms, because it validates, resolves and builds a request. A
response can have thousands of links. So a window computes everything that its links have in common
once, and a link costs two hashes. Source: Amazon S3 API Reference, "Authenticating Requests:
Using Query Parameters (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, urlencode, urlsplit

from darkroom.aws.clients import Credentials, client, credentials
from darkroom.settings import settings

_ALGORITHM = "AWS4-HMAC-SHA256"
# S3 accepts at most seven days (the same source), which must include the window.
_LIFE_SECONDS_MAX = 7 * 24 * 3_600 * 2 // 3
# A link to this key shows the host and the path of the bucket.
_SOME_KEY = "key"


@dataclass(frozen=True, slots=True)
class LinkWindow:
    """Signs the links of one window. All of them expire at `expires_at`."""

    expires_at: datetime
    _origin: str
    _path: str
    _query: str = field(repr=False)
    _time_and_scope: str
    _signing_key: bytes = field(repr=False)

    def link(self, key: str, *, filename: str | None = None) -> str:
        """Sign a link to an object.

        With a `filename`, a browser saves the object under this name instead of showing it. The
        name must be ASCII and contain no quotation mark.
        """
        path = self._path + quote(key)
        query = self._query
        if filename:
            disposition = quote(f'attachment; filename="{filename}"', safe="")
            # The parameters are sorted, and capital letters sort before small ones.
            query += f"&response-content-disposition={disposition}"
        host = self._origin.partition("://")[2]
        request = f"GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(request.encode()).hexdigest()
        signature = _hmac(self._signing_key, f"{self._time_and_scope}\n{digest}").hex()
        return f"{self._origin}{path}?{query}&X-Amz-Signature={signature}"


def current_window(now: datetime) -> LinkWindow:
    """Return the window at this time, with the current credentials of the process.

    The links do not expire later than the credentials, if the process knows when these expire.
    """
    life_seconds = min(settings().link_seconds, _LIFE_SECONDS_MAX)
    window_seconds = max(life_seconds // 2, 1)
    start = int(now.timestamp()) // window_seconds * window_seconds
    end = start + window_seconds + life_seconds
    signer = credentials()
    if signer.expires_at:
        end = min(end, int(signer.expires_at.timestamp()))
    return _window(start, end, signer, settings().media_bucket)


@lru_cache(maxsize=2)
def _window(start: int, end: int, signer: Credentials, bucket: str) -> LinkWindow:
    """Compute the common parts of the links. `start` and `end` are Unix times in seconds."""
    s3 = client("s3")
    region: str = s3.meta.region_name
    time = f"{datetime.fromtimestamp(start, UTC):%Y%m%dT%H%M%SZ}"
    day = time.partition("T")[0]
    scope = f"{day}/{region}/s3/aws4_request"
    parameters = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{signer.access_key_id}/{scope}",
        "X-Amz-Date": time,
        "X-Amz-Expires": str(end - start),
        "X-Amz-SignedHeaders": "host",
    }
    if signer.session_token:
        parameters["X-Amz-Security-Token"] = signer.session_token
    signing_key = f"AWS4{signer.secret_access_key}".encode()
    for part in scope.split("/"):
        signing_key = _hmac(signing_key, part)
    # Only the client knows the URL of a bucket: it has the endpoints of all partitions.
    some_link = urlsplit(
        s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": _SOME_KEY})
    )
    return LinkWindow(
        expires_at=datetime.fromtimestamp(end, UTC),
        _origin=f"{some_link.scheme}://{some_link.netloc}",
        _path=some_link.path.removesuffix(_SOME_KEY),
        _query=urlencode(sorted(parameters.items()), quote_via=quote, safe=""),
        _time_and_scope=f"{_ALGORITHM}\n{time}\n{scope}",
        _signing_key=signing_key,
    )


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
