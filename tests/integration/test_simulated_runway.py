"""The simulated Runway answers as the real one does, makes real videos, and goes wrong on request."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, override

import av
import pytest
import requests
from PIL import Image, ImageStat

from local.simulators.common.scheduler import Scheduler
from local.simulators.runway import SimulatedRunway
from local.simulators.runway.faults import Faults, FaultSettings
from local.simulators.runway.lifecycle import Lifecycle
from local.simulators.runway.outcomes import decide_outcome
from local.simulators.runway.tasks import Status, Task, TaskStore
from tests.builders import until
from tests.integration.servers import Received, Reply, answering, server

HEADERS = {"Authorization": "Bearer key_test", "X-Runway-Version": "2024-11-06"}
DOCUMENTATION = "https://docs.dev.runwayml.com/api"
NO_VERSION = "The API version that was provided in the X-Runway-Version header is not valid."
NO_CREDITS = "You do not have enough credits to run this task."
SIX_RATIOS = ["1280:720", "720:1280", "1104:832", "832:1104", "960:960", "1584:672"]


def image_file(colour: str = "red", size: tuple[int, int] = (60, 40), form: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()


def data_uri(body: bytes, content_type: str = "image/png") -> str:
    return f"data:{content_type};base64,{b64encode(body).decode()}"


IMAGE_TO_VIDEO = {"model": "gen4_turbo", "promptImage": data_uri(image_file()), "promptText": "a lighthouse", "ratio": "1280:720", "duration": 2}
TEXT_TO_VIDEO = {"model": "gen4.5", "promptText": "a lighthouse", "ratio": "1280:720", "duration": 2}
ENDPOINTS = {"image_to_video": IMAGE_TO_VIDEO, "text_to_video": TEXT_TO_VIDEO}


@dataclass
class MovableClock:
    moved: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


@dataclass(frozen=True)
class Api:
    """The API without the SDK: what goes over the wire, as it is. What is named on a call replaces a field; None takes it away."""

    simulator: SimulatedRunway

    def ask(self, method: str, path: str, body: object = None) -> requests.Response:
        return requests.request(method, self.simulator.base_url + path, json=body, headers=HEADERS, timeout=20)

    def post(self, endpoint: str = "text_to_video", /, **given: object) -> requests.Response:
        body = {name: value for name, value in {**ENDPOINTS[endpoint], **given}.items() if value is not None}
        return self.ask("POST", f"/v1/{endpoint}", body)

    def create(self, endpoint: str = "text_to_video", /, **given: object) -> str:
        answer = self.post(endpoint, **given)
        assert answer.status_code == 200, answer.text
        task_id: str = answer.json()["id"]
        return task_id

    def task(self, task_id: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/v1/tasks/{task_id}")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def task_when(self, task_id: str, *statuses: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            document = self.task(task_id)
            return document if document["status"] in statuses else None

        return until(look)

    def finished(self, task_id: str) -> dict[str, Any]:
        return self.task_when(task_id, "SUCCEEDED", "FAILED", "CANCELLED")

    def set_faults(self, **faults: object) -> requests.Response:
        return requests.put(f"{self.simulator.base_url}/faults", json=faults, timeout=5)

    def all(self) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = requests.get(f"{self.simulator.base_url}/sim/tasks", timeout=5).json()["tasks"]
        return tasks

    def video(self, endpoint: str = "text_to_video", /, **given: object) -> bytes:
        done = self.finished(self.create(endpoint, **given))
        assert done["status"] == "SUCCEEDED", done
        answer = requests.get(done["output"][0], timeout=20)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
        return answer.content


class Life(Scheduler):
    """A task whose time passes step by step. `seen` are its states so far."""

    def __init__(self) -> None:
        super().__init__("steps")
        self.due: list[Callable[[], object]] = []
        self.delays: list[float] = []
        self.lifecycle = Lifecycle(store=TaskStore(), scheduler=self, clock=MovableClock())
        faults = Faults(FaultSettings(throttled_seconds=1, queue_seconds=2, run_seconds=3))
        outcome = decide_outcome({"ratio": "1280:720", "duration": 2}, faults)
        self.task = Task(endpoint="text_to_video", body={}, outcome=outcome, created_at=MovableClock()(), cost=24, status=Status.THROTTLED)
        self.lifecycle.begin(self.task)
        self.seen = [self.task.status]

    @override
    def after(self, delay_seconds: float, action: Callable[[], object]) -> None:
        self.delays.append(delay_seconds)
        self.due.append(action)

    def step(self) -> None:
        self.due.pop(0)()
        self.seen += [task.status for task in self.lifecycle.store.all()]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def api(clock: MovableClock) -> Iterator[Api]:
    with SimulatedRunway(run_seconds=0.05, clock=clock) as simulator:
        yield Api(simulator)


class TestTheDoor:
    @pytest.mark.parametrize("authorization", [None, "key_test", "Bearer key_", "Bearer r8_test", "Basic key_test"])
    def test_opens_to_a_key_only(self, api: Api, authorization: str | None) -> None:
        headers = {"X-Runway-Version": "2024-11-06"} | ({"Authorization": authorization} if authorization else {})
        answer = requests.post(f"{api.simulator.base_url}/v1/text_to_video", json=TEXT_TO_VIDEO, headers=headers, timeout=5)

        assert (answer.status_code, list(answer.json())) == (401, ["error", "docUrl"])
        assert api.all() == []

    @pytest.mark.parametrize("version", [{}, {"X-Runway-Version": "v1"}, {"X-Runway-Version": "2024-09-13"}])
    def test_wants_to_hear_the_version(self, api: Api, version: dict[str, str]) -> None:
        headers = {"Authorization": "Bearer key_test", **version}
        answer = requests.post(f"{api.simulator.base_url}/v1/text_to_video", json=TEXT_TO_VIDEO, headers=headers, timeout=5)

        assert (answer.status_code, answer.json()) == (400, {"error": NO_VERSION, "docUrl": DOCUMENTATION})
        assert api.all() == []

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/v1/tasks/17f20503-6c24-4c16-946b-35dbbce2af2f", 404),
            ("DELETE", "/v1/tasks/17f20503-6c24-4c16-946b-35dbbce2af2f", 404),
            ("POST", "/v1/video_to_audio", 404),
            ("GET", "/v1/image_to_video", 405),
            ("GET", "/nowhere", 404),
        ],
    )
    def test_leads_nowhere_else(self, api: Api, method: str, path: str, status: int) -> None:
        answer = api.ask(method, path)

        assert (answer.status_code, list(answer.json())) == (status, ["error"])
        if "/tasks/" in path:
            assert answer.json() == {"error": "Could not find Task"}

    def test_refuses_what_is_no_json(self, api: Api) -> None:
        answer = requests.post(f"{api.simulator.base_url}/v1/text_to_video", data="{", headers=HEADERS, timeout=5)

        assert (answer.status_code, list(answer.json())) == (400, ["error"])


class TestABody:
    @pytest.mark.parametrize(
        ("endpoint", "given"),
        [
            *(("image_to_video", {"ratio": ratio}) for ratio in SIX_RATIOS),
            *(("image_to_video", {"model": "gen4.5", "ratio": ratio}) for ratio in SIX_RATIOS),
            *(("image_to_video", {"model": model, "ratio": "1080:1920", "duration": 4, "audio": False}) for model in ("veo3.1", "veo3.1_fast")),
            *(("text_to_video", {"model": model, "ratio": "1920:1080", "duration": None}) for model in ("veo3.1", "veo3.1_fast")),
            ("image_to_video", {"promptText": None, "duration": None}),
            ("image_to_video", {"promptImage": [{"uri": data_uri(image_file()), "position": "first"}]}),
            ("image_to_video", {"promptImage": "https://example.com/a.png"}),
            ("image_to_video", {"promptImage": "http://127.0.0.1:9/a.png"}),
            ("image_to_video", {"model": "veo3.1", "duration": 8, "promptImage": [{"uri": "https://example.com/a", "position": p} for p in ("last", "first")]}),
            ("text_to_video", {"duration": 10, "seed": 4_294_967_295, "contentModeration": {"publicFigureThreshold": "low"}, "outputFormat": "mp4"}),
            ("text_to_video", {"duration": 5.0}),
            ("text_to_video", {"promptText": "x" * 1000}),
            ("text_to_video", {"promptText": "🦊" * 500}),
        ],
    )
    def test_that_the_real_one_takes_is_taken(self, api: Api, endpoint: str, given: dict[str, Any]) -> None:
        api.set_faults(queue_seconds=60)

        assert api.create(endpoint, **given) == api.all()[0]["id"]

    @pytest.mark.parametrize(
        ("endpoint", "given", "path"),
        [
            ("image_to_video", {"model": "gen3a_turbo"}, ["model"]),
            ("text_to_video", {"model": "gen4_turbo"}, ["model"]),
            ("text_to_video", {"model": 4}, ["model"]),
            ("text_to_video", {"model": None}, ["model"]),
            ("image_to_video", {"ratio": "1280:768"}, ["ratio"]),
            ("image_to_video", {"ratio": "1920:1080"}, ["ratio"]),
            ("image_to_video", {"ratio": None}, ["ratio"]),
            ("text_to_video", {"ratio": "960:960"}, ["ratio"]),
            ("text_to_video", {"duration": 1}, ["duration"]),
            ("text_to_video", {"duration": 11}, ["duration"]),
            ("text_to_video", {"duration": 2.5}, ["duration"]),
            ("text_to_video", {"duration": "5"}, ["duration"]),
            ("text_to_video", {"duration": None}, ["duration"]),
            ("text_to_video", {"model": "veo3.1_fast", "duration": 5}, ["duration"]),
            ("text_to_video", {"promptText": ""}, ["promptText"]),
            ("text_to_video", {"promptText": "x" * 1001}, ["promptText"]),
            ("text_to_video", {"promptText": "🦊" * 501}, ["promptText"]),
            ("text_to_video", {"promptText": None}, ["promptText"]),
            ("image_to_video", {"model": "gen4.5", "promptText": None}, ["promptText"]),
            ("text_to_video", {"seed": -1}, ["seed"]),
            ("text_to_video", {"seed": 4_294_967_296}, ["seed"]),
            ("text_to_video", {"audio": True}, []),
            ("text_to_video", {"watermark": False}, []),
            ("text_to_video", {"contentModeration": {"publicFigureThreshold": "high"}}, ["contentModeration", "publicFigureThreshold"]),
            ("image_to_video", {"promptImage": None}, ["promptImage"]),
            ("image_to_video", {"promptImage": 5}, ["promptImage"]),
            ("image_to_video", {"promptImage": "http://example.com/a.png"}, ["promptImage"]),
            ("image_to_video", {"promptImage": "https://11.22.33.44/a.png"}, ["promptImage"]),
            ("image_to_video", {"promptImage": "https://example.com/" + "a" * 2048}, ["promptImage"]),
            ("image_to_video", {"promptImage": "https://[bad"}, ["promptImage"]),
            ("image_to_video", {"promptImage": "ftp://127.0.0.1/a.png"}, ["promptImage"]),
            ("image_to_video", {"promptImage": "runway://unknown"}, ["promptImage"]),
            ("image_to_video", {"promptImage": "no url at all"}, ["promptImage"]),
            ("image_to_video", {"promptImage": "data:image/png;base64,%%%"}, ["promptImage"]),
            ("image_to_video", {"promptImage": data_uri(image_file(), "text/plain")}, ["promptImage"]),
            ("image_to_video", {"promptImage": data_uri(b"0" * 4_000_000)}, ["promptImage"]),
            ("image_to_video", {"promptImage": []}, ["promptImage"]),
            ("image_to_video", {"promptImage": [{"uri": "https://example.com/a", "position": "last"}]}, ["promptImage", 0, "position"]),
            ("image_to_video", {"promptImage": [{"uri": "http://example.com/a", "position": "first"}]}, ["promptImage", 0, "uri"]),
            ("image_to_video", {"promptImage": [{"uri": "https://example.com/a", "position": "first"}] * 2}, ["promptImage"]),
            ("image_to_video", {"model": "veo3.1", "duration": 4, "promptImage": [{"uri": "https://example.com/a", "position": "last"}]}, ["promptImage"]),
            ("image_to_video", {"model": "veo3.1", "duration": 4, "promptImage": [{"uri": "https://example.com/a", "position": "first"}] * 2}, ["promptImage"]),
        ],
    )
    def test_that_the_real_one_refuses_is_refused_and_told_where(self, api: Api, endpoint: str, given: dict[str, Any], path: list[str | int]) -> None:
        answer = api.post(endpoint, **given)

        assert answer.status_code == 400, answer.text
        assert (answer.json()["error"], answer.json()["docUrl"]) == ("Validation of body failed", DOCUMENTATION)
        assert path in [issue["path"] for issue in answer.json()["issues"]]
        assert all({"code", "path", "message"} <= issue.keys() for issue in answer.json()["issues"])
        assert api.all() == []

    @pytest.mark.parametrize(
        ("given", "issue"),
        [
            (
                {"ratio": "16:9"},
                {
                    "code": "invalid_value",
                    "values": ["1280:720", "720:1280"],
                    "path": ["ratio"],
                    "message": 'Invalid option: expected one of "1280:720"|"720:1280"',
                },
            ),
            (
                {"promptText": "x" * 1001},
                {
                    "origin": "string",
                    "code": "too_big",
                    "maximum": 1000,
                    "inclusive": True,
                    "path": ["promptText"],
                    "message": "Too big: expected string to have <=1000 characters",
                },
            ),
            (
                {"promptText": None},
                {"expected": "string", "code": "invalid_type", "path": ["promptText"], "message": "Invalid input: expected string, received undefined"},
            ),
            (
                {"model": "gen5"},
                {
                    "code": "invalid_union",
                    "errors": [],
                    "note": "No matching discriminator",
                    "discriminator": "model",
                    "path": ["model"],
                    "message": "Invalid input",
                },
            ),
            ({"motion": 1}, {"code": "unrecognized_keys", "keys": ["motion"], "path": [], "message": 'Unrecognized key: "motion"'}),
        ],
    )
    def test_is_judged_in_the_words_of_the_real_one(self, api: Api, given: dict[str, Any], issue: dict[str, Any]) -> None:
        assert api.post(**given).json() == {"error": "Validation of body failed", "issues": [issue], "docUrl": DOCUMENTATION}

    @pytest.mark.parametrize("body", [[], "text", None])
    def test_is_an_object(self, api: Api, body: object) -> None:
        answer = requests.post(f"{api.simulator.base_url}/v1/text_to_video", json=body or [], headers=HEADERS, timeout=5)

        assert answer.json()["issues"][0]["message"].startswith("Invalid input: expected object")


class TestATask:
    @pytest.mark.parametrize(("fault", "status"), [("throttled_seconds", "THROTTLED"), ("queue_seconds", "PENDING"), ("run_seconds", "RUNNING")])
    def test_that_is_open_shows_what_it_may_cost(self, api: Api, clock: MovableClock, fault: str, status: str) -> None:
        api.set_faults(**{fault: 3600})
        created = api.post().json()
        assert created == {"id": created["id"], "estimatedCost": {"credits": 24}}

        task = api.task_when(created["id"], status)

        progress = {"progress": task.get("progress")} if status == "RUNNING" else {}
        assert task == {"id": created["id"], "createdAt": task["createdAt"], "status": status, **progress, "estimatedCost": {"credits": 24}}
        clock.moved = timedelta(minutes=30)
        assert api.task(created["id"]).get("progress", 0.5) == pytest.approx(0.5, abs=0.02)
        clock.moved = timedelta(hours=2)
        assert api.task(created["id"]).get("progress", 0.99) < 1

    def test_that_is_done_shows_what_it_did_cost(self, api: Api) -> None:
        task_id = api.create()
        done = api.finished(task_id)

        assert done == {"id": task_id, "createdAt": done["createdAt"], "status": "SUCCEEDED", "output": done["output"], "cost": {"credits": 24}}
        assert timedelta() <= datetime.now(UTC) - datetime.fromisoformat(done["createdAt"]) < timedelta(minutes=1)

    def test_is_throttled_then_pending_then_running_then_done(self) -> None:
        life = Life()

        assert life.seen == [Status.THROTTLED]
        life.step()
        life.step()
        life.step()
        assert life.seen == [Status.THROTTLED, Status.PENDING, Status.RUNNING, Status.SUCCEEDED]
        assert life.delays == [1, 2, 3]

    @pytest.mark.parametrize("steps", [0, 1, 2])
    def test_that_was_cancelled_stays_so(self, steps: int) -> None:
        life = Life()
        for _ in range(steps):
            life.step()

        life.lifecycle.delete(life.task)
        life.step()

        assert life.seen[-1] is Status.CANCELLED
        assert life.due == []

    def test_costs_by_the_second(self, api: Api) -> None:
        veo = {"model": "veo3.1_fast", "duration": 4}

        costs = [api.post(endpoint, **given).json()["estimatedCost"]["credits"] for endpoint, given in (
            ("image_to_video", {"duration": 5}), ("text_to_video", {}), ("text_to_video", veo), ("text_to_video", {**veo, "audio": False}),
        )]  # fmt: skip

        assert costs == [25, 24, 60, 40]

    @pytest.mark.parametrize("faults", [{"throttled_seconds": 60}, {"queue_seconds": 60}, {"run_seconds": 60}, {}])
    def test_that_is_deleted_cannot_be_fetched_again(self, api: Api, faults: dict[str, int]) -> None:
        api.set_faults(**faults)
        task_id = api.create()
        status = {"throttled_seconds": "THROTTLED", "queue_seconds": "PENDING", "run_seconds": "RUNNING"}.get("".join(faults), "SUCCEEDED")
        output = api.task_when(task_id, status).get("output", [])

        deleted = api.ask("DELETE", f"/v1/tasks/{task_id}")

        assert (deleted.status_code, deleted.content) == (204, b"")
        assert api.ask("GET", f"/v1/tasks/{task_id}").status_code == 404
        assert api.ask("DELETE", f"/v1/tasks/{task_id}").status_code == 404
        assert [requests.get(url, timeout=5).status_code for url in output] == [404] * len(output)
        [kept] = api.all()
        assert (kept["id"], kept["deleted"]) == (task_id, True)
        expected = {"THROTTLED": ("CANCELLED", 0), "PENDING": ("CANCELLED", 0), "RUNNING": ("CANCELLED", 24), "SUCCEEDED": ("SUCCEEDED", 24)}
        assert (kept["status"], kept["cost"]["credits"]) == expected[status]

    def test_is_remembered_with_its_input(self, api: Api) -> None:
        api.create("image_to_video", seed=5)
        api.create()

        assert [(each["endpoint"], each["input"], each["deleted"]) for each in api.all()] == [
            ("image_to_video", {**IMAGE_TO_VIDEO, "seed": 5}, False),
            ("text_to_video", TEXT_TO_VIDEO, False),
        ]


class TestVideos:
    @pytest.mark.parametrize(
        ("endpoint", "given", "size", "frames_count"),
        [
            ("image_to_video", {"ratio": "832:1104"}, (482, 640), 48),
            ("image_to_video", {"ratio": "1584:672", "duration": 3}, (640, 272), 72),
            ("text_to_video", {"ratio": "720:1280"}, (360, 640), 48),
            ("text_to_video", {"model": "veo3.1_fast", "duration": 4, "ratio": "1920:1080"}, (640, 360), 96),
        ],
    )
    def test_are_as_long_and_as_wide_as_asked(self, api: Api, endpoint: str, given: dict[str, Any], size: tuple[int, int], frames_count: int) -> None:
        with av.open(BytesIO(api.video(endpoint, **given)), "r", format="mp4") as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert (stream.width, stream.height, stream.frames, float(stream.average_rate or 0)) == (*size, frames_count, 24)
            assert sum(1 for _ in container.decode(stream)) == frames_count

    def test_are_the_same_for_the_same_seed_and_others_for_another(self, api: Api) -> None:
        first, again, other = (api.video(seed=seed) for seed in (1, 1, 2))

        assert first == again != other

    def test_begin_with_the_image_that_is_given(self, api: Api) -> None:
        reds = []
        for colour in ("red", "blue"):
            with av.open(BytesIO(api.video("image_to_video", promptImage=data_uri(image_file(colour)), seed=1)), "r", format="mp4") as container:
                first = next(container.decode(video=0)).to_image()  # type: ignore[no-untyped-call]
            reds.append(ImageStat.Stat(first).mean[0])

        assert reds[0] > reds[1] + 60

    def test_are_open_for_a_day_and_a_new_look_gives_new_urls(self, api: Api, clock: MovableClock) -> None:
        task_id = api.create()
        [url] = api.finished(task_id)["output"]
        assert url.startswith(f"{api.simulator.base_url}/outputs/{task_id}.mp4?_jwt=")

        clock.moved = timedelta(hours=23, minutes=59)
        assert requests.get(url, timeout=20).status_code == 200
        clock.moved = timedelta(hours=24, minutes=1)
        assert requests.get(url, timeout=5).status_code == 403
        assert requests.get(api.task(task_id)["output"][0], timeout=20).status_code == 200

    def test_are_closed_to_who_has_no_url_of_theirs(self, api: Api) -> None:
        [first], [second] = (api.finished(api.create())["output"] for _ in range(2))
        bare, _, token = first.partition("?")

        for url in (bare, f"{bare}?_jwt=", f"{bare}?_jwt=a.b.c", f"{first}x", f"{second.partition('?')[0]}?{token}"):
            assert requests.get(url, timeout=5).status_code == 403


class TestInputImages:
    @pytest.mark.parametrize(("form", "content_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
    def test_are_fetched_when_the_task_runs(self, api: Api, form: str, content_type: str) -> None:
        received: list[Received] = []
        api.set_faults(queue_seconds=3600)

        with server(answering(Reply(200, image_file(form=form), {"Content-Type": content_type}), received=received)) as base:
            frames = [{"uri": f"{base}/a?signed=1", "position": "first"}]
            api.create("image_to_video", promptImage=frames)
            assert received == []
            api.set_faults()
            assert api.finished(api.create("image_to_video", promptImage=frames))["status"] == "SUCCEEDED"

        assert [(each.method, each.path) for each in received] == [("HEAD", "/a?signed=1"), ("GET", "/a?signed=1")]
        assert all("authorization" not in each.headers for each in received)

    def test_may_be_the_first_and_the_last_frame(self, api: Api) -> None:
        paths: list[str] = []

        def answer(request: Received) -> Reply:
            paths.append(request.path)
            return Reply(200, image_file(), {"Content-Type": "image/png"})

        with server(answer) as base:
            frames = [{"uri": f"{base}/{position}", "position": position} for position in ("last", "first")]
            task_id = api.create("image_to_video", model="veo3.1_fast", duration=4, promptImage=frames)
            assert api.finished(task_id)["status"] == "SUCCEEDED"

        assert paths == ["/first", "/first", "/last", "/last"]

    @pytest.mark.parametrize(
        ("reply", "failure"),
        [
            (Reply(404, b"", {"Content-Type": "image/png"}), 'Failed to fetch asset. Received HTTP response code "404".'),
            (Reply(302, b"", {"Location": "/b.png"}), 'Failed to fetch asset. Received HTTP response code "302".'),
            (Reply(200, image_file(), {"Content-Type": "application/octet-stream"}), "Unsupported Content-Type: application/octet-stream"),
            (Reply(200, b"a text", {"Content-Type": "image/png"}), "Failed to read asset."),
            (Reply(200, image_file(form="JPEG"), {"Content-Type": "image/png"}), "Failed to read asset."),
            (Reply(200, image_file(size=(40, 90)), {"Content-Type": "image/png"}), "Invalid asset aspect ratio."),
            (Reply(200, image_file(size=(90, 40)), {"Content-Type": "image/png"}), "Invalid asset aspect ratio."),
            (Reply(200, image_file(size=(8001, 4100)), {"Content-Type": "image/png"}), "Invalid asset dimensions."),
            (Reply(200, b"", {"Content-Type": "image/png"}, content_length=17_000_000), "Asset size exceeds 16.0MB."),
        ],
    )
    def test_that_cannot_be_used_fail_the_task(self, api: Api, reply: Reply, failure: str) -> None:
        with server(answering(reply)) as base:
            done = api.finished(api.create("image_to_video", promptImage=f"{base}/a.png"))

        assert (done["status"], done["failureCode"], done["cost"]) == ("FAILED", "ASSET.INVALID", {"credits": 0})
        assert done["failure"].startswith(failure)
        assert "output" not in done

    def test_must_answer_a_question_for_their_head(self, api: Api) -> None:
        def answer(request: Received) -> Reply:
            return Reply(200 if request.method == "GET" else 403, image_file(), {"Content-Type": "image/png"})

        with server(answer) as base:
            assert api.finished(api.create("image_to_video", promptImage=f"{base}/a.png"))["failureCode"] == "ASSET.INVALID"

    @pytest.mark.parametrize("uri", ["http://127.0.0.1:9/nothing.png", data_uri(b"a text")])
    def test_that_are_nowhere_or_no_images_fail_the_task(self, api: Api, uri: str) -> None:
        assert api.finished(api.create("image_to_video", promptImage=uri))["failureCode"] == "ASSET.INVALID"


class TestFaults:
    @pytest.mark.parametrize(("fault", "status"), [("throttle", 429), ("unavailable", 503), ("server_error", 500)])
    def test_at_the_door_leave_nothing_behind(self, api: Api, fault: str, status: int) -> None:
        task_id = api.create()
        api.set_faults(**{fault: 1})

        answers = [api.post(), api.ask("GET", f"/v1/tasks/{task_id}"), api.ask("DELETE", f"/v1/tasks/{task_id}")]

        assert [(answer.status_code, list(answer.json())) for answer in answers] == [(status, ["error"])] * 3
        assert [(each["id"], each["deleted"]) for each in api.all()] == [(task_id, False)]

    def test_no_credits_is_the_status_of_a_wrong_input_and_a_sentence_of_its_own(self, api: Api) -> None:
        api.set_faults(no_credits=1)

        answer = api.post()

        assert (answer.status_code, answer.json()) == (400, {"error": NO_CREDITS, "docUrl": DOCUMENTATION})
        assert api.post(ratio="16:9").json()["error"] == "Validation of body failed"
        assert api.all() == []

    def test_a_lost_answer_leaves_a_task_that_goes_on(self, api: Api) -> None:
        api.set_faults(lost_create_answer=1)

        with pytest.raises(requests.ConnectionError):
            api.post()

        [task] = api.all()
        assert api.finished(task["id"])["status"] == "SUCCEEDED"

    @pytest.mark.parametrize(
        ("fault", "end"),
        [
            ("fail", {"status": "FAILED", "failureCode": "INTERNAL.BAD_OUTPUT.CODE01", "cost": {"credits": 0}}),
            ("flag", {"status": "FAILED", "failureCode": "SAFETY.OUTPUT.VIDEO", "cost": {"credits": 0}}),
            ("cancel", {"status": "CANCELLED", "cost": {"credits": 24}}),
            ("no_output", {"status": "SUCCEEDED", "output": [], "cost": {"credits": 24}}),
        ],
    )
    def test_a_task_can_end_badly(self, api: Api, fault: str, end: dict[str, Any]) -> None:
        api.set_faults(**{fault: 1})

        done = api.finished(api.create())

        assert {name: value for name, value in done.items() if name not in {"id", "createdAt", "failure"}} == end
        assert ("failure" in done) == (done["status"] == "FAILED")

    @pytest.mark.parametrize("prompt", ["please flag me now", "Flag me"])
    def test_a_flagged_prompt_always_fails(self, api: Api, prompt: str) -> None:
        done = api.finished(api.create(promptText=prompt))

        assert (done["status"], done["failureCode"]) == ("FAILED", "SAFETY.INPUT.TEXT")

    def test_fall_the_same_way_again_for_the_same_seed(self, api: Api) -> None:
        def statuses() -> list[int]:
            api.set_faults(throttle=0.5, seed=3)
            return [api.post().status_code for _ in range(12)]

        first = statuses()

        assert first == statuses()
        assert set(first) == {200, 429}

    def test_that_are_not_named_go_back_to_their_defaults(self, api: Api) -> None:
        defaults = requests.get(f"{api.simulator.base_url}/faults", timeout=5).json()
        api.set_faults(fail=0.2, run_seconds=3)

        assert api.set_faults(throttle=0.5).json() == {**defaults, "throttle": 0.5}

    @pytest.mark.parametrize("wrong", [{"lose_webhook": 0.5}, {"throttle": 1.5}, {"throttle": -1}, {"fail": True}, {"run_seconds": "1"}, {"seed": 1.5}])
    def test_that_are_wrong_are_named_and_change_nothing(self, api: Api, wrong: dict[str, object]) -> None:
        before = requests.get(f"{api.simulator.base_url}/faults", timeout=5).json()

        answer = api.set_faults(flag=1, **wrong)

        assert answer.status_code == 400
        assert next(iter(wrong)) in answer.text
        assert requests.get(f"{api.simulator.base_url}/faults", timeout=5).json() == before


class TestTheOfficialSdk:
    @pytest.fixture
    def sdk(self) -> Any:
        return pytest.importorskip("runwayml")

    @pytest.fixture
    def client(self, sdk: Any, api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        # It waits six seconds between two looks.
        monkeypatch.setattr("runwayml.lib.polling.POLL_TIME", 0.05)
        monkeypatch.setattr("runwayml.lib.polling.POLL_JITTER", 0)
        with sdk.RunwayML(api_key="key_test", base_url=api.simulator.base_url, max_retries=0) as client:
            yield client

    def test_creates_and_waits_for_a_video(self, client: Any) -> None:
        created = client.image_to_video.create(model="gen4_turbo", prompt_image=data_uri(image_file()), prompt_text="a fox", ratio="1280:720", duration=5)
        done = created.wait_for_task_output(timeout=20)

        assert created.estimated_cost.credits == 25
        assert (done.id, done.status, done.cost.credits) == (created.id, "SUCCEEDED", 25)
        assert requests.get(done.output[0], timeout=20).content[4:8] == b"ftyp"

    @pytest.mark.parametrize(
        ("faults", "state"),
        [
            ({"throttled_seconds": 3600}, "Throttled"),
            ({"queue_seconds": 3600}, "Pending"),
            ({"run_seconds": 3600}, "Running"),
            ({}, "Succeeded"),
            ({"fail": 1}, "Failed"),
            ({"cancel": 1}, "Cancelled"),
        ],
    )
    def test_reads_every_state(self, client: Any, api: Api, faults: dict[str, int], state: str) -> None:
        api.set_faults(**faults)
        created = client.text_to_video.create(model="veo3.1_fast", prompt_text="a fox", ratio="1280:720", duration=4, audio=False)
        api.task_when(created.id, state.upper())

        task = client.tasks.retrieve(created.id)

        assert (type(task).__name__, task.id, task.status) == (f"Awaitable{state}", created.id, state.upper())
        assert (getattr(task, "cost", None) or task.estimated_cost).credits == (0 if state == "Failed" else 40)

    def test_raises_when_a_task_fails(self, sdk: Any, client: Any) -> None:
        created = client.text_to_video.create(model="gen4.5", prompt_text="flag me", ratio="1280:720", duration=2)

        with pytest.raises(sdk.TaskFailedError) as failure:
            created.wait_for_task_output(timeout=20)

        assert failure.value.task_details.failure_code == "SAFETY.INPUT.TEXT"

    def test_deletes(self, sdk: Any, client: Any, api: Api) -> None:
        api.set_faults(run_seconds=60)
        created = client.text_to_video.create(model="gen4.5", prompt_text="a fox", ratio="1280:720", duration=2)

        assert client.tasks.delete(created.id) is None
        with pytest.raises(sdk.NotFoundError):
            client.tasks.retrieve(created.id)

    @pytest.mark.parametrize(
        ("fault", "error"),
        [("throttle", "RateLimitError"), ("unavailable", "InternalServerError"), ("server_error", "InternalServerError"), ("no_credits", "BadRequestError")],
    )
    def test_raises_what_is_refused(self, sdk: Any, client: Any, api: Api, fault: str, error: str) -> None:
        api.set_faults(**{fault: 1})

        with pytest.raises(getattr(sdk, error)) as failure:
            client.text_to_video.create(model="gen4.5", prompt_text="a fox", ratio="1280:720", duration=2)

        assert failure.value.status_code == {"throttle": 429, "unavailable": 503, "server_error": 500, "no_credits": 400}[fault]
        assert failure.value.body["error"]

    def test_raises_what_is_wrong_with_a_request(self, sdk: Any, client: Any) -> None:
        with pytest.raises(sdk.BadRequestError) as failure:
            client.text_to_video.create(model="gen4.5", prompt_text="a fox", ratio="960:960", duration=2)
        assert failure.value.body["issues"][0]["path"] == ["ratio"]

        with pytest.raises(sdk.AuthenticationError):
            client.with_options(api_key="sk_test").tasks.retrieve("any")
        with pytest.raises(sdk.BadRequestError):
            client.with_options(runway_version="2023-01-01").tasks.retrieve("any")

    def test_that_asks_again_after_a_lost_answer_makes_a_second_task(self, sdk: Any, client: Any, api: Api) -> None:
        api.set_faults(lost_create_answer=1)

        with pytest.raises(sdk.APIConnectionError) as failure:
            client.with_options(max_retries=1).text_to_video.create(model="gen4.5", prompt_text="a fox", ratio="1280:720", duration=2)

        assert not isinstance(failure.value, sdk.APITimeoutError)
        assert len(api.all()) == 2


def test_two_simulators_share_nothing(api: Api) -> None:
    api.create()
    with SimulatedRunway() as other:
        assert other.base_url != api.simulator.base_url
        assert Api(other).all() == []

    with pytest.raises(requests.ConnectionError):
        Api(other).all()
