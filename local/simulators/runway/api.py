"""The HTTP API under `/v1`, with the faults of requests and responses."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from local.simulators.common.clock import Clock
from local.simulators.common.routing import JsonRequest, Router, json_response
from local.simulators.runway import problems
from local.simulators.runway.assets import AssetInvalid, fetch_image
from local.simulators.runway.faults import Fault, Faults
from local.simulators.runway.lifecycle import Lifecycle
from local.simulators.runway.model import MODELS, Inputs, find_model, image_uris
from local.simulators.runway.outcomes import decide_outcome
from local.simulators.runway.outputs import Outputs
from local.simulators.runway.tasks import Status, Task, TaskStore

VERSION = "2024-11-06"

_CREDITS = 10_000
_KEY = re.compile(r"Bearer key_\S+")
_REFUSALS: Mapping[Fault, Callable[[], problems.Problem]] = {
    "unauthenticated": problems.unauthenticated,
    "bad_gateway": problems.bad_gateway,
    "unavailable": problems.unavailable,
    "gateway_timeout": problems.gateway_timeout,
    "server_error": problems.server_error,
    "throttle": problems.throttled,
}


@dataclass(eq=False, kw_only=True)
class Api:
    """The routes that the real Runway has."""

    store: TaskStore
    lifecycle: Lifecycle
    outputs: Outputs
    faults: Faults
    clock: Clock

    def __post_init__(self) -> None:
        """Create the routes."""
        self._router = Router(
            [
                Rule(
                    f"/v1/<any({','.join(MODELS)}):endpoint>",
                    methods=["POST"],
                    endpoint=self._create,
                ),
                Rule("/v1/tasks/<task_id>", methods=["GET"], endpoint=self._get),
                Rule("/v1/tasks/<task_id>", methods=["DELETE"], endpoint=self._delete),
                Rule("/v1/organization", methods=["GET"], endpoint=self._get_organization),
            ],
            problems.error_response,
        )

    def respond(self, request: JsonRequest) -> Response:
        """Return the response. Raises ConnectionAbortedError if a fault drops the response."""
        refusal = self._refusal(request)
        return refusal.response() if refusal else self._router.respond(request)

    def _refusal(self, request: JsonRequest) -> problems.Problem | None:
        if not _KEY.fullmatch(request.headers.get("Authorization", "")):
            return problems.unauthenticated()
        if request.headers.get("X-Runway-Version") != VERSION:
            return problems.unknown_version()
        happened = (refuse() for fault, refuse in _REFUSALS.items() if self.faults.happens(fault))
        return next(happened, None)

    def _create(self, request: JsonRequest, endpoint: str) -> Response:
        body = request.document()
        model, inputs = find_model(endpoint, body)
        if model.name == self.faults.settings.retired_model:
            raise problems.no_such_model(model.name)
        if self.faults.happens("no_credits"):
            raise problems.no_credits()
        if self.faults.happens("daily_limit"):
            raise problems.daily_limit()
        outcome = decide_outcome(inputs, self.faults, sources=_fetch_images(inputs))
        task = Task(
            endpoint=endpoint,
            body=cast("Inputs", body),
            outcome=outcome,
            created_at=self.clock(),
            cost=model.cost(inputs),
            status=Status.THROTTLED if outcome.throttled_seconds else Status.PENDING,
        )
        self.lifecycle.begin(task)
        time.sleep(self.faults.settings.create_seconds)
        if self.faults.happens("late_gateway_timeout"):
            raise problems.gateway_timeout()
        if self.faults.happens("lost_create_answer"):
            raise ConnectionAbortedError
        return json_response({"id": task.id, "estimatedCost": {"credits": task.cost}})

    def _get(self, _request: JsonRequest, task_id: str) -> Response:
        task = self._find_task(task_id)
        return json_response(task.document(self.clock(), self.outputs.urls(task)))

    def _delete(self, _request: JsonRequest, task_id: str) -> Response:
        self.lifecycle.delete(self._find_task(task_id))
        return Response(status=HTTPStatus.NO_CONTENT)

    def _get_organization(self, _request: JsonRequest) -> Response:
        names = {name for models in MODELS.values() for name in models}
        names.discard(self.faults.settings.retired_model)
        limits = {"maxConcurrentGenerations": 5, "maxDailyGenerations": 1_000}
        return json_response(
            {
                "creditBalance": 0 if self.faults.happens("no_credits") else _CREDITS,
                "tier": {
                    "maxMonthlyCreditSpend": 1_000_000,
                    "models": dict.fromkeys(sorted(names), limits),
                },
                "usage": {"models": {name: {"dailyGenerations": 0} for name in sorted(names)}},
            }
        )

    def _find_task(self, task_id: str) -> Task:
        task = self.store.find(task_id)
        if task is None:
            raise problems.no_task()
        return task


def _fetch_images(inputs: Inputs) -> tuple[bytes, ...]:
    """Fetch the input images. Raises a Problem that says why an image cannot be used."""
    try:
        return tuple(fetch_image(uri) for uri in image_uris(inputs))
    except AssetInvalid as error:
        raise problems.unusable_asset("promptImage", str(error)) from error
