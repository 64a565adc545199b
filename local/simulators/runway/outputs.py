"""The delivery host of the videos. A signed URL gives access. A GET of a task signs a new URL."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from werkzeug.routing import Rule
from werkzeug.wrappers import Request, Response

from local.simulators.common.clock import Clock
from local.simulators.runway.tasks import Task, TaskStore

_ALGORITHM = "HS256"


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Signs the URLs of the videos. A video is drawn when a client fetches it."""

    base_url: str
    store: TaskStore
    clock: Clock
    lifetime: timedelta
    _key: OctKey = field(
        default_factory=lambda: OctKey.import_key(secrets.token_bytes(32)), repr=False
    )

    def urls(self, task: Task) -> list[str]:
        """Return the URLs of a task's output. They expire after the lifetime."""
        if task.video is None:
            return []
        claims = {"sub": task.id, "exp": (self.clock() + self.lifetime).timestamp()}
        token = jwt.encode({"alg": _ALGORITHM}, claims, self._key)
        return [f"{self.base_url}/outputs/{task.id}.mp4?_jwt={token}"]

    def rules(self) -> list[Rule]:
        """Return the routes of the delivery host."""
        return [Rule("/outputs/<task_id>.mp4", methods=["GET"], endpoint=self._fetch)]

    def _fetch(self, request: Request, task_id: str) -> Response:
        if not self._is_valid(request.args.get("_jwt", ""), task_id):
            return Response("Access denied", HTTPStatus.FORBIDDEN)
        task = self.store.find(task_id)
        if task is None or task.video is None:
            return Response("Not found", HTTPStatus.NOT_FOUND)
        return Response(task.video.render(), content_type=task.video.content_type)

    def _is_valid(self, token: str, task_id: str) -> bool:
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
        except (JoseError, ValueError):
            return False
        return bool(claims["sub"] == task_id and self.clock().timestamp() < claims["exp"])
