"""The Files API. An input can be the URL of an uploaded file. A model needs no token to read it."""

import hashlib
import json
import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from typing import Any

from werkzeug.routing import Rule
from werkzeug.wrappers import Request, Response

from local.simulators.common.clock import Clock
from local.simulators.common.routing import json_response
from local.simulators.replicate import problems
from local.simulators.replicate.paging import page_of
from local.simulators.replicate.validation import InvalidField

FILE_BYTES_MAX = 100_000_000
_NAME_BYTES_MAX = 255
_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class _File:
    name: str
    content_type: str
    metadata: dict[str, Any]
    body: bytes
    created_at: datetime
    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @cached_property
    def md5(self) -> str:
        return hashlib.md5(self.body, usedforsecurity=False).hexdigest()

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


class Files:
    """The uploaded files. A file is deleted after a day, or on request."""

    def __init__(self, base_url: str, clock: Clock) -> None:
        """Start without files."""
        self._url = f"{base_url}/v1/files"
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}

    def rules(self) -> list[Rule]:
        """Return the routes."""
        return [
            Rule("/v1/files", methods=["POST"], endpoint=self._create),
            Rule("/v1/files", methods=["GET"], endpoint=self._list),
            Rule("/v1/files/<file_id>", methods=["GET"], endpoint=self._get),
            Rule("/v1/files/<file_id>", methods=["DELETE"], endpoint=self._delete),
        ]

    def body_of(self, url: str) -> bytes | None:
        """Return the body of the file with this URL, or None for any other URL."""
        found = (
            self._unexpired().get(url.removeprefix(f"{self._url}/"))
            if url.startswith(self._url)
            else None
        )
        return found.body if found else None

    def _create(self, request: Request) -> Response:
        content = request.files.get("content")
        if content is None:
            raise problems.invalid([InvalidField("required", "content", "content is required")])
        body = content.read()
        if len(body) > FILE_BYTES_MAX:
            raise problems.too_large()
        name = request.form.get("filename") or content.filename or "file"
        if len(name.encode()) > _NAME_BYTES_MAX:
            raise problems.invalid(
                [InvalidField("max_length", "filename", f"Must be at most {_NAME_BYTES_MAX} bytes")]
            )
        content_type = request.form.get("type") or content.mimetype or "application/octet-stream"
        file = _File(
            name=name,
            content_type=content_type,
            metadata=_metadata(request),
            body=body,
            created_at=self._clock(),
        )
        with self._lock:
            self._files[file.id] = file
        return json_response(self._document(file), HTTPStatus.CREATED)

    def _list(self, request: Request) -> Response:
        return json_response(
            page_of(
                [*self._unexpired().values()],
                request.args.to_dict(),
                url=self._url,
                document=self._document,
            )
        )

    def _get(self, _request: Request, file_id: str) -> Response:
        return json_response(self._document(self._find(file_id)))

    def _delete(self, _request: Request, file_id: str) -> Response:
        self._find(file_id)
        with self._lock:
            self._files.pop(file_id, None)
        return Response(status=HTTPStatus.NO_CONTENT)

    def _find(self, file_id: str) -> _File:
        file = self._unexpired().get(file_id)
        if file is None:
            raise problems.not_found()
        return file

    def _unexpired(self) -> dict[str, _File]:
        now = self._clock()
        with self._lock:
            self._files = {
                file.id: file for file in self._files.values() if now < file.created_at + _LIFETIME
            }
            return dict(self._files)

    def _document(self, file: _File) -> dict[str, Any]:
        return {
            "id": file.id,
            "name": file.name,
            "content_type": file.content_type,
            "size": len(file.body),
            "etag": file.md5,
            "checksums": {"sha256": file.sha256, "md5": file.md5},
            "metadata": file.metadata,
            "created_at": file.created_at.isoformat(),
            "expires_at": (file.created_at + _LIFETIME).isoformat(),
            "urls": {"get": f"{self._url}/{file.id}"},
        }


def _metadata(request: Request) -> dict[str, Any]:
    # The official JavaScript client sends the metadata as a file.
    file = request.files.get("metadata")
    try:
        metadata = json.loads((file.read() if file else request.form.get("metadata")) or "{}")
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        raise problems.invalid([InvalidField("type", "metadata", "Must be a JSON object")])
    return metadata
