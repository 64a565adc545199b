"""The simulated Replicate keeps the promises of the real one, and breaks them on request."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, Self

import pytest
import requests
from PIL import Image
from replicate import APIConnectionError, APITimeoutError, Client
from standardwebhooks import Webhook, WebhookVerificationError

from local.simulators.replicate import SimulatedReplicate

SCHNELL = "black-forest-labs/flux-schnell"
PRO = "black-forest-labs/flux-1.1-pro"
SDXL = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc"
AUTHORIZATION = {"Authorization": "Bearer r8_test"}
SENSITIVE = "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
PATIENCE_SECONDS = 10


@dataclass
class MovableClock:
    moved: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


@dataclass(frozen=True)
class Delivered:
    headers: dict[str, str]
    body: bytes

    @property
    def prediction(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass
class Receiver:
    """A webhook receiver that answers with `statuses` in turn, and with 200 when they are used up."""

    statuses: list[int] = field(default_factory=list)
    pause_seconds: float = 0
    delivered: list[Delivered] = field(default_factory=list)

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.delivered.append(Delivered({name.lower(): value for name, value in self.headers.items()}, body))
                time.sleep(receiver.pause_seconds)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("location", f"{receiver.url}/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhook?job=1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def states(self) -> list[str]:
        return [each.prediction["status"] for each in self.delivered]


@dataclass(frozen=True)
class Api:
    """The API without the SDK: what goes over the wire, as it is."""

    simulator: SimulatedReplicate

    def post(self, path: str, body: object = None, **headers: str) -> requests.Response:
        return requests.post(self.simulator.base_url + path, json=body, headers={**AUTHORIZATION, **headers}, timeout=10)

    def get(self, path: str, **query: str) -> requests.Response:
        return requests.get(self.simulator.base_url + path, params=query, headers=AUTHORIZATION, timeout=10)

    def set_faults(self, **faults: object) -> requests.Response:
        return requests.put(f"{self.simulator.base_url}/faults", json=faults, timeout=10)

    def create(self, prompt: str = "a lighthouse", *, model: str = SCHNELL, webhook: dict[str, Any] | None = None, **inputs: object) -> dict[str, Any]:
        answer = self.post("/v1/predictions", {"version": model, "input": {"prompt": prompt, **inputs}, **(webhook or {})})
        assert answer.status_code == 201, answer.text
        prediction: dict[str, Any] = answer.json()
        return prediction

    def prediction(self, prediction_id: str) -> dict[str, Any]:
        prediction: dict[str, Any] = self.get(f"/v1/predictions/{prediction_id}").json()
        return prediction

    def finished(self, prediction_id: str) -> dict[str, Any]:
        until(lambda: self.prediction(prediction_id)["status"] not in {"starting", "processing"})
        return self.prediction(prediction_id)

    def all(self) -> list[dict[str, Any]]:
        predictions: list[dict[str, Any]] = self.get("/sim/predictions").json()["predictions"]
        return predictions

    def tries(self) -> list[dict[str, Any]]:
        webhooks: list[dict[str, Any]] = self.get("/sim/webhooks").json()["webhooks"]
        return webhooks


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def image_at(url: str) -> Image.Image:
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    return Image.open(BytesIO(answer.content))


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def simulator(clock: MovableClock) -> Iterator[SimulatedReplicate]:
    with SimulatedReplicate(run_seconds=0.1, retry_delays_seconds=(0.05, 0.1, 0.2), webhook_timeout_seconds=2, clock=clock) as simulator:
        yield simulator


@pytest.fixture
def api(simulator: SimulatedReplicate) -> Api:
    return Api(simulator)


@pytest.fixture
def client(simulator: SimulatedReplicate) -> Iterator[Client]:
    with Client(bearer_token="r8_test", base_url=f"{simulator.base_url}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def listening(receiver: Receiver, *events: str) -> dict[str, Any]:
    return {"webhook": receiver.url, "webhook_events_filter": list(events)} if events else {"webhook": receiver.url}


def let_a_later_webhook_pass(api: Api) -> None:
    """Wait longer than any retry would, by the clock of the simulator itself."""
    with Receiver() as later:
        api.create(webhook=listening(later, "completed"))
        until(lambda: later.delivered)


def test_the_official_sdk_creates_and_reads_a_prediction(client: Client) -> None:
    created = client.predictions.create(version=SCHNELL, input={"prompt": "a fox", "num_outputs": 2}, cancel_after="1m30s")

    assert created.status == "starting"
    assert created.deadline == created.created_at + timedelta(seconds=90)
    until(lambda: client.predictions.get(prediction_id=created.id).status == "succeeded")
    done = client.predictions.get(prediction_id=created.id)
    assert isinstance(done.output, list)
    assert len(done.output) == 2
    assert done.started_at is not None
    assert done.completed_at is not None
    assert created.created_at < done.started_at < done.completed_at
    assert done.metrics is not None
    assert done.metrics.total_time is not None
    assert done.metrics.total_time >= 0.2


def test_the_official_sdk_reads_models_lists_and_the_webhook_secret(client: Client, simulator: SimulatedReplicate) -> None:
    created = client.models.predictions.create(model_owner="black-forest-labs", model_name="flux-1.1-pro", input={"prompt": "a fox"})

    assert [each.id for each in client.predictions.list()] == [created.id]
    assert client.webhooks.default.secret.get().key == simulator.webhook_secret
    assert client.models.get(model_owner="stability-ai", model_name="sdxl").is_official is False


def test_the_official_sdk_cancels_and_a_canceled_prediction_stays_so(client: Client, api: Api) -> None:
    api.set_faults(run_seconds=60)
    created = client.predictions.create(version=SCHNELL, input={"prompt": "a fox"})

    assert client.predictions.cancel(prediction_id=created.id).status == "canceled"
    assert client.predictions.cancel(prediction_id=created.id).status == "canceled"
    assert client.predictions.get(prediction_id=created.id).output is None


def test_a_cancel_after_the_end_changes_nothing(api: Api) -> None:
    done = api.finished(api.create()["id"])

    assert api.post(f"/v1/predictions/{done['id']}/cancel").json() == done


@pytest.mark.parametrize("version", [PRO, SDXL, f"stability-ai/sdxl:{SDXL}"])
def test_each_form_of_a_version_is_understood(api: Api, version: str) -> None:
    assert api.create(model=version)["status"] == "starting"


@pytest.mark.parametrize("version", ["stability-ai/sdxl", f"stability-ai/other:{SDXL}", f"{SCHNELL}:latest", "0" * 64, "nobody/nothing"])
def test_a_version_that_cannot_be_run_is_refused(api: Api, version: str) -> None:
    answer = api.post("/v1/predictions", {"version": version, "input": {"prompt": "a fox"}})

    assert answer.status_code == 422
    assert answer.json()["title"] == "Invalid version or not permitted"


@pytest.mark.parametrize("authorization", [None, "Bearer sk_test", "Basic r8_test", "r8_test"])
def test_without_a_token_of_replicate_nothing_is_answered(api: Api, authorization: str | None) -> None:
    answer = requests.get(f"{api.simulator.base_url}/v1/predictions", headers={"Authorization": authorization} if authorization else {}, timeout=10)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {"title": "Unauthenticated", "detail": "You did not pass a valid authentication token", "status": 401}


def test_the_older_form_of_the_token_is_accepted(api: Api) -> None:
    answer = requests.get(f"{api.simulator.base_url}/v1/predictions", headers={"Authorization": "Token r8_test"}, timeout=10)

    assert answer.status_code == 200
    assert answer.headers["ratelimit-remaining"] == "2999"
    assert answer.headers["ratelimit-reset"] == "1"


@pytest.mark.parametrize("path", ["/v1/predictions/unknown", "/v1/models/nobody/nothing", "/v1/nowhere", "/nowhere"])
def test_what_does_not_exist_is_not_found(api: Api, path: str) -> None:
    answer = api.get(path)

    assert answer.status_code == 404
    assert answer.json() == {"detail": "The requested resource could not be found.", "status": 404}


def test_a_community_model_cannot_be_called_by_its_name(api: Api) -> None:
    assert api.post("/v1/models/stability-ai/sdxl/predictions", {"input": {"prompt": "a fox"}}).status_code == 404


@pytest.mark.parametrize(
    ("change", "invalid"),
    [
        ({"input": None}, {"type": "invalid_type", "field": "input", "description": "Invalid type. Expected: object, given: null"}),
        ({"input": {}}, {"type": "required", "field": "input", "description": "prompt is required"}),
        (
            {"input": {"prompt": "a fox", "num_outputs": 5}},
            {"type": "number_lte", "field": "input.num_outputs", "description": "Must be less than or equal to 4"},
        ),
        (
            {"input": {"prompt": "a fox", "num_outputs": "2"}},
            {"type": "invalid_type", "field": "input.num_outputs", "description": "Invalid type. Expected: integer, given: string"},
        ),
        (
            {"input": {"prompt": "a fox", "megapixels": "8"}},
            {"type": "enum", "field": "input.megapixels", "description": 'input.megapixels must be one of the following: "1", "0.25"'},
        ),
        (
            {"callback": "https://example.com"},
            {"type": "additional_property_not_allowed", "field": "(root)", "description": "Additional property callback is not allowed"},
        ),
        ({"webhook": "http://example.com/"}, {"type": "format", "field": "webhook", "description": "Does not match format 'https URL'"}),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_created(api: Api, change: dict[str, Any], invalid: dict[str, str]) -> None:
    answer = api.post("/v1/predictions", {"version": SCHNELL, "input": {"prompt": "a fox"}, **change})

    assert answer.status_code == 422
    assert answer.json() == {
        "title": "Input validation failed",
        "detail": f"- {invalid['field']}: {invalid['description']}\n",
        "status": 422,
        "invalid_fields": [invalid],
    }
    assert api.all() == []


def test_an_unknown_input_is_ignored_without_a_word(api: Api) -> None:
    assert api.create(num_output=4)["input"] == {"prompt": "a lighthouse", "num_output": 4}


def test_a_whole_number_may_be_written_with_a_point(api: Api) -> None:
    assert len(api.finished(api.create(num_outputs=2.0)["id"])["output"]) == 2


def test_a_body_that_is_not_json_is_refused(api: Api) -> None:
    answer = requests.post(f"{api.simulator.base_url}/v1/predictions", data="{", headers=AUTHORIZATION, timeout=10)

    assert answer.status_code == 400


@pytest.mark.parametrize("header", ["4", "4s", "soon", "", "m", "1m1h", "-30"])
def test_a_deadline_below_five_seconds_or_of_no_known_form_is_refused(api: Api, header: str) -> None:
    answer = api.post("/v1/predictions", {"version": SCHNELL, "input": {"prompt": "a fox"}}, **{"Cancel-After": header})

    assert answer.status_code == 422
    assert answer.json()["invalid_fields"][0]["field"] == "Cancel-After"


def test_a_deadline_aborts_what_has_not_started_and_cancels_what_has(api: Api, receiver: Receiver) -> None:
    body = {"version": SCHNELL, "input": {"prompt": "a fox"}, **listening(receiver, "completed")}
    api.set_faults(queue_seconds=60)
    queued = api.post("/v1/predictions", body, **{"Cancel-After": "5"}).json()
    api.set_faults(run_seconds=60)
    running = api.post("/v1/predictions", body, **{"Cancel-After": "5"}).json()

    ended = [api.finished(each["id"]) for each in (queued, running)]

    assert [each["status"] for each in ended] == ["aborted", "canceled"]
    for each in ended:
        lived = datetime.fromisoformat(each["completed_at"]) - datetime.fromisoformat(each["created_at"])
        assert 5 <= lived.total_seconds() < 9
    api.set_faults()
    let_a_later_webhook_pass(api)
    assert receiver.states() == ["canceled"]


def test_the_list_comes_in_pages_of_a_hundred_newest_first(api: Api) -> None:
    ids = [api.create()["id"] for _ in range(101)]

    newest = api.get("/v1/predictions").json()
    api.create()
    oldest = requests.get(newest["next"], headers=AUTHORIZATION, timeout=10).json()

    assert [each["id"] for each in newest["results"]] == ids[:0:-1]
    assert newest["previous"] is None
    assert [each["id"] for each in oldest["results"]] == ids[:1]
    assert oldest["next"] is None
    assert requests.get(oldest["previous"], headers=AUTHORIZATION, timeout=10).json()["results"][-1]["id"] == ids[1]


def test_the_list_can_be_limited_by_time(api: Api) -> None:
    first, second = api.create(), api.create()

    later = api.get("/v1/predictions", created_after=second["created_at"]).json()["results"]
    earlier = api.get("/v1/predictions", created_before=second["created_at"]).json()["results"]

    assert [each["id"] for each in later] == [second["id"]]
    assert [each["id"] for each in earlier] == [first["id"]]
    assert api.get("/v1/predictions", source="web").json()["results"] == []
    assert api.get("/v1/predictions", created_after="yesterday").status_code == 422


@pytest.mark.parametrize(
    ("inputs", "size"),
    [({}, (1024, 1024)), ({"aspect_ratio": "16:9"}, (1344, 768)), ({"aspect_ratio": "2:3", "megapixels": "0.25"}, (416, 608))],
)
@pytest.mark.parametrize(("extension", "content_type"), [("webp", "image/webp"), ("png", "image/png"), ("jpg", "image/jpeg")])
def test_outputs_are_images_of_the_asked_size_and_format(api: Api, inputs: dict[str, Any], size: tuple[int, int], extension: str, content_type: str) -> None:
    output = api.finished(api.create(output_format=extension, num_outputs=2, **inputs)["id"])["output"]

    assert [url.rsplit("/", 1)[1] for url in output] == [f"out-0.{extension}", f"out-1.{extension}"]
    assert requests.head(output[0], timeout=10).headers["content-type"] == content_type
    for url in output:
        image = image_at(url)
        image.load()
        assert image.size == size
        assert Image.MIME[image.format or ""] == content_type


def test_the_same_prompt_and_seed_draw_the_same_images(api: Api) -> None:
    def drawn(prompt: str, seed: int) -> list[bytes]:
        output = api.finished(api.create(prompt, seed=seed, num_outputs=2, megapixels="0.25")["id"])["output"]
        return [image_at(url).convert("RGB").tobytes() for url in output]

    first = drawn("a fox", 1)

    assert drawn("a fox", 1) == first
    assert first[0] != first[1]
    assert drawn("a fox", 2) != first
    assert drawn("a wolf", 1) != first


def test_a_model_of_one_image_answers_a_string(api: Api) -> None:
    done = api.finished(api.create(model=PRO, aspect_ratio="custom", width=256, height=320)["id"])

    assert image_at(done["output"]).size == (256, 320)
    assert done["version"] == "hidden"


def test_a_model_without_a_format_makes_png(api: Api) -> None:
    done = api.finished(api.create(model=SDXL, width=512, height=256)["id"])

    assert image_at(done["output"][0]).format == "PNG"
    assert done["version"] == SDXL


def test_after_the_retention_the_data_is_gone(api: Api, clock: MovableClock) -> None:
    done = api.finished(api.create()["id"])

    clock.moved = timedelta(seconds=3590)
    assert api.prediction(done["id"]) == done
    assert requests.get(done["output"][0], timeout=10).status_code == 200

    clock.moved = timedelta(seconds=3601)
    removed = api.prediction(done["id"])
    assert (removed["status"], removed["output"], removed["input"], removed["data_removed"]) == ("succeeded", None, {}, True)
    assert requests.get(done["output"][0], timeout=10).status_code == 404
    assert api.all() == [done]


def test_a_token_sent_to_the_delivery_host_is_seen(api: Api) -> None:
    [url] = api.finished(api.create()["id"])["output"]

    requests.get(url, timeout=10)
    requests.get(url, headers=AUTHORIZATION, timeout=10)

    requests_seen = api.get("/sim/deliveries").json()["deliveries"]
    assert [each["carried_authorization"] for each in requests_seen] == [False, True]
    assert "r8_test" not in json.dumps(requests_seen)


def test_a_webhook_is_signed_and_says_what_a_get_says(api: Api, receiver: Receiver) -> None:
    created = api.create(webhook=listening(receiver, "completed"))

    until(lambda: receiver.delivered)
    [message] = receiver.delivered
    assert Webhook(api.simulator.webhook_secret).verify(message.body, message.headers) == api.prediction(created["id"])
    assert message.prediction["webhook"] == receiver.url
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_b3RoZXI=").verify(message.body, message.headers)


def test_only_the_events_of_the_filter_are_sent(api: Api, receiver: Receiver) -> None:
    every = api.create(webhook=listening(receiver, "start", "output", "logs", "completed"))
    until(lambda: len(api.tries()) == 4)
    assert sorted(each["event"] for each in api.tries()) == ["completed", "logs", "output", "start"]
    [with_output] = [each.prediction for each in receiver.delivered if each.prediction["status"] == "processing" and each.prediction["output"]]
    assert with_output["output"] == api.prediction(every["id"])["output"]

    receiver.delivered.clear()
    api.create(webhook=listening(receiver))
    until(lambda: len(api.tries()) == 6)
    assert sorted(each["event"] for each in api.tries()[4:]) == ["completed", "output"]


def test_a_failing_receiver_hears_the_end_again_under_the_same_id(api: Api, receiver: Receiver) -> None:
    receiver.statuses = [500, 401, 503]

    api.create(webhook=listening(receiver, "completed"))

    until(lambda: [each["status_code"] for each in api.tries()] == [500, 401, 503, 200])
    assert len({each.headers["webhook-id"] for each in receiver.delivered}) == 1
    assert len({each.body for each in receiver.delivered}) == 1


def test_a_receiver_that_never_agrees_is_left_alone_at_last(api: Api, receiver: Receiver) -> None:
    receiver.statuses = [500] * 10

    api.create(webhook=listening(receiver, "completed"))

    until(lambda: len(receiver.delivered) == 4)
    let_a_later_webhook_pass(api)
    assert len(receiver.delivered) == 4


def test_an_unreachable_receiver_is_tried_again(api: Api) -> None:
    with Receiver() as gone:
        url = gone.url

    api.create(webhook={"webhook": url, "webhook_events_filter": ["completed"]})

    until(lambda: len(api.tries()) == 4)
    assert {each["error"] for each in api.tries()} == {"ConnectionError"}


def test_a_webhook_before_the_end_is_sent_once_only(api: Api, receiver: Receiver) -> None:
    receiver.statuses = [500]

    api.create(webhook=listening(receiver, "start", "completed"))

    until(lambda: receiver.states()[-1:] == ["succeeded"])
    let_a_later_webhook_pass(api)
    assert receiver.states() == ["processing", "succeeded"]


def test_a_redirect_is_not_followed_and_not_repeated(api: Api, receiver: Receiver) -> None:
    receiver.statuses = [301]

    api.create(webhook=listening(receiver, "completed"))

    until(lambda: receiver.delivered)
    let_a_later_webhook_pass(api)
    assert len(receiver.delivered) == 1


def test_a_slow_receiver_holds_nobody_up(api: Api, receiver: Receiver) -> None:
    receiver.pause_seconds = 3
    created = [api.create(webhook=listening(receiver, "start")) for _ in range(4)]
    began_at = time.monotonic()

    assert {api.finished(each["id"])["status"] for each in created} == {"succeeded"}

    assert time.monotonic() - began_at < 2.5


@pytest.mark.parametrize("prompt", ["please flag me now", "Flag me"])
def test_a_flagged_prompt_always_fails(api: Api, receiver: Receiver, prompt: str) -> None:
    done = api.finished(api.create(prompt, webhook=listening(receiver, "completed"))["id"])

    assert (done["status"], done["error"], done["output"]) == ("failed", SENSITIVE, None)
    until(lambda: receiver.states() == ["failed"])


def test_throttling_tells_when_to_come_back_and_creates_nothing(api: Api) -> None:
    api.set_faults(throttle=1)
    answer = api.post("/v1/predictions", {"version": SCHNELL, "input": {"prompt": "a fox"}})

    assert answer.status_code == 429
    assert answer.json() == {
        "title": "Request was throttled",
        "detail": "Request was throttled. Your rate limit resets in ~2s.",
        "retry_after": 2,
        "status": 429,
    }
    assert answer.headers["ratelimit-remaining"] == "0"
    assert api.all() == []


def test_an_outage_creates_nothing(api: Api) -> None:
    api.set_faults(unavailable=1)

    assert api.post("/v1/predictions", {"version": SCHNELL, "input": {"prompt": "a fox"}}).status_code == 503
    assert api.all() == []


def test_a_lost_answer_leaves_a_prediction_behind(api: Api, client: Client) -> None:
    api.set_faults(lost_create_answer=1)

    with pytest.raises(APIConnectionError) as failure:
        client.with_options(timeout=2).predictions.create(version=SCHNELL, input={"prompt": "a fox"})

    assert not isinstance(failure.value, APITimeoutError)
    [prediction] = api.all()
    assert api.finished(prediction["id"])["status"] == "succeeded"


@pytest.mark.parametrize(
    ("fault", "status", "error", "output"),
    [
        ("fail", "failed", "Prediction interrupted; please retry (code: PA)", None),
        ("flag_sensitive", "failed", SENSITIVE, None),
        ("no_output", "succeeded", None, None),
        ("drop_output", "succeeded", None, []),
    ],
)
def test_a_run_can_end_badly(api: Api, fault: str, status: str, error: str | None, output: object) -> None:
    api.set_faults(**{fault: 1})
    done = api.finished(api.create(num_outputs=4)["id"])

    assert (done["status"], done["error"], done["output"], done["data_removed"]) == (status, error, output, False)


def test_outputs_are_dropped_one_by_one(api: Api) -> None:
    api.set_faults(drop_output=0.5, seed=1)
    counts = [len(api.finished(api.create(num_outputs=4)["id"])["output"]) for _ in range(4)]

    assert any(0 < count < 4 for count in counts)


def test_a_run_takes_as_long_as_asked(api: Api) -> None:
    api.set_faults(run_seconds=0.6)

    assert 0.6 <= api.finished(api.create()["id"])["metrics"]["predict_time"] < 5


def test_a_lost_webhook_never_arrives(api: Api, receiver: Receiver) -> None:
    api.set_faults(lose_webhook=1)
    api.finished(api.create(webhook=listening(receiver, "completed"))["id"])

    until(api.tries)
    assert [(each["number"], each["error"]) for each in api.tries()] == [(0, "lost on purpose")]
    assert receiver.delivered == []


def test_a_duplicate_webhook_has_the_same_id(api: Api, receiver: Receiver) -> None:
    api.set_faults(duplicate_webhook=1)
    api.create(webhook=listening(receiver, "completed"))

    until(lambda: len(receiver.delivered) == 2)
    assert len({each.headers["webhook-id"] for each in receiver.delivered}) == 1


def test_a_delayed_webhook_comes_late_and_still_verifies(api: Api, receiver: Receiver) -> None:
    api.set_faults(delay_webhook_seconds=0.5)
    done = api.finished(api.create(webhook=listening(receiver, "completed"))["id"])

    until(api.tries)
    [sent] = api.tries()
    assert datetime.fromisoformat(sent["sent_at"]) - datetime.fromisoformat(done["completed_at"]) >= timedelta(seconds=0.5)
    Webhook(api.simulator.webhook_secret).verify(receiver.delivered[0].body, receiver.delivered[0].headers)


def test_reordered_webhooks_tell_of_the_start_after_the_end(api: Api, receiver: Receiver) -> None:
    api.set_faults(reorder=1)
    api.create(webhook=listening(receiver, "start", "completed"))

    until(lambda: len(receiver.delivered) == 2)
    assert receiver.states() == ["succeeded", "processing"]


def test_faults_that_are_not_named_go_back_to_their_defaults(api: Api) -> None:
    defaults = api.get("/faults").json()
    api.set_faults(lose_webhook=0.2, run_seconds=3)

    assert api.set_faults(throttle=0.5).json() == {**defaults, "throttle": 0.5}
    assert api.get("/faults").json() == {**defaults, "throttle": 0.5}


@pytest.mark.parametrize("wrong", [{"loose_webhook": 0.5}, {"throttle": 1.5}, {"throttle": -1}, {"fail": True}, {"run_seconds": "1"}])
def test_wrong_faults_are_named_and_change_nothing(api: Api, wrong: dict[str, object]) -> None:
    before = api.get("/faults").json()
    answer = api.set_faults(lose_webhook=1, **wrong)

    assert answer.status_code == 422
    assert next(iter(wrong)) in answer.json()["detail"]
    assert api.get("/faults").json() == before


def test_faults_leave_the_control_alone(api: Api) -> None:
    api.set_faults(unavailable=1, throttle=1)

    assert api.get("/v1/predictions").status_code == 503
    assert api.get("/faults").status_code == 200
    assert api.get("/sim/predictions").status_code == 200


def test_two_simulators_share_nothing(simulator: SimulatedReplicate, api: Api) -> None:
    api.create()
    with SimulatedReplicate() as other:
        assert other.base_url != simulator.base_url
        assert other.webhook_secret != simulator.webhook_secret
        assert Api(other).all() == []

    with pytest.raises(requests.ConnectionError):
        Api(other).all()
