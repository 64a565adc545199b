"""The tasks of the simulated Runway: states, costs and deletion."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import override

import pytest
import requests

from local.simulators.common.scheduler import Scheduler
from local.simulators.runway import SimulatedRunway
from local.simulators.runway.faults import Faults, FaultSettings
from local.simulators.runway.lifecycle import Lifecycle
from local.simulators.runway.outcomes import decide_outcome
from local.simulators.runway.tasks import Status, Task, TaskStore
from tests.integration.simulated_runway.wire import IMAGE_TO_VIDEO, TEXT_TO_VIDEO, Api, MovableClock


class SteppedTask(Scheduler):
    """A task whose timers fire one at a time. `states` are its states until now."""

    def __init__(self) -> None:
        super().__init__("steps")
        self.due: list[Callable[[], object]] = []
        self.delays: list[float] = []
        self.lifecycle = Lifecycle(store=TaskStore(), scheduler=self, clock=MovableClock())
        faults = Faults(FaultSettings(throttled_seconds=1, queue_seconds=2, run_seconds=3))
        outcome = decide_outcome({"ratio": "1280:720", "duration": 2}, faults)
        self.task = Task(
            endpoint="text_to_video",
            body={},
            outcome=outcome,
            created_at=MovableClock()(),
            cost=24,
            status=Status.THROTTLED,
        )
        self.lifecycle.begin(self.task)
        self.states = [self.task.status]

    @override
    def after(self, delay_seconds: float, action: Callable[[], object]) -> None:
        self.delays.append(delay_seconds)
        self.due.append(action)

    def step(self) -> None:
        self.due.pop(0)()
        self.states += [task.status for task in self.lifecycle.store.all()]


class TestTasks:
    @pytest.mark.parametrize(
        ("fault", "status"),
        [
            ("throttled_seconds", "THROTTLED"),
            ("queue_seconds", "PENDING"),
            ("run_seconds", "RUNNING"),
        ],
    )
    def test_open_task_has_an_estimated_cost(
        self, api: Api, clock: MovableClock, fault: str, status: str
    ) -> None:
        api.set_faults(**{fault: 3600})
        created = api.post().json()
        assert created == {"id": created["id"], "estimatedCost": {"credits": 24}}

        task = api.task_when(created["id"], status)

        progress = {"progress": task.get("progress")} if status == "RUNNING" else {}
        assert task == {
            "id": created["id"],
            "createdAt": task["createdAt"],
            "status": status,
            **progress,
            "estimatedCost": {"credits": 24},
        }
        clock.moved = timedelta(minutes=30)
        assert api.task(created["id"]).get("progress", 0.5) == pytest.approx(0.5, abs=0.02)
        clock.moved = timedelta(hours=2)
        assert api.task(created["id"]).get("progress", 0.99) < 1

    def test_finished_task_has_a_cost(self, api: Api) -> None:
        task_id = api.create()
        done = api.finished(task_id)

        assert done == {
            "id": task_id,
            "createdAt": done["createdAt"],
            "status": "SUCCEEDED",
            "output": done["output"],
            "cost": {"credits": 24},
        }
        assert (
            timedelta()
            <= datetime.now(UTC) - datetime.fromisoformat(done["createdAt"])
            < timedelta(minutes=1)
        )

    def test_task_is_throttled_then_pending_then_running_then_done(self) -> None:
        stepped = SteppedTask()

        assert stepped.states == [Status.THROTTLED]
        stepped.step()
        stepped.step()
        stepped.step()
        assert stepped.states == [
            Status.THROTTLED,
            Status.PENDING,
            Status.RUNNING,
            Status.SUCCEEDED,
        ]
        assert stepped.delays == [1, 2, 3]

    @pytest.mark.parametrize("steps", [0, 1, 2])
    def test_cancelled_task_stays_cancelled(self, steps: int) -> None:
        stepped = SteppedTask()
        for _ in range(steps):
            stepped.step()

        stepped.lifecycle.delete(stepped.task)
        stepped.step()

        assert stepped.states[-1] is Status.CANCELLED
        assert stepped.due == []

    def test_cost_depends_on_the_seconds(self, api: Api) -> None:
        veo = {"model": "veo3.1_fast", "duration": 4}
        bodies: list[tuple[str, dict[str, object]]] = [
            ("image_to_video", {"duration": 5}),
            ("text_to_video", {}),
            ("text_to_video", veo),
            ("text_to_video", {**veo, "audio": False}),
        ]

        created = [api.post(endpoint, **fields).json() for endpoint, fields in bodies]

        costs = [task["estimatedCost"]["credits"] for task in created]
        assert costs == [25, 24, 60, 40]

    @pytest.mark.parametrize(
        ("faults", "status", "final_status", "credits"),
        [
            ({"throttled_seconds": 60}, "THROTTLED", "CANCELLED", 0),
            ({"queue_seconds": 60}, "PENDING", "CANCELLED", 0),
            ({"run_seconds": 60}, "RUNNING", "CANCELLED", 24),
            ({}, "SUCCEEDED", "SUCCEEDED", 24),
        ],
    )
    def test_deleted_task_cannot_be_read(
        self, api: Api, faults: dict[str, int], status: str, final_status: str, credits: int
    ) -> None:
        api.set_faults(**faults)
        task_id = api.create()
        output = api.task_when(task_id, status).get("output", [])

        deleted = api.request("DELETE", f"/v1/tasks/{task_id}")

        assert (deleted.status_code, deleted.content) == (204, b"")
        assert api.request("GET", f"/v1/tasks/{task_id}").status_code == 404
        assert api.request("DELETE", f"/v1/tasks/{task_id}").status_code == 404
        assert [requests.get(url, timeout=5).status_code for url in output] == [404] * len(output)
        [recorded] = api.all()
        assert (recorded["id"], recorded["deleted"]) == (task_id, True)
        assert (recorded["status"], recorded["cost"]["credits"]) == (final_status, credits)

    def test_list_contains_the_input_of_each_task(self, api: Api) -> None:
        api.create("image_to_video", seed=5)
        api.create()

        assert [(each["endpoint"], each["input"], each["deleted"]) for each in api.all()] == [
            ("image_to_video", {**IMAGE_TO_VIDEO, "seed": 5}, False),
            ("text_to_video", TEXT_TO_VIDEO, False),
        ]


def test_two_simulators_share_nothing(api: Api) -> None:
    api.create()
    with SimulatedRunway() as other:
        assert other.base_url != api.simulator.base_url
        assert Api(other).all() == []

    with pytest.raises(requests.ConnectionError):
        Api(other).all()
