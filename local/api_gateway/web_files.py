"""Serves the gallery, the files of `web/`, at the port of the API."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request, Response

from local.api_gateway.http_server import Application, Environ, StartResponse
from local.loopback import is_forwarded, is_own_host
from tools.web.files import (
    content_security_policy,
    is_compressible,
    security_headers,
    served_type,
)

CONFIG = "config.json"
# The gallery offers to sign in as one of them. Their jobs are the demo data.
DEMO_USERS = ("demo-ann", "demo-bob", "demo-cy")
DEMO_ADMIN = "demo-admin"
_EXAMPLES, _EXAMPLE_SUFFIX = "examples", ".webp"
_FILES_CACHED_MAX = 128


class WebFiles:
    """A WSGI application: the files of the gallery, and the API at all other paths.

    It serves GET and HEAD of files that exist, and only where no route of the API matches. Like the
    token endpoint, it serves only requests of this machine: the gallery cannot sign in elsewhere.
    """

    def __init__(
        self,
        api: Application,
        *,
        root: Path,
        has_route: Callable[[str, str], bool],
        bucket_origin: str,
    ) -> None:
        """Serve the files below `root`. The page may load from `bucket_origin`.

        `has_route` returns whether the API has a route for a method and a path.
        """
        self._api = api
        self._root = root
        self._has_route = has_route
        self._headers = security_headers(content_security_policy(bucket=bucket_origin))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request."""
        request = Request(environ)
        response = self._respond(request) if self._is_for_gallery(request) else None
        return (response or self._api)(environ, start_response)

    def _is_for_gallery(self, request: Request) -> bool:
        # The API refuses HEAD of its own paths, so a route for GET also excludes HEAD of a file.
        return (
            request.method in ("GET", "HEAD")
            and not self._has_route("GET", request.path)
            and is_own_host(request.headers.get("Host", ""), int(request.environ["SERVER_PORT"]))
            and not is_forwarded(request.headers)
        )

    def _respond(self, request: Request) -> Response | None:
        """Return the response, or None if there is no such file.

        The file is read for each request, so a change of it is visible without a restart.
        """
        path = request.path.removeprefix("/") or "index.html"
        if path == CONFIG:
            body = json.dumps(self._config()).encode()
            response = self._response(request, body, "application/json")
            response.headers["Cache-Control"] = "no-store"
            return response
        content_type = served_type(self._root, path)
        if content_type is None:
            return None
        return self._response(request, (self._root / path).read_bytes(), content_type)

    def _config(self) -> dict[str, Any]:
        examples = sorted((self._root / _EXAMPLES).glob(f"*{_EXAMPLE_SUFFIX}"))
        return {
            "api": "",
            "sign_in": {"kind": "local", "users": [*DEMO_USERS, DEMO_ADMIN], "admin": DEMO_ADMIN},
            "buy_credits_url": None,
            "examples": [each.stem for each in examples],
        }

    def _response(self, request: Request, body: bytes, content_type: str) -> Response:
        response = Response(body, content_type=content_type, headers=self._headers)
        tag = hashlib.sha256(body).hexdigest()[:32]
        if is_compressible(content_type):
            response.headers["Vary"] = "Accept-Encoding"
            if request.accept_encodings["gzip"] > 0:
                response.set_data(_compressed(body))
                response.headers["Content-Encoding"] = "gzip"
                tag = f"{tag}-gzip"
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(tag)
        response.make_conditional(request)
        del response.headers["Date"]  # the server sends one itself
        return response


@lru_cache(maxsize=_FILES_CACHED_MAX)
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)
