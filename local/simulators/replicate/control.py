"""The routes that the real Replicate does not have: the faults, and records for tests."""

from dataclasses import dataclass

from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from local.simulators.common.control import fault_rule, next_fault_rule
from local.simulators.common.routing import JsonRequest, json_response
from local.simulators.replicate.deliveries import Deliveries
from local.simulators.replicate.faults import Faults
from local.simulators.replicate.model_table import ModelTable
from local.simulators.replicate.predictions import PredictionStore
from local.simulators.replicate.webhooks import Outbox


@dataclass(frozen=True, kw_only=True)
class Control:
    """The routes for tests and demonstrations."""

    base_url: str
    faults: Faults
    store: PredictionStore
    outbox: Outbox
    deliveries: Deliveries
    models: ModelTable

    def rules(self) -> list[Rule]:
        """Return the routes."""
        return [
            fault_rule(self.faults),
            next_fault_rule(self.faults),
            Rule("/sim/models", methods=["GET", "PUT"], endpoint=self._models),
            Rule("/sim/predictions", methods=["GET"], endpoint=self._get_predictions),
            Rule("/sim/webhooks", methods=["GET"], endpoint=self._get_webhooks),
            Rule("/sim/deliveries", methods=["GET"], endpoint=self._get_deliveries),
        ]

    def _models(self, request: JsonRequest) -> Response:
        """GET returns the changes of models, and PUT replaces them (ModelTable)."""
        if request.method == "PUT":
            self.models.set(request.document())
        return json_response(self.models.document())

    def _get_predictions(self, _request: JsonRequest) -> Response:
        """Return every prediction with its data, oldest first, despite faults and retention."""
        return json_response(
            {"predictions": [each.document(self.base_url) for each in self.store.all()]}
        )

    def _get_webhooks(self, _request: JsonRequest) -> Response:
        return json_response({"webhooks": self.outbox.tries()})

    def _get_deliveries(self, _request: JsonRequest) -> Response:
        return json_response({"deliveries": self.deliveries.requests()})
