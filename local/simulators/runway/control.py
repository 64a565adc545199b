"""The routes that the real Runway does not have: the faults, and all tasks."""

from dataclasses import dataclass

from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from local.simulators.common.clock import Clock
from local.simulators.common.control import fault_rule, next_fault_rule
from local.simulators.common.routing import JsonRequest, json_response
from local.simulators.runway.faults import Faults
from local.simulators.runway.outputs import Outputs
from local.simulators.runway.tasks import TaskStore


@dataclass(frozen=True, kw_only=True)
class Control:
    """The routes for tests and demonstrations."""

    faults: Faults
    store: TaskStore
    outputs: Outputs
    clock: Clock

    def rules(self) -> list[Rule]:
        """Return the routes."""
        return [
            fault_rule(self.faults),
            next_fault_rule(self.faults),
            Rule("/sim/tasks", methods=["GET"], endpoint=self._get_tasks),
        ]

    def _get_tasks(self, _request: JsonRequest) -> Response:
        """Return every task with its input, oldest first, also the deleted tasks."""
        now = self.clock()
        tasks = [
            {
                **task.document(now, self.outputs.urls(task)),
                "endpoint": task.endpoint,
                "input": task.body,
                "deleted": task.deleted,
            }
            for task in self.store.all()
        ]
        return json_response({"tasks": tasks})
