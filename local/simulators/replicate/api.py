"""The HTTP API under `/v1`, with the faults of requests and responses."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from local.simulators.common.clock import Clock
from local.simulators.common.routing import JsonRequest, Router, json_response
from local.simulators.replicate import problems
from local.simulators.replicate.create_refusals import REFUSALS
from local.simulators.replicate.create_request import parse_create_request, parse_prefer
from local.simulators.replicate.faults import Faults
from local.simulators.replicate.files import Files
from local.simulators.replicate.lifecycle import Lifecycle
from local.simulators.replicate.model import Model, model_document, version_document
from local.simulators.replicate.model_table import ModelTable
from local.simulators.replicate.outcomes import decide_outcome
from local.simulators.replicate.paging import page_of_predictions
from local.simulators.replicate.predictions import OPEN, Prediction, PredictionStore
from local.simulators.replicate.ratelimit import LowCredit, TokenBucket

# Source: Replicate docs, "Rate limits".
CREATES_PER_MINUTE = 600
OTHERS_PER_MINUTE = 3000
RETRY_AFTER_SECONDS = 2
_VISIBLE_AFTER = timedelta(seconds=60)

_TOKEN = re.compile(r"(?:Bearer|Token) r8_\S*")


@dataclass(eq=False, kw_only=True)
class Api:
    """The routes that the real Replicate has."""

    base_url: str
    webhook_secret: str
    store: PredictionStore
    lifecycle: Lifecycle
    faults: Faults
    files: Files
    models: ModelTable
    clock: Clock

    def __post_init__(self) -> None:
        """Create the routes."""
        self._creates = TokenBucket(CREATES_PER_MINUTE)
        self._others = TokenBucket(OTHERS_PER_MINUTE)
        self._low_credit = LowCredit()
        self._router = Router(
            [
                Rule("/v1/predictions", methods=["POST"], endpoint=self._create),
                Rule("/v1/predictions", methods=["GET"], endpoint=self._list),
                Rule("/v1/predictions/<prediction_id>", methods=["GET"], endpoint=self._get),
                Rule(
                    "/v1/predictions/<prediction_id>/cancel",
                    methods=["POST"],
                    endpoint=self._cancel,
                ),
                Rule("/v1/models/<owner>/<name>", methods=["GET"], endpoint=self._get_model),
                Rule(
                    "/v1/models/<owner>/<name>/predictions",
                    methods=["POST"],
                    endpoint=self._create_of_model,
                ),
                Rule(
                    "/v1/models/<owner>/<name>/versions",
                    methods=["GET"],
                    endpoint=self._list_versions,
                ),
                Rule(
                    "/v1/models/<owner>/<name>/versions/<version_id>",
                    methods=["GET"],
                    endpoint=self._get_version,
                ),
                Rule("/v1/account", methods=["GET"], endpoint=self._get_account),
                Rule(
                    "/v1/webhooks/default/secret",
                    methods=["GET"],
                    endpoint=self._get_webhook_secret,
                ),
                *self.files.rules(),
            ],
            problems.error_response,
        )

    def respond(self, request: JsonRequest) -> Response:
        """Return the response. Raises ConnectionAbortedError if a fault drops the response."""
        refusal = self._refusal(request)
        response = refusal.response() if refusal else self._router.respond(request)
        creates = request.method == "POST" and request.path.endswith("/predictions")
        for name, value in (self._creates if creates else self._others).take().items():
            response.headers.setdefault(name, value)
        return response

    def _refusal(self, request: JsonRequest) -> problems.Problem | None:
        if not _TOKEN.fullmatch(request.headers.get("Authorization", "")) or self.faults.happens(
            "unauthenticated"
        ):
            return problems.unauthenticated()
        if self.faults.happens("server_error"):
            return problems.server_error()
        if self.faults.happens("unavailable"):
            return problems.unavailable()
        if self.faults.happens("throttle"):
            return problems.throttled(RETRY_AFTER_SECONDS)
        return None

    def _create(self, request: JsonRequest) -> Response:
        return self._create_prediction(request, None)

    def _create_of_model(self, request: JsonRequest, owner: str, name: str) -> Response:
        model = self._find_model(owner, name, "/predictions")
        if not model.official:
            raise problems.not_found()
        return self._create_prediction(request, model)

    def _create_prediction(self, request: JsonRequest, model: Model | None) -> Response:
        if self.faults.happens("no_credit"):
            raise problems.insufficient_credit()
        if self.faults.happens("refuse"):
            raise REFUSALS[self.faults.settings.refusal]
        if self.faults.happens("low_credit") and (seconds_left := self._low_credit.seconds_left()):
            raise problems.throttled(seconds_left)
        wait_seconds = parse_prefer(request.headers.get("Prefer"))
        create_request = parse_create_request(
            request.document(),
            models=self.models,
            model=model,
            cancel_after=request.headers.get("Cancel-After"),
        )
        now = _milliseconds(self.clock())
        outcome = decide_outcome(create_request.model, create_request.input, self.faults)
        seconds = 0 if outcome.ends_early == "aborted" else create_request.cancel_after_seconds
        prediction = Prediction(
            model=create_request.model,
            input=create_request.input,
            outcome=outcome,
            created_at=now,
            deadline=None if seconds is None else now + timedelta(seconds=seconds),
            webhook=create_request.webhook,
            webhook_events_filter=create_request.webhook_events_filter,
        )
        self.lifecycle.begin(prediction)
        if self.faults.happens("lost_create_answer"):
            raise ConnectionAbortedError
        return self._create_response(prediction, wait_seconds)

    def _create_response(self, prediction: Prediction, wait_seconds: int | None) -> Response:
        if wait_seconds is None:
            return json_response(self.lifecycle.document(prediction), HTTPStatus.CREATED)
        final_state = self.store.wait(prediction.id, wait_seconds)
        # The official clients handle every status except "starting" as final. So an open
        # prediction is returned in its first state.
        visible_state = prediction if final_state.status in OPEN else final_state
        response = json_response(self.lifecycle.document(visible_state), HTTPStatus.CREATED)
        response.headers["Preference-Applied"] = f"wait={wait_seconds}"
        return response

    def _list(self, request: JsonRequest) -> Response:
        page = page_of_predictions(
            self.store.all(),
            request.args.to_dict(),
            url=f"{self.base_url}/v1/predictions",
            document=self.lifecycle.document,
        )
        if self.faults.happens("list_without_webhook"):
            for each in page["results"]:
                each.pop("webhook", None)
        return json_response(page)

    def _get(self, _request: JsonRequest, prediction_id: str) -> Response:
        prediction = self._find_prediction(prediction_id)
        if self.clock() < prediction.created_at + _VISIBLE_AFTER and self.faults.happens("not_yet"):
            raise problems.not_found()
        return json_response(self.lifecycle.document(prediction))

    def _cancel(self, _request: JsonRequest, prediction_id: str) -> Response:
        self.lifecycle.cancel(self._find_prediction(prediction_id).id)
        return json_response(self.lifecycle.document(self._find_prediction(prediction_id)))

    def _find_prediction(self, prediction_id: str) -> Prediction:
        prediction = self.store.find(prediction_id)
        if prediction is None:
            raise problems.not_found()
        return prediction

    def _get_model(self, _request: JsonRequest, owner: str, name: str) -> Response:
        return json_response(model_document(self._find_model(owner, name), self.base_url))

    def _list_versions(self, _request: JsonRequest, owner: str, name: str) -> Response:
        return json_response(
            {
                "next": None,
                "previous": None,
                "results": [version_document(self._find_model(owner, name, "/versions"))],
            }
        )

    def _get_version(
        self, _request: JsonRequest, owner: str, name: str, version_id: str
    ) -> Response:
        self._find_model(owner, name, f"/versions/{version_id}")
        model = self.models.find_by_version(f"{owner}/{name}:{version_id}")
        if model is None:
            raise problems.not_found()
        return json_response(version_document(model))

    def _find_model(self, owner: str, name: str, rest: str = "") -> Model:
        """Return a model. Raises a Problem: 404, or a redirect for a renamed model."""
        new_name = self.models.moved_to(f"{owner}/{name}")
        if new_name is not None:
            raise problems.moved(f"{self.base_url}/v1/models/{new_name}{rest}")
        model = self.models.find_by_name(f"{owner}/{name}")
        if model is None:
            raise problems.not_found()
        return model

    def _get_account(self, _request: JsonRequest) -> Response:
        return json_response(
            {
                "type": "organization",
                "username": "darkroom",
                "name": "Darkroom",
                "github_url": None,
                "avatar_url": None,
            }
        )

    def _get_webhook_secret(self, _request: JsonRequest) -> Response:
        return json_response({"key": self.webhook_secret})


def _milliseconds(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
